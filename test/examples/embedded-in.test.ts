import { once } from "node:events";
import { request } from "node:http";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import { type Program, startProgram } from "../docs/program.js";
import { within } from "../support/inbox.js";
import { RawClient } from "../support/raw-client.js";

describe.each(["http-server", "express", "fastify", "koa"])("examples/embedded-in/%s", (name) => {
  let example: Program;
  let origin: string;
  let wsUrl: string;

  beforeAll(async () => {
    example = await startProgram([`examples/embedded-in/${name}.mjs`, "0"]);
    origin = `http://127.0.0.1:${example.port}`;
    wsUrl = `ws://127.0.0.1:${example.port}/push_socket`;
  });

  afterAll(() => example?.stop());

  it("answers the host's own requests, and pushes to sockets and streams of one port", async () => {
    expect(await (await fetch(origin)).text()).toBe("hello");

    const client = await RawClient.connect(wsUrl, "2.0.0");
    await client.join("a");
    const stream = await fetch(`${origin}/push_events?channel=a`);
    const body = stream.body?.pipeThrough(new TextDecoderStream()).getReader();
    const push = await fetch(`${origin}/api/push`, {
      method: "POST",
      headers: { authorization: "Bearer demo-key", "content-type": "application/json" },
      body: '{"channel":"a","event":"e","data":{"n":1}}',
    });

    expect([push.status, await push.json()]).toEqual([
      200,
      { channel: ["a"], event: "e", data: { n: 1 } },
    ]);
    expect((await client.frames.next()).payload).toMatchObject({ event: "e", data: { n: 1 } });
    let text = "";
    while (!text.includes('"data":{"n":1}')) {
      const chunk = await within(body?.read() ?? Promise.reject(), "the event");
      if (chunk.value === undefined) throw new Error("the stream has ended");
      text += chunk.value;
    }
    await body?.cancel();
    client.close();
  });

  it("serves a request that offers an upgrade to something else as a request", async () => {
    const asking = request(origin, {
      headers: {
        connection: "Upgrade, HTTP2-Settings",
        upgrade: "h2c",
        "http2-settings": "AAMAAABk",
      },
    });
    asking.end();
    const [response] = await within(once(asking, "response"), "the answer");
    let text = "";
    for await (const chunk of response) text += chunk;
    expect([response.statusCode, text]).toEqual([200, "hello"]);
  });

  it("denies a push without a key", async () => {
    const answer = await fetch(`${origin}/api/push`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: '{"channel":"a","event":"e","data":1}',
    });
    expect([answer.status, await answer.json()]).toEqual([403, { error: "Access Forbidden" }]);
  });

  it("closes sockets and streams as it stops, and then ends", async () => {
    const socket = new WebSocket(`${wsUrl}/websocket?vsn=2.0.0`);
    await once(socket, "open");
    const closed = once(socket, "close");
    const stream = await fetch(`${origin}/push_events?channel=a`);
    const code = example.stop();
    expect((await within(closed, "the close"))[0]).toBe(1012);
    expect(await within(stream.text(), "the end of the stream")).toContain("event: closed");
    expect(await within(code, "the end of the program")).toBe(0);
  });
});
