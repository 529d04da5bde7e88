import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, expect, it, onTestFinished } from "vitest";
import { FetchEventSource } from "../../client/src/fetch-event-source.js";
import { eventsUrl, socketUrl } from "../../client/src/urls.js";
import { Inbox } from "../support/inbox.js";

describe("the URLs", () => {
  it("are the socket's with another scheme and path", () => {
    const of = (url: string) => eventsUrl({ url }, {}, ["a b", "ü&"], "c=");
    const query = "?channel=a+b&channel=%C3%BC%26&last_event_id=c%3D";
    expect(of("wss://host/push_socket")).toBe(`https://host/push_events${query}`);
    expect(of("ws://host:1/below/push_socket/")).toBe(`http://host:1/below/push_events${query}`);
    expect(of("https://host/other")).toBe(`https://host/push_events${query}`);
    const given = { url: "wss://host/push_socket", eventsUrl: "https://other/e" };
    expect(eventsUrl(given, { token: "t" }, ["a"], undefined)).toBe(
      "https://other/e?token=t&channel=a",
    );
    expect(socketUrl("https://host/push_socket/", { a: 1 })).toBe(
      "wss://host/push_socket/websocket?a=1&vsn=2.0.0",
    );
  });
});

describe("the reader without EventSource", () => {
  it("reads the format however it is cut: line ends, comments, ids that stay, several data lines", async () => {
    const text =
      "\uFEFFdata: a\r\ndata: a\r\n\r\n: comment\ndata:b\rdata:  c\rid: 7\r\revent: x\ndata: ü\n\nid\ndata\n\nretry: 5\ndata: cut off";
    const seen = new Inbox<string>("events");
    for (const size of [1, 2, 3, 1000]) {
      const server = createServer((_request, response) => {
        response.writeHead(200, { "content-type": "text/event-stream; charset=utf-8" });
        const bytes = Buffer.from(text);
        const write = (at: number): void => {
          if (at >= bytes.length) response.end();
          else response.write(bytes.subarray(at, at + size), () => setImmediate(write, at + size));
        };
        write(0);
      });
      await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
      onTestFinished(() => void server.close());
      const { port } = server.address() as AddressInfo;
      const source = new FetchEventSource(`http://127.0.0.1:${port}/`);
      for (const type of ["open", "message", "x", "error"]) {
        source.addEventListener(type, ({ data, lastEventId }) =>
          seen.push(`${type} ${data} ${lastEventId}`),
        );
      }
      expect(await seen.takeUntil((line) => line.startsWith("error"))).toEqual([
        "open  ",
        "message a\na ",
        "message b\n c 7",
        "x ü 7",
        "message  ",
        "error  ",
      ]);
    }
  });

  it.each([
    ["a refusal", 403, "text/event-stream"],
    ["another type", 200, "text/html"],
  ])("takes %s for an error", async (_what, status, type) => {
    const server = createServer((_request, response) => {
      response.writeHead(status, { "content-type": type });
      response.end("data: x\n\n");
    });
    await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
    onTestFinished(() => void server.close());
    const { port } = server.address() as AddressInfo;
    const seen = new Inbox<string>("events");
    const source = new FetchEventSource(`http://127.0.0.1:${port}/`);
    for (const name of ["open", "message", "error"]) {
      source.addEventListener(name, () => seen.push(name));
    }

    expect(await seen.next()).toBe("error");
  });
});
