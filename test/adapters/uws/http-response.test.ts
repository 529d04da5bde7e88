import { once } from "node:events";
import { get, type IncomingMessage, type ServerResponse } from "node:http";
import { createRequire } from "node:module";
import { PassThrough, Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { afterEach, describe, expect, it } from "vitest";
import { within } from "../../support/inbox.js";
import { type RawAnswer, RawHttp, turns } from "../../support/raw-http.js";
import { type Handler, type HandlerServer, SERVERS, serveOnBridge } from "./http-servers.js";

/** What Koa asks whether an answer is over; it comes without types. */
const onFinished = createRequire(import.meta.url)("on-finished") as (
  message: IncomingMessage | ServerResponse,
  listener: (error: Error | null) => void,
) => void;

const GET = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
const BIG = 50_000_000;

let server: HandlerServer;
const clients: RawHttp[] = [];

async function connect(): Promise<RawHttp> {
  const client = await RawHttp.connect(server.port);
  clients.push(client);
  return client;
}

/** One request on a connection of its own. */
async function ask(method = "GET"): Promise<RawAnswer> {
  const client = await connect();
  await client.send(`${method} / HTTP/1.1\r\nHost: x\r\n\r\n`);
  return client.answer(method);
}

afterEach(async () => {
  for (const client of clients.splice(0)) client.destroy();
  await server.idle();
  await server.stop();
});

/** Bytes whose places can be told, so that what is lost or swapped shows. */
function pattern(size: number): Buffer {
  const bytes = Buffer.alloc(size);
  for (let at = 0; at + 4 <= size; at += 4) bytes.writeUInt32LE(at, at);
  return bytes;
}

describe.each(SERVERS)("answers on %s", (name, serve) => {
  const isBridge = name === "the bridge";
  const start = async (handler: Handler): Promise<void> => {
    server = await serve(handler);
  };

  describe("without a body", () => {
    it.each([204, 304])("%s has none, and no length", async (status) => {
      await start((_request, response) => {
        response.statusCode = status;
        response.end();
      });
      const client = await connect();
      await client.send(GET, GET);
      for (const answer of [await client.answer(), await client.answer()]) {
        expect(answer.status).toBe(status);
        expect(answer.header("content-length")).toBeUndefined();
        expect(answer.header("transfer-encoding")).toBeUndefined();
      }
      expect(client.pending).toBe("");
    });

    it("204 stays so where the handler writes one", async () => {
      await start((_request, response) => {
        response.statusCode = 204;
        response.write("never");
        response.end("seen");
      });
      const client = await connect();
      await client.send(GET, GET);
      expect([(await client.answer()).status, (await client.answer()).status]).toEqual([204, 204]);
      expect(client.pending).toBe("");
    });

    it.each<[string, Handler, string | undefined]>([
      ["nothing", (_request, response) => response.end(), undefined],
      ["a text of 10 bytes", (_request, response) => response.end("never seen"), undefined],
      [
        "a length",
        (_request, response) => {
          response.setHeader("content-length", 17);
          response.end();
        },
        "17",
      ],
      [
        "a stream",
        (_request, response) => {
          pipeline(Readable.from(["never", "seen"]), response).catch(() => {});
        },
        undefined,
      ],
      [
        "a long text",
        (_request, response) => {
          response.setHeader("content-length", 100_000);
          response.end("x".repeat(100_000));
        },
        "100000",
      ],
    ])("HEAD has none where the handler gives %s", async (_what, handler, length) => {
      await start(handler);
      const client = await connect();
      await client.send("HEAD / HTTP/1.1\r\nHost: x\r\n\r\n", "HEAD / HTTP/1.1\r\nHost: x\r\n\r\n");
      for (const answer of [await client.answer("HEAD"), await client.answer("HEAD")]) {
        expect(answer.status).toBe(200);
        // RFC 9110, section 9.3.2: the length may be left out, but must be right.
        const told = answer.header("content-length");
        if (length !== undefined || told !== undefined) expect([length, "10"]).toContain(told);
      }
      expect(client.pending).toBe("");
    });

    it("end the connection too where that is asked", async () => {
      for (const [method, status] of [
        ["HEAD", 200],
        ["GET", 204],
        ["GET", 304],
      ] as const) {
        const length = method === "HEAD" ? "17" : undefined;
        await start((_request, response) => {
          response.statusCode = status;
          response.setHeader("connection", "close");
          if (length !== undefined) response.setHeader("content-length", length);
          response.end();
        });
        const client = await connect();
        await client.send(`${method} / HTTP/1.1\r\nHost: x\r\n\r\n`);
        const answer = await client.answer(method);
        expect(answer.status).toBe(status);
        expect(answer.header("connection")).toBe("close");
        expect(answer.header("content-length")).toBe(length);
        expect(await client.closed()).toBe("end");
        expect(client.pending).toBe("");
        await server.stop();
      }
      await start((_request, response) => response.end());
    });
  });

  describe("heads", () => {
    it("carry fields as they were set", async () => {
      await start((_request, response) => {
        response.setHeader("X-Text", "a b");
        response.setHeader("x-number", 7);
        response.setHeader("Set-Cookie", ["a=1; Path=/", "b=2"]);
        response.setHeader("X-Latin1", "caf\u00e9 \u00ff");
        response.setHeader("X-Tab", "a\tb");
        response.setHeader("X-Twice", "first");
        response.setHeader("x-twice", "second");
        response.setHeader("X-Gone", "1");
        response.removeHeader("x-gone");
        response.appendHeader("X-More", "1");
        response.appendHeader("X-More", ["2", "3"]);
        // Not a text: Node would write the head in that text's encoding.
        response.end(Buffer.from("body"));
      });
      const answer = await ask();
      expect(answer.header("x-text")).toBe("a b");
      expect(answer.header("x-number")).toBe("7");
      expect(answer.headers.filter(([field]) => field === "set-cookie")).toEqual([
        ["set-cookie", "a=1; Path=/"],
        ["set-cookie", "b=2"],
      ]);
      expect(answer.header("x-latin1")).toBe("caf\u00e9 \u00ff");
      expect(answer.header("x-tab")).toBe("a\tb");
      expect(answer.header("x-twice")).toBe("second");
      expect(answer.header("x-gone")).toBeUndefined();
      expect(answer.header("x-more")).toBe("1, 2, 3");
      expect(answer.header("content-length")).toBe("4");
      expect(answer.header("date")).toMatch(/GMT$/);
    });

    it("can be asked for what was set", async () => {
      let seen: unknown;
      await start((_request, response) => {
        response.setHeader("X-A", "1");
        response.setHeader("Set-Cookie", ["a"]);
        seen = [
          response.getHeader("x-a"),
          response.getHeader("X-B"),
          response.hasHeader("SET-cookie"),
          response.getHeaderNames(),
          { ...response.getHeaders() },
          response.headersSent,
        ];
        response.end();
        seen = [...(seen as unknown[]), response.headersSent, response.writableEnded];
      });
      await ask();
      expect(seen).toEqual([
        "1",
        undefined,
        true,
        ["x-a", "set-cookie"],
        { "x-a": "1", "set-cookie": ["a"] },
        false,
        true,
        true,
      ]);
    });

    it.each<[string, (response: ServerResponse) => void, string]>([
      ["a line break in a value", (to) => to.setHeader("x", "a\r\nb: c"), "ERR_INVALID_CHAR"],
      ["a bare LF in a value", (to) => to.setHeader("x", "a\nb"), "ERR_INVALID_CHAR"],
      ["NUL in a value", (to) => to.setHeader("x", "a\0b"), "ERR_INVALID_CHAR"],
      ["a character beyond Latin-1", (to) => to.setHeader("x", "\u20ac"), "ERR_INVALID_CHAR"],
      ["a line break in a list", (to) => to.setHeader("x", ["a", "b\r\nc"]), "ERR_INVALID_CHAR"],
      ["a line break by writeHead", (to) => to.writeHead(200, { x: "a\r\nb" }), "ERR_INVALID_CHAR"],
      ["a line break in a name", (to) => to.setHeader("a\r\nb", "c"), "ERR_INVALID_HTTP_TOKEN"],
      ["a colon in a name", (to) => to.setHeader("a:", "c"), "ERR_INVALID_HTTP_TOKEN"],
      ["an empty name", (to) => to.setHeader("", "c"), "ERR_INVALID_HTTP_TOKEN"],
      [
        "no value",
        (to) => to.setHeader("x", undefined as unknown as string),
        "ERR_HTTP_INVALID_HEADER_VALUE",
      ],
      ["a status below 100", (to) => to.writeHead(99), "ERR_HTTP_INVALID_STATUS_CODE"],
      ["a status above 999", (to) => to.writeHead(1000), "ERR_HTTP_INVALID_STATUS_CODE"],
      [
        "a field after writeHead",
        (to) => to.writeHead(200).setHeader("x", "1"),
        "ERR_HTTP_HEADERS_SENT",
      ],
      [
        "a removal after writeHead",
        (to) => to.writeHead(200).removeHeader("x"),
        "ERR_HTTP_HEADERS_SENT",
      ],
      ["a second writeHead", (to) => to.writeHead(200).writeHead(201), "ERR_HTTP_HEADERS_SENT"],
    ])("refuse %s", async (_what, act, code) => {
      let thrown: unknown;
      await start((_request, response) => {
        try {
          act(response);
        } catch (error) {
          thrown = error;
        }
        response.end("fine");
      });
      expect((await ask()).body).toBe("fine");
      expect(thrown).toMatchObject({ code });
    });

    it("may be written at once, in each of its forms", async () => {
      await start((request, response) => {
        if (request.url === "/record")
          response.writeHead(201, "Made", { "X-A": "1", "x-b": ["2", "3"] });
        else if (request.url === "/array")
          response.writeHead(202, ["X-A", "1", "x-b", "2", "x-b", "3"]);
        else {
          response.setHeader("x-a", "1");
          response.setHeader("x-b", "2, 3");
          response.writeHead(203);
        }
        response.end();
      });
      for (const [url, status, reason] of [
        ["/record", 201, "Made"],
        ["/array", 202, "Accepted"],
        ["/none", 203, "Non-Authoritative Information"],
      ] as const) {
        const client = await connect();
        await client.send(GET.replace("/", url));
        const answer = await client.answer();
        expect([answer.status, answer.reason]).toEqual([status, reason]);
        expect([answer.header("x-a"), answer.header("x-b")]).toEqual(["1", "2, 3"]);
      }
    });

    it("may have a reason phrase of their own", async () => {
      await start((_request, response) => {
        response.statusCode = 599;
        response.statusMessage = "My Own";
        response.end();
      });
      const { status, reason } = await ask();
      expect([status, reason]).toEqual([599, "My Own"]);
    });

    it("have a reason phrase also where the status is unheard-of", async () => {
      await start((_request, response) => {
        response.statusCode = 299;
        response.end();
      });
      const { status, reason } = await ask();
      expect([status, reason]).toEqual([299, "unknown"]);
    });
  });

  it.runIf(isBridge)("take no line break from a reason phrase", async () => {
    await start((_request, response) => {
      response.statusMessage = "a\r\nx-evil: 1";
      response.end();
    });
    const answer = await ask();
    expect([answer.reason, answer.header("x-evil")]).toEqual(["OK", undefined]);
  });

  describe("bodies", () => {
    it.each<[string, (response: ServerResponse) => unknown, string]>([
      ["a text", (to) => to.end("caf\u00e9 \u20ac"), "caf\u00e9 \u20ac"],
      ["nothing", (to) => to.end(), ""],
      ["an empty text", (to) => to.end(""), ""],
      ["bytes", (to) => to.end(Buffer.from("bytes")), "bytes"],
      ["an array of bytes", (to) => to.end(new Uint8Array([104, 105])), "hi"],
      ["hexadecimal", (to) => to.end("6869", "hex"), "hi"],
      ["base64", (to) => to.end("aGk=", "base64"), "hi"],
      ["Latin-1", (to) => to.end("\u00c3\u00a9", "latin1"), "\u00e9"],
      ["pieces", (to) => [to.write("a"), to.write("b"), to.end("c")], "abc"],
      ["an empty piece", (to) => [to.write(""), to.end("c")], "c"],
      ["only empty pieces", (to) => [to.write(""), to.write(""), to.end()], ""],
      ["pieces of all kinds", (to) => [to.write("68", "hex"), to.end(Buffer.from("i"))], "hi"],
      [
        "corked pieces",
        (to) => [to.cork(), to.write("a"), to.write("b"), to.uncork(), to.end()],
        "ab",
      ],
      [
        "its length before it",
        (to) => [to.setHeader("content-length", 3), to.write("a"), to.write("b"), to.end("c")],
        "abc",
      ],
      [
        "its length of nothing",
        (to) => [to.setHeader("content-length", 0), to.write(""), to.end()],
        "",
      ],
      ["text with NUL", (to) => to.end("a\0b"), "a\0b"],
    ])("may be %s", async (_what, act, text) => {
      await start((_request, response) => act(response));
      const client = await connect();
      await client.send(GET, GET);
      for (const answer of [await client.answer(), await client.answer()]) {
        expect(Buffer.from(answer.body, "latin1").toString("utf8")).toBe(text);
      }
    });

    it("call back when they have left", async () => {
      const called: string[] = [];
      await start((_request, response) => {
        response.on("finish", () => called.push("finish"));
        response.on("close", () => called.push("close"));
        response.write("a", () => called.push("write"));
        response.end("b", () => called.push("end"));
      });
      expect((await ask()).body).toBe("ab");
      await server.idle();
      await turns(3);
      expect([...called].sort()).toEqual(["close", "end", "finish", "write"]);
      expect(called.indexOf("close")).toBe(3);
      expect(called[0]).toBe("write");
    });

    it("leave piece by piece, not only at the end", async () => {
      let response: ServerResponse | undefined;
      await start((_request, each) => {
        response = each;
        each.write("first");
      });
      const client = await connect();
      await client.send(GET);
      await client.until((soFar) => soFar.includes("first"));
      response?.write("second");
      await client.until((soFar) => soFar.includes("second"));
      response?.end();
      expect((await client.answer()).body).toBe("firstsecond");
    });

    it("end once", async () => {
      await start((_request, response) => {
        response.on("error", () => {});
        response.end("once");
        response.end();
        response.end("twice");
        response.write("thrice");
      });
      const client = await connect();
      await client.send(GET, GET);
      expect((await client.answer()).body).toBe("once");
      expect((await client.answer()).body).toBe("once");
      expect(client.pending).toBe("");
    });

    it("tell on-finished", async () => {
      const told: unknown[] = [];
      await start((request, response) => {
        onFinished(response, (error) => told.push(["response", error]));
        onFinished(request, (error) => told.push(["request", error]));
        response.end("done");
        request.resume();
      });
      const client = await connect();
      await client.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody");
      await client.answer();
      await turns(3);
      expect(told).toHaveLength(2);
      expect(told).toContainEqual(["response", null]);
    });
  });

  describe("that are broken off", () => {
    it("by their handler are not taken for whole ones", async () => {
      for (const length of [undefined, 10]) {
        await start((_request, response) => {
          if (length !== undefined) response.setHeader("content-length", length);
          response.write("half", () => setImmediate(() => response.destroy()));
        });
        const client = await connect();
        await client.send(GET);
        await client.closed();
        expect(client.pending).toMatch(/half(\r\n)?$/);
        await server.idle();
        await server.stop();
      }
      await start((_request, response) => response.end());
    });

    it("with an error that nobody listens to do not end the process", async () => {
      await start((request, response) => {
        if (request.url === "/next") response.end("served");
        else if (request.url === "/late")
          response.write("x", () => response.destroy(new Error("a")));
        else response.destroy(new Error("broken"));
      });
      for (const url of ["/", "/late"]) {
        const client = await connect();
        await client.send(GET.replace("/", url));
        await client.closed();
      }
      const client = await connect();
      await client.send(GET.replace("/", "/next"));
      expect((await client.answer()).body).toBe("served");
    });

    it("by their source are not taken for whole ones", async () => {
      let failure: unknown;
      await start((_request, response) => {
        const source = new PassThrough();
        pipeline(source, response).catch((error: unknown) => {
          failure = error;
        });
        source.write("half", () => setImmediate(() => source.destroy(new Error("no more"))));
      });
      const client = await connect();
      await client.send(GET);
      await client.closed();
      expect(client.pending).toMatch(/half(\r\n)?$/);
      expect(failure).toMatchObject({ message: "no more" });
    });

    it.runIf(isBridge)("where they are shorter than was told", async () => {
      await start((_request, response) => {
        response.setHeader("content-length", 10);
        response.write("short", () => setImmediate(() => response.end()));
      });
      const client = await connect();
      await client.send(GET);
      await client.closed();
      expect(client.pending).toMatch(/content-length: 10[\s\S]*short$/i);
    });

    it.runIf(isBridge)("where they would be longer than was told", async () => {
      await start((request, response) => {
        if (request.url === "/next") {
          response.end("served");
          return;
        }
        response.setHeader("content-length", 4);
        response.write("more than that");
      });
      const client = await connect();
      await client.send(GET);
      await client.closed();
      expect(client.pending).not.toContain("more than that");
      const next = await connect();
      await next.send(GET.replace("/", "/next"));
      expect((await next.answer()).body).toBe("served");
    });

    it.runIf(isBridge)(
      "have the right length where it was told wrong and they are whole",
      async () => {
        await start((_request, response) => {
          response.setHeader("content-length", 1);
          response.end("four");
        });
        const answer = await ask();
        expect([answer.header("content-length"), answer.body]).toEqual(["4", "four"]);
      },
    );

    it("by their client tell their handler, and free who waits for it", async () => {
      const outcome: Promise<unknown>[] = [];
      let source: Readable | undefined;
      await start((_request, response) => {
        source = Readable.from(
          (function* () {
            for (;;) yield Buffer.alloc(65_536);
          })(),
        );
        outcome.push(
          pipeline(source, response).catch((error: NodeJS.ErrnoException) => error.code),
        );
      });
      const client = await connect();
      client.pause();
      await client.send(GET);
      await turns(20);
      client.destroy();
      expect(await within(outcome[0] as Promise<unknown>, "the end of the pipeline")).toMatch(
        /^(ERR_STREAM_PREMATURE_CLOSE|ECONNRESET|EPIPE)$/,
      );
      expect(source?.destroyed).toBe(true);
      await server.idle();
    });

    it("by their client call back the write that waits", async () => {
      let written: Promise<unknown> = Promise.resolve();
      await start((_request, response) => {
        response.on("error", () => {});
        written = new Promise((resolve) => response.write(Buffer.alloc(20_000_000), resolve));
      });
      const client = await connect();
      client.pause();
      await client.send(GET);
      await turns(20);
      client.destroy();
      await within(written, "the callback");
      await server.idle();
    });
  });

  describe("of 50 MB to a slow reader", () => {
    /** Reads the whole answer with a pause for each piece. */
    async function readSlowly(): Promise<{ answer: IncomingMessage; body: Buffer }> {
      const [answer] = (await within(
        once(get({ port: server.port, host: "127.0.0.1", agent: false }), "response"),
        "an answer",
      )) as [IncomingMessage];
      const chunks: Buffer[] = [];
      let turn = 0;
      for await (const chunk of answer) {
        chunks.push(chunk as Buffer);
        if (turn++ % 8 === 0) await turns(1);
      }
      return { answer, body: Buffer.concat(chunks) };
    }

    const whole = pattern(BIG);

    it.each<[string, Handler]>([
      ["bytes", (_request, response) => response.end(whole)],
      [
        "bytes of a told length",
        (_request, response) => {
          response.setHeader("content-length", BIG);
          response.end(whole);
        },
      ],
      [
        "one write",
        (_request, response) => {
          response.write(whole);
          response.end();
        },
      ],
      [
        "one write of a told length",
        (_request, response) => {
          response.setHeader("content-length", BIG);
          response.write(whole);
          response.end();
        },
      ],
    ])("come whole as %s", async (_what, handler) => {
      await start(handler);
      const { body } = await readSlowly();
      expect(body.equals(whole)).toBe(true);
    });

    it("come whole as a text", async () => {
      const text = "\u20ac-text--".repeat(BIG / 10);
      await start((_request, response) => response.end(text));
      const { answer, body } = await readSlowly();
      expect(answer.headers["content-length"]).toBe(`${BIG}`);
      expect(body.equals(Buffer.from(text))).toBe(true);
    });

    it.each([undefined, BIG])("come whole as a stream, with content-length %s", async (length) => {
      await start((_request, response) => {
        if (length !== undefined) response.setHeader("content-length", length);
        let at = 0;
        const source = new Readable({
          read() {
            this.push(at < BIG ? whole.subarray(at, at + 50_000) : null);
            at += 50_000;
          },
        });
        pipeline(source, response).catch(() => {});
      });
      const { answer, body } = await readSlowly();
      expect(answer.headers["content-length"]).toBe(length === undefined ? undefined : `${length}`);
      expect(body.equals(whole)).toBe(true);
    });

    it.each([undefined, BIG])(
      "are taken from their source no faster than read, with content-length %s",
      async (length) => {
        let taken = 0;
        let stuck: () => void = () => {};
        const isStuck = new Promise<void>((resolve) => {
          stuck = resolve;
        });
        await start(async (_request, response) => {
          response.on("error", () => {});
          if (length !== undefined) response.setHeader("content-length", length);
          while (taken < BIG && !response.destroyed) {
            const room = response.write(whole.subarray(taken, taken + 50_000));
            taken += 50_000;
            if (room) continue;
            const drained = once(response, "drain").catch(() => {});
            // A client that reads nothing: after so many turns nothing more will leave.
            await Promise.race([drained, turns(200).then(stuck)]);
            await drained;
          }
          response.end();
        });
        const client = await connect();
        client.pause();
        await client.send(GET);
        await within(isStuck, "the server to be stuck");
        expect(taken).toBeLessThan(20_000_000);
        client.resume();
        await client.received(BIG);
        expect(taken).toBe(BIG);
      },
    );
  });

  it("send all that was written though the handler then waits", async () => {
    // What uWebSockets.js keeps back where the client is slow must leave once it is not.
    let response: ServerResponse | undefined;
    await start((_request, each) => {
      response = each;
      each.write("begin");
    });
    const client = await connect();
    await client.send(GET);
    await client.until((soFar) => soFar.includes("begin"));
    for (const size of [60_000, 10_000, 1_000_000]) {
      client.pause();
      const before = client.bytesRead;
      let written = 0;
      for (let isStuck = false; !isStuck; written += size) {
        const taken = new Promise((resolve) => response?.write(Buffer.alloc(size), resolve));
        isStuck = await Promise.race([taken.then(() => false), turns(30).then(() => true)]);
      }
      response?.write("end");
      client.resume();
      await client.received(before + written);
      await client.until((soFar) => soFar.slice(-20).includes("end"));
    }
    response?.end();
    expect((await client.answer()).body).toMatch(/^begin\0+end\0+end\0+end$/);
  });

  it("may be long though the body of their request is not read", async () => {
    // The request's bytes are held back when nobody reads them, and must not be so for ever.
    const body = "b".repeat(900_000);
    for (const length of [undefined, 300_000]) {
      await start((request, response) => {
        if (request.url === "/next") response.end("served");
        else if (length === undefined) {
          response.write("a".repeat(300_000));
          response.end();
        } else response.end("a".repeat(length));
      });
      const client = await connect();
      client.write(`POST / HTTP/1.1\r\nHost: x\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
      expect((await client.answer()).body.length).toBe(300_000);
      client.write(GET.replace("/", "/next"));
      expect((await client.answer()).body).toBe("served");
      await server.idle();
      await server.stop();
    }
    await start((_request, response) => response.end());
  });

  it("of a told length end the connection too where the client asks for it", async () => {
    await start((_request, response) => response.end("a".repeat(300_000)));
    const client = await connect();
    await client.send("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    const answer = await client.answer();
    expect(answer.header("content-length")).toBe("300000");
    expect(answer.header("connection")).toBe("close");
    expect(await client.closed()).toBe("end");
  });

  it("may be long and hurried: request after request on one connection", async () => {
    await start((request, response) => response.end(`${request.url}`.repeat(20_000)));
    const client = await connect();
    for (let at = 0; at < 20; at++) {
      await client.send(GET.replace("/", `/${at}`));
      expect((await client.answer()).body).toBe(`/${at}`.repeat(20_000));
    }
  });
});

describe("answers of a bridge that drains", () => {
  const answers: [string, Handler][] = [
    ["whole", (_request, response) => response.end("bye")],
    ["long", (_request, response) => response.end("b".repeat(300_000))],
    [
      "of a told length",
      (_request, response) => {
        response.setHeader("content-length", 200_000);
        response.write("b".repeat(100_000));
        response.end("b".repeat(100_000));
      },
    ],
    [
      "in pieces",
      (_request, response) => {
        response.write("b");
        response.end("ye");
      },
    ],
    [
      "without a body",
      (_request, response) => {
        response.statusCode = 204;
        response.end();
      },
    ],
  ];
  it("reach a slow client whole before the connection ends", async () => {
    const size = 20_000_000;
    server = await serveOnBridge(
      (_request, response) => {
        pipeline(Readable.from([pattern(size / 2), pattern(size / 2)]), response).catch(() => {});
      },
      () => true,
    );
    const client = await connect();
    client.pause();
    await client.send(GET);
    await turns(50);
    client.resume();
    await client.received(size);
    await client.until((soFar) => soFar.endsWith("\r\n\r\n"));
    const answer = await client.answer();
    const half = pattern(size / 2).toString("latin1");
    expect(answer.body === half + half).toBe(true);
  });

  it("are what Node's own client understands", async () => {
    server = await serveOnBridge(
      (_request, response) => {
        pipeline(Readable.from(["a", "b"]), response).catch(() => {});
      },
      () => true,
    );
    const answer = await fetch(`http://127.0.0.1:${server.port}/`);
    expect(await answer.text()).toBe("ab");
    const [response] = (await once(get({ port: server.port, host: "127.0.0.1" }), "response")) as [
      IncomingMessage,
    ];
    let text = "";
    for await (const chunk of response) text += chunk;
    expect([text, response.complete]).toEqual(["ab", true]);
  });

  it.each(answers)("end the connection: %s", async (_what, handler) => {
    server = await serveOnBridge(handler, () => true);
    const client = await connect();
    await client.send(GET);
    const answer = await client.answer();
    expect(answer.header("connection")).toBe("close");
    expect(answer.body).toMatch(/^(|bye|b+)$/);
    expect(await client.closed()).toBe("end");
    expect(client.pending).toBe("");
  });
});
