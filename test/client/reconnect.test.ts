import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { backoffMs, hintMs } from "../../client/src/backoff.js";
import { joined, listen, message, recovered, useRig } from "./rig.js";

const bounds = fc
  .record({
    minMs: fc.integer({ min: 1, max: 10_000 }),
    more: fc.integer({ min: 0, max: 100_000 }),
  })
  .map(({ minMs, more }) => ({ minMs, maxMs: minMs + more }));
const random = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });

describe("the delay before an attempt", () => {
  it("stays within its bounds, whatever the try", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 10_000 }), bounds, random, (tries, given, chance) => {
        const delay = backoffMs(tries, given, () => chance);
        expect(delay).toBeGreaterThanOrEqual(given.minMs);
        expect(delay).toBeLessThanOrEqual(given.maxMs);
      }),
    );
  });

  it("is spread over the whole of a ceiling that doubles", () => {
    const given = { minMs: 500, maxMs: 30_000 };
    const ceilings = [1, 2, 3, 4, 5, 6, 7].map((tries) => backoffMs(tries, given, () => 1));
    expect(ceilings).toEqual([2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000]);
    for (const tries of [1, 7]) expect(backoffMs(tries, given, () => 0)).toBe(500);
  });

  it("is the server's where its close reason names one", () => {
    expect(hintMs("retry in 1234")).toBe(1234);
    expect(hintMs("retry in 0")).toBe(0);
    expect(hintMs("retry in 999999999")).toBe(600_000);
    for (const reason of ["", "retry in -1", "retry in soon", "please retry in 5"]) {
      expect(hintMs(reason), reason).toBeUndefined();
    }
  });
});

describe("a client", () => {
  const rig = useRig();
  const never = { minMs: 60_000, maxMs: 60_000 };

  it.each([1000, 1001, 1008, 1009, 1011, 1012, 1013])("comes back after %s", async (code) => {
    const client = rig.client();
    const told = listen(client, "news");
    await client.connect();
    await told.next();
    rig.server.close(code);
    rig.server.push("news", "e", 1);

    expect(await told.take(3)).toEqual([joined, recovered(true), message(1)]);
    expect(await rig.log.takeUntil((line) => line.startsWith("disconnect"))).toEqual([
      "connect",
      `disconnect ${code}`,
    ]);
  });

  it("comes back when a draining server says, not before", async () => {
    const client = rig.client({ reconnect: never });
    await client.connect();
    await rig.log.next();
    rig.server.close(1012, "retry in 80");
    await rig.log.next((line) => line === "disconnect 1012");
    const before = Date.now();
    await rig.log.next((line) => line === "connect");

    expect(Date.now() - before).toBeGreaterThanOrEqual(75);
  });

  it("does not count it as a failure to be sent away by a server that drains", async () => {
    const tries: number[] = [];
    const client = rig.client({
      transports: ["websocket"],
      socketReconnectAlgorithm: (n) => {
        tries.push(n);
        return 1;
      },
    });
    await client.connect();
    for (const reason of ["retry in 1", "", "retry in 1"]) {
      await rig.log.next((line) => line === "connect");
      rig.server.close(1012, reason);
    }
    await rig.log.next((line) => line === "disconnect 1012");
    rig.server.refuseWebSockets = true;
    for (let n = 0; n < 2; n++) await rig.log.next((line) => line === "error connect");
    rig.server.refuseWebSockets = false;
    await rig.log.next((line) => line === "connect");

    expect(tries).toEqual([1, 1, 2]);
  });

  it("uses pushex's own option for the delays", async () => {
    const tries: number[] = [];
    const socketReconnectAlgorithm = (n: number) => {
      tries.push(n);
      return 1;
    };
    rig.server.refuseWebSockets = true;
    const client = rig.client({ socketReconnectAlgorithm, transports: ["websocket"] });
    await client.connect();
    for (let n = 0; n < 3; n++) await rig.log.next((line) => line === "error connect");
    rig.server.refuseWebSockets = false;
    await rig.log.next((line) => line === "connect");

    expect(tries).toEqual([1, 2, 3]);
  });

  it("grows its delays where a server accepts and closes at once", async () => {
    const tries: number[] = [];
    const client = rig.client({
      socketReconnectAlgorithm: (n) => {
        tries.push(n);
        return 1;
      },
    });
    await client.connect();
    for (let n = 0; n < 3; n++) {
      await rig.log.next((line) => line === "connect");
      rig.server.close(1013);
    }
    await rig.log.next((line) => line === "connect");

    expect(tries).toEqual([1, 2, 3]);
  });

  it("stays where its heartbeats are answered, and leaves a connection where they are not", async () => {
    const client = rig.client({ heartbeatMs: 20, transports: ["websocket"] });
    await client.connect();
    await rig.log.next();
    await new Promise((done) => setTimeout(done, 150));
    expect(rig.log.items).toEqual([]);

    rig.server.answersHeartbeats = false;
    await rig.log.next((line) => line === "disconnect 1006");
    rig.server.answersHeartbeats = true;
    await rig.log.next((line) => line === "connect");
  });

  it("does not come back after disconnect, nor while an attempt waits for a token", async () => {
    let release: (token: string) => void = () => undefined;
    const token = () =>
      new Promise<string>((done) => {
        release = done;
      });
    const client = rig.client({ token });
    void client.connect();
    await client.disconnect();
    release("late");
    await new Promise((done) => setTimeout(done, 30));

    expect(rig.server.connects.items).toEqual([]);
    expect(rig.log.items).toEqual([]);
  });

  it("asks again for a channel that is denied, and others go on", async () => {
    const client = rig.client();
    const denied = listen(client, "secret");
    const told = listen(client, "news");
    await client.connect();
    expect(await denied.next()).toEqual({ kind: "denied", reason: "members only" });
    expect(client.getExistingSubscription("secret")?.state).toBe("denied");
    expect(await told.next()).toEqual(joined);

    rig.server.close(1012);
    expect(await denied.next()).toEqual({ kind: "denied", reason: "members only" });
  });

  it("gives the join's parameters to the server", async () => {
    const client = rig.client();
    listen(client, "news", { params: { ticket: "t" } });
    await client.connect();
    expect((await rig.server.joins.next()).payload).toEqual({ ticket: "t" });
    rig.server.cut();
    const { payload } = await rig.server.joins.next();
    expect(payload).toEqual({ ticket: "t", last_event_id: "p0" });
  });

  it("has left a channel once unsubscribe resolves, and says so before it disconnects", async () => {
    const client = rig.client();
    const told = listen(client, "news");
    await client.connect();
    await told.next();
    await client.unsubscribe("news");
    expect(rig.server.left.items).toEqual(["news"]);
    rig.server.push("news", "e", 1);
    expect(client.getExistingSubscription("news")).toBeUndefined();

    rig.server.answersLeaves = false;
    const other = listen(client, "other");
    await other.next();
    const left = client.unsubscribe("other");
    await client.disconnect();
    await left;
    expect(told.items).toEqual([]);
  });
});
