import { once } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import { pipeline } from "node:stream/promises";
import fc from "fast-check";
import { afterEach, describe, expect, it } from "vitest";
import { within } from "../../support/inbox.js";
import { chunked, RawHttp, turns } from "../../support/raw-http.js";
import { type Handler, type HandlerServer, SERVERS } from "./http-servers.js";

const GET = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
const post = (body: string, path = "/") =>
  `POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
const POST_CHUNKED = "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";

async function read(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString("latin1");
}

/** Answers with the body. */
const echo: Handler = (request, response) => {
  read(request).then(
    (body) => response.end(body, "latin1"),
    () => {},
  );
};

function deferred<T = void>(): { promise: Promise<T>; resolve: (value: T) => void } {
  let resolve: (value: T) => void = () => {};
  const promise = new Promise<T>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}

/**
 * `text` cut at these places; never within its first line, which the pinned uWebSockets.js takes
 * only whole (it answers 505 to half a one).
 */
function cut(text: string, places: readonly number[]): string[] {
  const from = text.indexOf("\r\n") + 2;
  const at = places.map((place) => from + (place % (text.length - from + 1)));
  const sorted = [...new Set(at)].sort((a, b) => a - b);
  return [0, ...sorted].map((start, index) => text.slice(start, sorted[index] ?? text.length));
}

describe.each(SERVERS)("requests on %s", (name, serve) => {
  const isBridge = name === "the bridge";
  let server: HandlerServer;
  const clients: RawHttp[] = [];
  const start = async (handler: Handler): Promise<void> => {
    server = await serve(handler);
  };
  const connect = async (): Promise<RawHttp> => {
    const client = await RawHttp.connect(server.port);
    clients.push(client);
    return client;
  };
  afterEach(async () => {
    for (const client of clients.splice(0)) client.destroy();
    await server.idle();
    await server.stop();
  });

  it("are what node:http makes of them", async () => {
    let seen: IncomingMessage | undefined;
    await start((request, response) => {
      seen = request;
      response.end();
    });
    const client = await connect();
    await client.send(
      "PATCH /a%20b//c?d=e&f?g HTTP/1.1\r\nHost: x:1\r\nX-A: 1\r\nx-a: 2\r\nUser-Agent: u\r\n" +
        "User-Agent: v\r\nCookie: a=1\r\nCookie: b=2\r\nX-Empty:\r\nX-Blanks: \t a  b \t \r\n\r\n",
    );
    await client.answer();
    expect(seen).toMatchObject({
      method: "PATCH",
      url: "/a%20b//c?d=e&f?g",
      httpVersion: "1.1",
      httpVersionMajor: 1,
      httpVersionMinor: 1,
      complete: true,
      aborted: false,
    });
    expect({ ...seen?.headers }).toEqual({
      host: "x:1",
      "x-a": "1, 2",
      "user-agent": "u",
      cookie: "a=1; b=2",
      "x-empty": "",
      "x-blanks": "a  b",
    });
    expect(seen?.rawHeaders.map((each) => each.toLowerCase()).slice(0, 6)).toEqual([
      ...["host", "x:1", "x-a", "1", "x-a", "2"],
    ]);
  });

  it("keep the query string's question mark also where nothing follows", async () => {
    const urls: unknown[] = [];
    await start((request, response) => {
      urls.push(request.url);
      response.end();
    });
    const client = await connect();
    for (const target of ["/", "/?", "/??", "/?a"]) {
      await client.send(`GET ${target} HTTP/1.1\r\nHost: x\r\n\r\n`);
      await client.answer();
    }
    expect(urls).toEqual(["/", "/?", "/??", "/?a"]);
  });

  it("know the caller's address", async () => {
    await start((request, response) => response.end(`${request.socket.remoteAddress}`));
    const client = await connect();
    await client.send(GET);
    expect((await client.answer()).body).toBe("127.0.0.1");
  });

  it("come whole, wherever head and body are cut", async () => {
    await start(echo);
    await fc.assert(
      fc.asyncProperty(
        fc.string({ maxLength: 300, unit: "binary-ascii" }),
        fc.array(fc.nat(500), { maxLength: 6 }),
        async (body, places) => {
          const client = await connect();
          await client.send(...cut(post(body), places));
          expect((await client.answer()).body).toBe(body);
          client.destroy();
        },
      ),
      { numRuns: 60 },
    );
  });

  it("come whole in chunks of any size, wherever they are cut", async () => {
    await start(echo);
    await fc.assert(
      fc.asyncProperty(
        fc.string({ maxLength: 300, unit: "binary-ascii" }),
        fc.array(fc.integer({ min: 1, max: 64 }), { minLength: 1, maxLength: 8 }),
        fc.array(fc.nat(900), { maxLength: 6 }),
        async (body, sizes, places) => {
          const client = await connect();
          await client.send(...cut(POST_CHUNKED + chunked(body, sizes), places));
          expect((await client.answer()).body).toBe(body);
          client.destroy();
        },
      ),
      { numRuns: 60 },
    );
  });

  it("come byte by byte", async () => {
    await start(echo);
    const client = await connect();
    await client.send(...cut(POST_CHUNKED + chunked("hello", [2]), Array.from(Array(200).keys())));
    expect((await client.answer()).body).toBe("hello");
  });

  it("are served 100 times on one connection", async () => {
    await start(echo);
    const client = await connect();
    for (let at = 0; at < 100; at++) {
      await client.send(at % 3 === 0 ? GET : post(`body ${at}`));
      expect((await client.answer()).body).toBe(at % 3 === 0 ? "" : `body ${at}`);
    }
  });

  it("are answered in order where 20 come in one segment", async () => {
    await start((request, response) => response.end(request.url));
    const client = await connect();
    const urls = Array.from({ length: 20 }, (_each, index) => `/${index}`);
    await client.send(
      urls
        .map((url, at) =>
          at % 2 === 0 ? `GET ${url} HTTP/1.1\r\nHost: x\r\n\r\n` : post("b", url),
        )
        .join(""),
    );
    for (const url of urls) expect((await client.answer()).body).toBe(url);
  });

  it("whose bodies are read are answered in order where 20 come in one segment", async () => {
    await start(echo);
    const client = await connect();
    const bodies = Array.from({ length: 20 }, (_each, index) => `body ${index}`);
    await client.send(bodies.map((body) => post(body)).join(""));
    for (const body of bodies) expect((await client.answer()).body).toBe(body);
  });

  it("answered before their small body has come leave the connection usable", async () => {
    await start((request, response) => {
      if (request.url === "/early") {
        response.statusCode = 404;
        response.end("early");
      } else echo(request, response);
    });
    const client = await connect();
    await client.send(post("unread", "/early") + post("read"));
    expect((await client.answer()).status).toBe(404);
    expect((await client.answer()).body).toBe("read");
    const [head, body] = [post("unread", "/early").slice(0, -6), "unread"];
    await client.send(head);
    expect((await client.answer()).body).toBe("early");
    await client.send(body, post("read again"));
    expect((await client.answer()).body).toBe("read again");
  });

  it("in chunks that are answered early get their answer", async () => {
    await start((_request, response) => {
      response.statusCode = 404;
      response.end("early");
    });
    const whole = POST_CHUNKED + chunked("hello", [5]);
    for (const segments of [[whole], [POST_CHUNKED, chunked("hello", [5])], cut(whole, [70, 73])]) {
      const client = await connect();
      await client.send(...segments);
      const answer = await client.answer();
      expect([answer.status, answer.body]).toEqual([404, "early"]);
    }
  });

  it("ask for an end of the connection, and get it", async () => {
    await start(echo);
    for (const value of ["close", "Close", "keep-alive, close", "close, x"]) {
      const client = await connect();
      await client.send(post("last").replace("\r\n\r\n", `\r\nConnection: ${value}\r\n\r\n`));
      const answer = await client.answer();
      expect(answer.body).toBe("last");
      expect(answer.header("connection")).toBe("close");
      expect(await client.closed()).toBe("end");
    }
  });

  it("that expect 100-continue are told to go on", async () => {
    await start(echo);
    const client = await connect();
    await client.send(post("hello").replace("\r\n\r\nhello", "\r\nExpect: 100-continue\r\n\r\n"));
    expect((await client.answer()).status).toBe(100);
    await client.send("hello");
    expect((await client.answer()).body).toBe("hello");
  });

  it("are read slowly with backpressure, and whole", async () => {
    const size = 8_000_000;
    const gate = deferred();
    const started = deferred<IncomingMessage>();
    await start(async (request, response) => {
      started.resolve(request);
      await gate.promise;
      let bytes = 0;
      for await (const chunk of request) {
        bytes += (chunk as Buffer).length;
        await turns(1);
      }
      response.end(`${bytes}`);
    });
    const client = await connect();
    await client.send(`POST / HTTP/1.1\r\nHost: x\r\nContent-Length: ${size}\r\n\r\n`);
    const request = await within(started.promise, "the request");
    const piece = Buffer.alloc(65_536, 97);
    let sent = 0;
    // Nobody reads, so the kernel's buffers fill up long before all is sent.
    while (sent < size) {
      const bytes = piece.subarray(0, Math.min(piece.length, size - sent));
      sent += bytes.length;
      if (!client.write(bytes)) await turns(1);
    }
    await turns(10);
    expect(request.readableLength).toBeLessThan(2_000_000);
    gate.resolve();
    expect((await client.answer()).body).toBe(`${size}`);
    await client.send(GET.replace("/", "/next"));
    expect((await client.answer()).body).toBe("0");
  });

  describe("that break off", () => {
    it("in the middle of their body tell their handler", async () => {
      for (const leave of ["destroy", "reset", "end"] as const) {
        const events: string[] = [];
        const both = deferred();
        const arrived = deferred();
        await start((request, response) => {
          const note = (event: string) => {
            events.push(event);
            if (events.includes("request close") && events.includes("response close"))
              both.resolve();
          };
          request.on("data", () => arrived.resolve());
          request.on("aborted", () => note("request aborted"));
          request.on("error", (error: NodeJS.ErrnoException) => note(`request ${error.code}`));
          request.on("close", () => note("request close"));
          request.on("end", () => note("request end"));
          response.on("close", () => note("response close"));
          response.on("finish", () => note("response finish"));
        });
        const client = await connect();
        await client.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf");
        await within(arrived.promise, "the first half");
        client[leave]();
        await within(both.promise, () => `both closes: ${events}`);
        expect([...events].sort()).toEqual([
          "request ECONNRESET",
          "request aborted",
          "request close",
          "response close",
        ]);
        await server.idle();
        await server.stop();
      }
      await start(echo);
    });

    it("in the middle of their body do not end the process where nobody listens", async () => {
      const arrived = deferred<IncomingMessage>();
      await start((request) => {
        request.on("data", () => arrived.resolve(request));
      });
      const client = await connect();
      await client.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf");
      const request = await within(arrived.promise, "the first half");
      const closed = new Promise((resolve) => request.on("close", resolve));
      client.destroy();
      await within(closed, "the close");
      expect(request.aborted).toBe(true);
      expect(request.complete).toBe(false);
      expect(request.destroyed).toBe(true);
    });

    it("make their reader fail", async () => {
      const failed = deferred<unknown>();
      const arrived = deferred();
      await start((request) => {
        request.once("readable", () => arrived.resolve());
        read(request).catch(failed.resolve);
      });
      const client = await connect();
      await client.send(`${POST_CHUNKED}4\r\nhalf\r\n`);
      await within(arrived.promise, "the first half");
      client.destroy();
      expect(await within(failed.promise, "the failure")).toMatchObject({ code: "ECONNRESET" });
    });

    it("while their handler is at work tell it, and what it then answers goes nowhere", async () => {
      const gate = deferred();
      const started = deferred<ServerResponse>();
      const done = deferred();
      await start(async (request, response) => {
        await read(request);
        started.resolve(response);
        await gate.promise;
        response.setHeader("x-a", "b");
        response.write("more");
        response.end("late");
        done.resolve();
      });
      const client = await connect();
      await client.send(post("whole"));
      const response = await within(started.promise, "the handler");
      const closed = once(response, "close");
      client.destroy();
      await within(closed, "the close");
      expect(response.destroyed).toBe(true);
      expect(response.writableFinished).toBe(false);
      expect(response.socket?.destroyed ?? true).toBe(true);
      gate.resolve();
      await within(done.promise, "the end of the handler");
      await server.idle();
      expect(server.inFlight()).toBe(0);
    });

    it("50 at once leave nothing behind, and the next is served", async () => {
      let arrived = 0;
      const all = deferred();
      await start((request, response) => {
        if (request.url === "/next") response.end("served");
        else {
          request.on("data", () => {
            if (++arrived === 50) all.resolve();
          });
        }
      });
      const many = await Promise.all(Array.from({ length: 50 }, () => connect()));
      for (const client of many) {
        client.write("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf");
      }
      await within(all.promise, "fifty halves");
      expect(server.inFlight()).toBe(50);
      for (const client of many) client.destroy();
      await server.idle();
      const client = await connect();
      await client.send(GET.replace("/", "/next"));
      expect((await client.answer()).body).toBe("served");
    });
  });

  it("are closed after their answer, also where nobody reads them", async () => {
    const closed: string[] = [];
    const three = deferred();
    await start((request, response) => {
      request.on("close", () => {
        closed.push(request.url as string);
        if (closed.length === 3) three.resolve();
      });
      response.end();
    });
    const client = await connect();
    await client.send(GET, post("unread", "/unread"), `${post("", "/empty")}`);
    await within(three.promise, () => `three closes: ${closed}`);
    expect(closed).toEqual(["/", "/unread", "/empty"]);
  });

  it("that their handler destroys end the connection", async () => {
    await start((request) => {
      request.once("data", () => request.destroy());
    });
    const client = await connect();
    await client.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf");
    await client.closed();
    expect(client.pending).toBe("");
    await server.idle();
  });

  it("whose socket their handler destroys end the connection", async () => {
    await start((request) => request.socket.destroy());
    const client = await connect();
    await client.send(GET);
    await client.closed();
    expect(client.pending).toBe("");
    await server.idle();
  });

  it("may be piped through", async () => {
    await start((request, response) => {
      pipeline(request, response).catch(() => {});
    });
    const client = await connect();
    await client.send(post("hello"));
    const answer = await client.answer();
    expect(answer.body).toBe("hello");
    expect(answer.header("transfer-encoding")).toBe("chunked");
    await client.send(post("again"));
    expect((await client.answer()).body).toBe("again");
  });

  it("wait for a slow handler", async () => {
    const gate = deferred();
    await start(async (_request, response) => {
      await gate.promise;
      response.end("at last");
    });
    const client = await connect();
    await client.send(GET);
    await turns(20);
    expect(client.pending).toBe("");
    expect(server.inFlight()).toBe(1);
    gate.resolve();
    expect((await client.answer()).body).toBe("at last");
    await server.idle();
  });

  it.runIf(isBridge)("never run where they come before a slow answer is complete", async () => {
    const gate = deferred();
    const urls: unknown[] = [];
    await start(async (request, response) => {
      urls.push(request.url);
      await gate.promise;
      response.end();
    });
    const client = await connect();
    await client.send(GET, post("x", "/second"));
    await client.closed();
    gate.resolve();
    expect(urls).toEqual(["/"]);
  });

  it("in chunks end the connection on the bridge: what is behind them never runs", async () => {
    await start(echo);
    const client = await connect();
    await client.send(POST_CHUNKED + chunked("hello", [5]));
    const answer = await client.answer();
    expect(answer.body).toBe("hello");
    if (!isBridge) return;
    expect(answer.header("connection")).toBe("close");
    expect(await client.closed()).toBe("end");
  });
});
