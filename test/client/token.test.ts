import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { refreshAfterMs } from "../../client/src/credentials.js";
import { Inbox } from "../support/inbox.js";
import { joined, listen, message, recovered, useRig } from "./rig.js";

/** A JWT as far as a client looks at it. */
function jwt(claims: object): string {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
  return `${part({ alg: "HS256" })}.${part(claims)}.c2lnbmF0dXJl`;
}

describe("the time of a refresh", () => {
  it("is when 80 to 90 percent of what is left are over", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 1e6 }),
        fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
        (seconds, chance) => {
          const now = 1_700_000_000_000;
          const ms = refreshAfterMs(jwt({ exp: now / 1000 + seconds }), now, () => chance) ?? 0;
          expect(ms).toBeGreaterThanOrEqual(seconds * 800 - 1);
          expect(ms).toBeLessThanOrEqual(seconds * 900 + 1);
        },
      ),
    );
  });

  it("is unknown where the token does not expire, has expired, or is no JWT", () => {
    for (const token of ["", "opaque", "a.b.c", jwt({}), jwt({ exp: "1" }), jwt({ exp: 1 })]) {
      expect(refreshAfterMs(token, Date.now(), Math.random), token).toBeUndefined();
    }
  });

  it("does not hang on a right clock", () => {
    const token = jwt({ iat: 1_000_000, exp: 1_000_900 });
    for (const now of [0, 1_000_000_000, 5_000_000_000]) {
      expect(refreshAfterMs(token, now, () => 0)).toBe(720_000);
    }
  });

  it("reads claims in the alphabet of URLs", () => {
    const token = jwt({ sub: "ÿ?>~ÿÿ", exp: 2_000_000_000 });
    expect(token).toMatch(/[-_]/);
    expect(refreshAfterMs(token, 1_999_999_000_000, () => 0)).toBe(800_000);
  });
});

describe("a token", () => {
  const rig = useRig();
  /** Tokens that live for `seconds`, each another. */
  const tokens = (seconds: number) => {
    let count = 0;
    return () => jwt({ n: ++count, exp: Date.now() / 1000 + seconds });
  };

  it("travels beside the URL, whatever is in it", async () => {
    const token = "ünï ??>>~~ ÿ";
    await rig.client({ token }).connect();
    const { url, token: seen } = await rig.server.connects.next();

    expect(url).toBe("/push_socket/websocket?vsn=2.0.0");
    expect(seen).toBe(token);
  });

  it("is asked for at each connection", async () => {
    let count = 0;
    const client = rig.client({ token: () => Promise.resolve(`t${++count}`) });
    await client.connect();
    await rig.log.next();
    rig.server.cut();
    await rig.log.next((line) => line === "connect");

    expect(rig.server.connects.items.map(({ token }) => token)).toEqual(["t1", "t2"]);
  });

  it("of getParams is part of the URL, like in pushex", async () => {
    const client = rig.client({ params: { a: 1 }, getParams: async () => ({ token: "ticket" }) });
    await client.connect();
    const { url } = await rig.server.connects.next();

    expect(url).toBe("/push_socket/websocket?a=1&token=ticket&vsn=2.0.0");
  });

  it.each(["websocket", "sse"] as const)(
    "is replaced before it expires, and no message is lost over %s",
    async (transport) => {
      const client = rig.client({ token: tokens(1.25), transports: [transport] });
      const told = listen(client, "news");
      await client.connect();
      const first = (await rig.server.connects.next()).token;
      expect(await told.next()).toEqual(joined);

      let sent = 0;
      const pushing = setInterval(() => rig.server.push("news", "e", ++sent), 5);
      const second = (await rig.server.connects.next()).token;
      await told.next(({ kind }) => kind === "recovered");
      await told.next(({ kind }) => kind === "message");
      clearInterval(pushing);
      rig.server.push("news", "e", "end");

      expect(second).not.toBe(first);
      await told.seen((of) => of.kind === "message" && of.data === "end");
      // One message, `joined` and `recovered` are taken out above.
      const numbers = told.items.flatMap((of) =>
        of.kind === "message" && typeof of.data === "number" ? [of.data] : [],
      );
      expect(new Set(numbers).size).toBe(sent - 1);
      expect(numbers).toEqual([...numbers].sort((a, b) => a - b));
      expect(told.items).not.toContainEqual(recovered(false));
      expect(rig.log.items).toEqual(["connect"]);
    },
  );

  it("that is still the same when asked for again is no reason for another connection", async () => {
    const token = jwt({ exp: Date.now() / 1000 + 1.25 });
    const asked = new Inbox<null>("questions for a token");
    const client = rig.client({
      token: () => {
        asked.push(null);
        return token;
      },
    });
    await client.connect();
    await asked.take(2);
    await new Promise((done) => setTimeout(done, 50));

    expect(rig.server.connects.items).toHaveLength(1);
    expect(client.isConnected).toBe(true);
  });

  it("that could not be had is asked for again", async () => {
    let count = 0;
    const client = rig.client({
      token: async () => {
        if (++count < 3) throw new Error("the application is down");
        return "t";
      },
    });
    await client.connect();
    await rig.log.next((line) => line === "connect");

    expect(rig.log.items).toEqual(["error credentials", "error credentials"]);
  });

  it.each([
    ["token expired", "websocket"],
    ["token revoked", "websocket"],
    ["token expired", "sse"],
    ["token revoked", "sse"],
  ] as const)("%s, over %s: another one is had", async (reason, transport) => {
    const never = { minMs: 60_000, maxMs: 60_000 };
    const client = rig.client({
      token: tokens(900),
      reconnect: never,
      transports: [transport],
    });
    const told = listen(client, "news");
    await client.connect();
    await told.next();
    rig.server.close(1008, reason);
    rig.server.push("news", "e", 1);

    expect(await told.take(3)).toEqual([joined, recovered(true), message(1)]);
  });

  it.each(["websocket", "sse"] as const)(
    "that is fixed and over ends the client over %s, and the application is told",
    async (transport) => {
      const client = rig.client({ token: "fixed", transports: [transport] });
      const told = listen(client, "news");
      await client.connect();
      await told.next();
      rig.server.close(1008, "token revoked");

      expect(await told.next()).toEqual({ kind: "error", code: "token" });
      expect(await rig.log.take(3)).toEqual(["connect", "disconnect 1008", "error token"]);
      await new Promise((done) => setTimeout(done, 100));
      expect(rig.server.connects.items).toHaveLength(1);
    },
  );

  it("is in no error", async () => {
    rig.server.refuseWebSockets = true;
    const messages: string[] = [];
    const client = rig.client({
      token: "sesame",
      transports: ["websocket"],
      onError: (error) => {
        messages.push(`${error.stack}${String(error.cause)}`);
        rig.log.push("error");
      },
    });
    await client.connect();
    await rig.log.next();

    expect(messages.join()).not.toContain("sesame");
  });
});
