import { afterEach, describe, expect, it, onTestFinished } from "vitest";
import { type HandlerServer, serveOnBridge } from "../adapters/uws/http-servers.js";
import { Publisher } from "../support/publisher.js";
import { chunked, type RawAnswer, RawHttp } from "../support/raw-http.js";

/** More than is handed to uWebSockets.js at a time, and more than the kernel takes at once. */
const LENGTHS = [100_000, 4_000_000];

const GET = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

/** Requests behind whose answer the connection ends, and whether the server is draining. */
const LAST_REQUESTS: readonly (readonly [name: string, request: string, isDraining: boolean])[] = [
  [
    "a request in chunks",
    `POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n${chunked("body", [2])}`,
    false,
  ],
  ["a request to a draining server", GET, true],
  [
    "a request that names close among others",
    "GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, close\r\n\r\n",
    false,
  ],
  ["a request that asks to close", "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", false],
];

let server: HandlerServer | undefined;

afterEach(async () => {
  await server?.stop();
});

/** The answer as it came; what follows it is none of its bytes. */
async function ask(request: string): Promise<{ answer: RawAnswer; behind: string; http: RawHttp }> {
  const http = await RawHttp.connect(server?.port as number);
  onTestFinished(() => http.destroy());
  http.write(request);
  const answer = await http.answer();
  return { answer, behind: http.pending, http };
}

// uWebSockets.js writes `Connection: close` wherever it stands when it is told to close behind an
// answer: in the middle of a body whose head has left before.
describe.each(LAST_REQUESTS)("the long answer to %s", (_name, request, isDraining) => {
  it.each(LENGTHS)("arrives to the byte where it comes whole: %i bytes", async (length) => {
    server = await serveOnBridge(
      (_request, response) => response.end("a".repeat(length)),
      () => isDraining,
    );
    const { answer, behind, http } = await ask(request);
    expect(answer.header("connection")).toBe("close");
    expect(answer.body === "a".repeat(length)).toBe(true);
    expect(behind).toBe("");
    http.end();
    await http.closed();
    await server.idle();
  });

  it.each(LENGTHS)("arrives to the byte where it is streamed: %i bytes", async (length) => {
    server = await serveOnBridge(
      (_request, response) => {
        response.write("b".repeat(length / 2));
        response.end("b".repeat(length / 2));
      },
      () => isDraining,
    );
    const { answer, behind, http } = await ask(request);
    expect(answer.header("connection")).toBe("close");
    expect(answer.body === "b".repeat(length)).toBe(true);
    expect(behind).toBe("");
    http.end();
    await http.closed();
    await server.idle();
  });
});

describe("behind a long answer in chunks", () => {
  const LENGTH = 4_000_000;

  async function serveLong() {
    const urls: string[] = [];
    server = await serveOnBridge(
      (request, response) => {
        urls.push(request.url as string);
        response.end("a".repeat(LENGTH));
      },
      () => true,
    );
    return urls;
  }

  it("nothing runs that a client sends once it has it", async () => {
    const urls = await serveLong();
    const { http } = await ask(GET);
    http.write("GET /behind HTTP/1.1\r\nHost: a\r\n\r\n");
    await http.closed();
    await server?.idle();
    expect(urls).toEqual(["/"]);
  });

  it("a client that does not go is left after 5 seconds", async () => {
    await serveLong();
    const { http } = await ask(GET);
    expect(await http.closed()).toBe("end");
    await server?.idle();
  });

  it("Node's own clients find a whole answer", async () => {
    await serveLong();
    const response = await fetch(`http://127.0.0.1:${server?.port}/`);
    expect((await response.text()).length).toBe(LENGTH);
    expect((await new Publisher(`http://127.0.0.1:${server?.port}`).get("/")).text.length).toBe(
      LENGTH,
    );
    await server?.idle();
  });
});
