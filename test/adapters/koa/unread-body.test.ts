import { once } from "node:events";
import { type IncomingMessage, request as sendRequest } from "node:http";
import { gzipSync } from "node:zlib";
import { afterEach, describe, expect, it } from "vitest";
import { within } from "../../support/inbox.js";
import { pushBytes, RawHttp, turns } from "../../support/raw-http.js";
import { HOSTS, type RunningHost } from "./hosts.js";

const JSON_HEAD = "POST /api/push HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n";
const UPLOAD = 100_000_000;

describe.each(HOSTS)("a body that is not read to its end on %s", (_name, start) => {
  let host: RunningHost;
  const clients: RawHttp[] = [];
  const connect = async (): Promise<RawHttp> => {
    const client = await RawHttp.connect(host.port);
    clients.push(client);
    return client;
  };
  afterEach(async () => {
    for (const client of clients.splice(0)) client.destroy();
    await host.stop();
  });

  it("is answered while Node's own client still sends it", async () => {
    host = await start();
    const upload = sendRequest({
      port: host.port,
      host: "127.0.0.1",
      method: "POST",
      path: "/api/push",
      headers: { "content-type": "application/json", "content-length": UPLOAD },
    });
    upload.on("error", () => {});
    const piece = Buffer.alloc(65_536, 120);
    let isAnswered = false;
    const sending = (async () => {
      for (let sent = 0; sent < UPLOAD && !isAnswered; sent += piece.length) {
        if (!upload.write(piece)) await turns(1);
      }
    })();
    const [answer] = (await within(once(upload, "response"), "an answer")) as [IncomingMessage];
    isAnswered = true;
    let text = "";
    for await (const chunk of answer) text += chunk;
    expect([answer.statusCode, text]).toEqual([
      413,
      '{"error":"The request body is larger than 8000000 bytes."}',
    ]);
    await sending;
    upload.destroy();
  });

  it.each([
    ["404", "POST /nowhere HTTP/1.1\r\nHost: x\r\n", 404],
    ["405", "PUT /api/push HTTP/1.1\r\nHost: x\r\n", 405],
    ["415", "POST /api/push HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\n", 415],
    ["413", JSON_HEAD, 413],
  ])("leaves the connection usable where it is small: %s", async (_status, head, status) => {
    host = await start({ bodyLimit: 1_000 });
    const client = await connect();
    const body = "x".repeat(50_000);
    const whole = `${head}Content-Length: ${body.length}\r\n\r\n${body}`;
    client.write(whole + pushBytes("a"));
    expect((await client.answer("POST")).status).toBe(status);
    expect((await client.answer("POST")).status).toBe(200);
    await client.send(whole.slice(0, -body.length), body, pushBytes("b"));
    expect((await client.answer("POST")).status).toBe(status);
    expect((await client.answer("POST")).status).toBe(200);
    expect(host.delivered.map(({ channel }) => channel)).toEqual(["a", "b"]);
  });

  it("leaves the connection usable where it was a bomb", async () => {
    host = await start({ bodyLimit: 1_000 });
    const bomb = gzipSync(Buffer.alloc(10_000_000)).toString("latin1");
    const client = await connect();
    client.write(
      `${JSON_HEAD}Content-Encoding: gzip\r\nContent-Length: ${bomb.length}\r\n\r\n${bomb}`,
    );
    expect((await client.answer("POST")).status).toBe(413);
    client.write(pushBytes("a"));
    expect((await client.answer("POST")).status).toBe(200);
  });

  it.each(["gzip", "br", "identity"])(
    "because its client has gone ends its handling, and is no error: %s",
    async (encoding) => {
      const began: Promise<void>[] = [];
      const ended: Promise<unknown>[] = [];
      let isOn: () => void = () => {};
      began.push(
        new Promise((resolve) => {
          isOn = resolve;
        }),
      );
      host = await start({
        middleware: [
          (ctx, next) => {
            ctx.req.once("data", isOn);
            const handled = next();
            ended.push(handled.catch(() => {}));
            return handled;
          },
        ],
      });
      const client = await connect();
      const body = gzipSync('{"channel":"a","event":"e","data":1}').toString("latin1");
      client.write(
        `${JSON_HEAD}Content-Encoding: ${encoding}\r\nContent-Length: ${body.length}\r\n\r\n` +
          (encoding === "br" ? "\x0b" : body.slice(0, 20)),
      );
      await within(Promise.all(began), "the first part");
      client.destroy();
      await within(Promise.all(ended), "the end of the handling");
      expect(host.delivered).toEqual([]);
      expect(host.log.filter((line) => JSON.parse(line).level >= 50)).toEqual([]);
    },
  );
});
