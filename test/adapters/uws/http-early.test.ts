import { afterEach, describe, expect, it } from "vitest";
import { ApiKeyPolicy } from "../../../src/index.js";
import { pushBytes, RawHttp, turns } from "../../support/raw-http.js";
import { type RunningHost, startOnUws } from "../koa/hosts.js";

const UPLOAD_BYTES = 100_000_000;
const PIECE = Buffer.alloc(65_536, 97);

const uploadHead = (framing: string) =>
  "POST /api/push HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n" +
  `${framing}\r\n\r\n`;

/** Ways to send `UPLOAD_BYTES`: the head's field, and a piece of the body. */
const FRAMINGS: readonly (readonly [name: string, framing: string, piece: Buffer])[] = [
  ["of a told length", `Content-Length: ${UPLOAD_BYTES}`, PIECE],
  [
    "in chunks",
    "Transfer-Encoding: chunked",
    Buffer.concat([Buffer.from("10000\r\n"), PIECE, Buffer.from("\r\n")]),
  ],
];

describe("answers before the body has come, on the bridge", () => {
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

  /** Sends pieces until something has come back. @returns the bytes that were sent. */
  async function sendUntilAnswered(client: RawHttp, piece: Buffer): Promise<number> {
    let sent = 0;
    for (; client.bytesRead === 0 && sent < UPLOAD_BYTES; sent += piece.length) {
      client.write(piece);
      await turns(1);
    }
    return sent;
  }

  /** Sends on until the server has ended the connection. @returns the bytes that were sent. */
  async function sendUntilClosed(client: RawHttp, piece: Buffer): Promise<number> {
    let isClosed = false;
    const closed = client.closed().then(() => {
      isClosed = true;
    });
    let sent = 0;
    for (; !isClosed && sent < UPLOAD_BYTES; sent += piece.length) {
      client.write(piece);
      await turns(1);
    }
    await closed;
    return sent;
  }

  describe.each(FRAMINGS)("to an upload of 100 MB %s", (_name, framing, piece) => {
    it("is a 413 that comes while the client is still sending; then the connection ends", async () => {
      host = await startOnUws();
      const client = await connect();
      await client.send(uploadHead(framing));
      const sent = await sendUntilAnswered(client, piece);
      const answer = await client.answer();
      expect(answer.status).toBe(413);
      expect(answer.json()).toEqual({ error: expect.stringContaining("8000000 bytes") });
      expect(answer.header("connection")).toBe("close");
      expect(sent).toBeLessThan(UPLOAD_BYTES / 2);
      expect(await sendUntilClosed(client, piece)).toBeLessThan(UPLOAD_BYTES / 2);
      expect(client.pending).toBe("");
    });

    it("is whole also for a client that reads only once it has sent some more", async () => {
      host = await startOnUws({ bodyLimit: 1_000 });
      const client = await connect();
      client.pause();
      await client.send(uploadHead(framing));
      for (let sent = 0; sent < 900_000; sent += piece.length) await client.send(piece);
      client.resume();
      expect((await client.answer()).status).toBe(413);
    });

    it("leaves the server to others, and nothing behind", async () => {
      host = await startOnUws({ bodyLimit: 1_000 });
      const many = await Promise.all(Array.from({ length: 10 }, connect));
      for (const client of many) client.write(uploadHead(framing));
      for (const client of many) await sendUntilAnswered(client, piece);
      const other = await connect();
      await other.send(pushBytes("a"));
      expect((await other.answer()).status).toBe(200);
      for (const client of many) {
        expect((await client.answer()).status).toBe(413);
        await sendUntilClosed(client, piece);
      }
      expect(host.delivered.map(({ channel }) => channel)).toEqual(["a"]);
    });

    it("runs no push that the upload holds behind its answer", async () => {
      host = await startOnUws({ bodyLimit: 1_000 });
      const client = await connect();
      await client.send(uploadHead(framing), piece);
      expect((await client.answer()).status).toBe(413);
      await client.send(pushBytes("smuggled"), `0\r\n\r\n${pushBytes("smuggled")}`);
      await sendUntilClosed(client, piece);
      const other = await connect();
      await other.send(pushBytes("a"));
      expect((await other.answer()).status).toBe(200);
      expect(host.delivered.map(({ channel }) => channel)).toEqual(["a"]);
    });
  });

  it.each<[number, string, string]>([
    [404, "POST /nowhere HTTP/1.1", ""],
    [405, "PUT /api/push HTTP/1.1", ""],
    [415, "POST /api/push HTTP/1.1", "Content-Type: text/plain\r\n"],
    [403, "POST /api/push HTTP/1.1", "Content-Type: application/json\r\n"],
    [413, "POST /api/push HTTP/1.1", "Content-Type: application/json\r\n"],
  ])("leave the connection usable where the body is small: %i", async (status, line, type) => {
    host = await startOnUws({ policy: new ApiKeyPolicy(["key"]), bodyLimit: 100 });
    const client = await connect();
    const body = `{"channel":"a","event":"e","data":1${" ".repeat(status === 413 ? 200 : 0)}}`;
    const head = `${line}\r\nHost: localhost\r\n${type}Content-Length: ${body.length}\r\n\r\n`;
    const allowed = pushBytes("b").replace("\r\n", "\r\nAuthorization: Bearer key\r\n");
    // Together, head and body apart, and the answer awaited between them.
    await client.send(head + body, head, body);
    expect((await client.answer()).status).toBe(status);
    expect((await client.answer()).status).toBe(status);
    await client.send(head);
    await client.send(body.slice(0, 5), body.slice(5));
    const answer = await client.answer();
    expect(answer.status).toBe(status);
    expect(answer.header("connection")).not.toBe("close");
    await client.send(allowed);
    expect((await client.answer()).status).toBe(200);
    expect(host.delivered.map(({ channel }) => channel)).toEqual(["b"]);
  });
});
