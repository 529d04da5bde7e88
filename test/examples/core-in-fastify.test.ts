import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Program, startProgram } from "../docs/program.js";

let example: Program;
let origin: string;

beforeAll(async () => {
  example = await startProgram(["examples/core-in-fastify/main.mjs", "0"]);
  origin = `http://127.0.0.1:${example.port}`;
});

afterAll(async () => {
  expect(await example.stop()).toBe(0);
});

function push(body: string, key = "demo-key"): Promise<Response> {
  return fetch(`${origin}/push`, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Bearer ${key}` },
    body,
  });
}

/** The texts behind `data:`, in order. */
async function* events(query: string): AsyncGenerator<string, void> {
  const response = await fetch(`${origin}/events?${query}`);
  expect(response.headers.get("content-type")).toBe("text/event-stream");
  if (response.body === null) throw new Error("a stream of events has a body");
  let text = "";
  const decoder = new TextDecoder();
  for await (const chunk of response.body) {
    text += decoder.decode(chunk as Uint8Array, { stream: true });
    for (let end = text.indexOf("\n\n"); end >= 0; end = text.indexOf("\n\n")) {
      const event = text.slice(0, end);
      text = text.slice(end + 2);
      yield event.startsWith("data: ") ? event.slice("data: ".length) : event;
    }
  }
}

async function next(stream: AsyncGenerator<string, void>): Promise<string> {
  const { value } = await stream.next();
  if (value === undefined) throw new Error("the stream has ended");
  return value;
}

describe("the core in Fastify", () => {
  it("delivers a push to each stream that has joined, every digit of it, once", async () => {
    const one = events("channel=a");
    const both = events("channel=a&channel=b");
    expect(await next(one)).toBe(": joined");
    expect(await next(both)).toBe(": joined");

    const answer = await push(
      '{"channel":["a","b","a"],"event":"e","data":{"id":12345678901234567890,"x":1.10}}',
    );

    expect(answer.status).toBe(200);
    expect(await answer.text()).toBe(
      '{"channel":["a","b"],"data":{"id":12345678901234567890,"x":1.10},"event":"e"}',
    );
    await push('{"channel":"a","event":"e","data":"last"}');
    const first = '"event":"e","data":{"id":12345678901234567890,"x":1.10}}';
    const last = '{"channel":"a","event":"e","data":"last"}';
    expect(await next(one)).toBe(`{"channel":"a",${first}`);
    expect(await next(one)).toBe(last);
    expect(await next(both)).toBe(`{"channel":"a",${first}`);
    expect(await next(both)).toBe(`{"channel":"b",${first}`);
    expect(await next(both)).toBe(last);
    await Promise.all([one.return(), both.return()]);
  });

  it("refuses what the policy or the domain refuses", async () => {
    const noKey = await push('{"channel":"a","event":"e","data":1}', "other");
    expect([noKey.status, await noKey.json()]).toEqual([403, { error: "Access Forbidden" }]);

    const noData = await push('{"channel":"a","event":"e"}');
    expect([noData.status, await noData.json()]).toEqual([
      422,
      { error: "Invalid push arguments: data is required." },
    ]);

    const noJson = await push('{"channel":');
    expect([noJson.status, await noJson.json()]).toEqual([
      400,
      { error: "The request body is not valid JSON." },
    ]);

    const hidden = await fetch(`${origin}/events?channel=private:x`);
    expect([hidden.status, await hidden.json()]).toEqual([403, { error: "unauthorized" }]);
  });
});
