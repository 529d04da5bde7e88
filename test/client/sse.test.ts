import { describe, expect, it } from "vitest";
import { FetchEventSource } from "../../client/src/fetch-event-source.js";
import { joined, listen, message, recovered, useRig } from "./rig.js";

describe("with server-sent events", () => {
  const rig = useRig();
  const client = () => rig.client({ transports: ["sse"] });

  it("channels that are subscribed together share one stream, and a later one joins it", async () => {
    const events = client();
    const told = ["a", "b"].map((name) => listen(events, name));
    await events.connect();
    for (const inbox of told) expect(await inbox.next()).toEqual(joined);
    rig.server.push("a", "e", 1);
    rig.server.push("b", "e", 1);
    for (const inbox of told) expect(await inbox.next()).toEqual(message(1));

    const late = listen(events, "c");
    expect(await late.next()).toEqual(joined);
    rig.server.push("a", "e", 2);
    rig.server.push("c", "e", 2);
    expect(await late.next()).toEqual(message(2));
    expect(await told[0]?.take(3)).toEqual([joined, recovered(true), message(2)]);
    const urls = rig.server.connects.items.map(({ url }) => url.replace(/last.*/, "…"));
    expect(urls).toEqual([
      "/push_events?channel=a&channel=b",
      "/push_events?channel=a&channel=b&channel=c&…",
    ]);
    expect(rig.log.items).toEqual(["connect"]);
  });

  it("an unsubscribed channel brings nothing more, and the last one ends the stream", async () => {
    const events = client();
    const a = listen(events, "a");
    const b = listen(events, "b");
    await events.connect();
    await a.next();
    await b.next();
    await events.unsubscribe("a");
    rig.server.push("a", "e", 1);
    rig.server.push("b", "e", 1);
    // There is a cursor from the start, so being rid of the other channel costs nothing. The message
    // comes with the one stream or with the next.
    const { url } = await rig.server.connects.next(({ url }) => !url.includes("channel=a"));
    expect(url).toMatch(/^\/push_events\?channel=b&last_event_id=p[012]$/);
    const told = await b.take(3);
    expect(told.filter(({ kind }) => kind !== "message")).toEqual([joined, recovered(true)]);
    expect(told.filter(({ kind }) => kind === "message")).toEqual([message(1)]);
    expect(a.items).toEqual([]);

    await events.unsubscribe("b");
    await expect.poll(() => rig.server.listeners.size).toBe(0);
    const again = listen(events, "b");
    expect(await again.next()).toEqual(joined);
  });

  it("what cannot be resumed is told channel by channel", async () => {
    rig.server.historyLength = 2;
    const events = client();
    const a = listen(events, "a");
    const b = listen(events, "b");
    await events.connect();
    for (const [name, inbox] of [["a", a] as const, ["b", b] as const]) {
      await inbox.next();
      rig.server.push(name, "e", 0);
      expect(await inbox.next()).toEqual(message(0));
    }
    rig.server.cut();
    for (const n of [1, 2, 3]) rig.server.push("a", "e", n);
    rig.server.push("b", "e", 1);

    expect(await b.take(3)).toEqual([joined, recovered(true), message(1)]);
    expect(await a.take(2)).toEqual([joined, recovered(false)]);
    rig.server.push("a", "e", 4);
    expect(await a.next()).toEqual(message(4));
  });

  it("a silent channel goes on from where its stream began, over the WebSocket too", async () => {
    const events = rig.client({ transports: ["sse", "websocket"], webSocketRetryMs: 200 });
    rig.server.refuseWebSockets = true;
    const told = listen(events, "a");
    await events.connect();
    expect(await told.next()).toEqual(joined);
    rig.server.cut();
    rig.server.push("a", "e", 1);
    expect(await told.take(3)).toEqual([joined, recovered(true), message(1)]);
    expect(events.transport).toBe("sse");

    await events.disconnect();
    await events.connect();
    expect(await told.take(2)).toEqual([joined, recovered(true)]);
    rig.server.refuseWebSockets = false;
    await rig.server.joins.next(({ payload }) => payload.last_event_id === "p1");
    expect(await told.take(2)).toEqual([joined, recovered(true)]);
  });

  it("a channel that was silent from the first stream to the first WebSocket is whole", async () => {
    rig.server.refuseWebSockets = true;
    const events = rig.client({ webSocketRetryMs: 50 });
    const told = listen(events, "a");
    await events.connect();
    expect(await told.next()).toEqual(joined);
    rig.server.refuseWebSockets = false;
    await rig.server.joins.next(({ payload }) => payload.last_event_id === "p0");

    expect(await told.take(2)).toEqual([joined, recovered(true)]);
  });

  it("a channel that keeps no history is not taken for whole, alone or beside others", async () => {
    const events = client();
    const alone = listen(events, "plain");
    await events.connect();
    expect(await alone.next()).toEqual(joined);
    rig.server.cut();
    expect(await alone.take(2)).toEqual([joined, recovered(false)]);

    const other = listen(events, "a");
    expect(await other.next()).toEqual(joined);
    await alone.take(2);
    rig.server.cut();
    expect(await other.take(2)).toEqual([joined, recovered(true)]);
    expect(await alone.take(2)).toEqual([joined, recovered(false)]);
    rig.server.push("plain", "e", 1);
    expect(await alone.next()).toEqual(message(1));
  });

  it("a server that takes long to say what is lost is waited for", async () => {
    rig.server.historyLength = 1;
    const events = client();
    const told = ["a", "b", "plain"].map((name) => listen(events, name));
    await events.connect();
    for (const inbox of told) await inbox.next();
    await rig.server.connects.next();
    rig.server.beginsAfterMs = 300;
    rig.server.cut();
    rig.server.push("b", "e", 1);
    await rig.server.connects.next();
    // Live already, while the histories of the others are still being read.
    rig.server.push("plain", "e", 2);

    expect(await told[2]?.take(3)).toEqual([joined, recovered(false), message(2)]);
    expect(told[0]?.items).toEqual([]);
    expect(await told[0]?.take(2)).toEqual([joined, recovered(true)]);
    expect(await told[1]?.take(3)).toEqual([joined, recovered(true), message(1)]);

    rig.server.cut();
    for (const n of [2, 3]) rig.server.push("b", "e", n);
    expect(await told[1]?.take(2)).toEqual([joined, recovered(false)]);
    expect(await told[0]?.take(2)).toEqual([joined, recovered(true)]);
  });

  it("a place to start behind is not sent, and told as not recovered", async () => {
    rig.server.push("a", "e", 1);
    const events = client();
    const told = listen(events, "a", { lastEventId: "p0" });
    await events.connect();

    expect(await told.take(2)).toEqual([joined, recovered(false)]);
    expect(rig.server.connects.items.map(({ url }) => url)).toEqual(["/push_events?channel=a"]);
  });

  it("why the server ends a stream is told, as with a WebSocket", async () => {
    const codes: [number, string][] = [];
    const events = rig.client({
      transports: ["sse"],
      onDisconnect: ({ code, reason }) => void codes.push([code, reason]),
    });
    const told = listen(events, "a");
    await events.connect();
    await told.next();
    rig.server.close(1012, "the server is shutting down");
    expect(await told.take(2)).toEqual([joined, recovered(true)]);
    rig.server.cut();
    expect(await told.take(2)).toEqual([joined, recovered(true)]);

    expect(codes).toEqual([
      [1012, "the server is shutting down"],
      [1006, "the event stream ended"],
    ]);
    expect(rig.log.items).toEqual(["connect", "connect", "error closed", "connect"]);
  });

  it("a denied channel is told, and the others go on", async () => {
    const events = client();
    const denied = listen(events, "secret");
    const told = listen(events, "news");
    await events.connect();
    expect(await denied.next()).toEqual({ kind: "denied", reason: "members only" });
    expect(await told.next()).toEqual(joined);
    rig.server.push("secret", "e", 1);
    rig.server.push("news", "e", 1);

    expect(await told.next()).toEqual(message(1));
    expect(denied.items).toEqual([]);
  });

  it("the server's own word on the end counts, and its hint of when to come back", async () => {
    const events = rig.client({
      transports: ["sse"],
      reconnect: { minMs: 60_000, maxMs: 60_000 },
    });
    const told = listen(events, "a");
    await events.connect();
    expect(await told.next()).toEqual(joined);
    rig.server.push("a", "e", 1);
    expect(await told.next()).toEqual(message(1));
    const before = Date.now();
    rig.server.close(1012, "retry in 80");
    rig.server.push("a", "e", 2);

    expect(await told.take(3)).toEqual([joined, recovered(true), message(2)]);
    expect(Date.now() - before).toBeGreaterThanOrEqual(75);
    expect(rig.log.items).toEqual(["connect", "disconnect 1012", "connect"]);
  });

  it("one stream is closed before the next is asked for", async () => {
    let open = 0;
    const others: number[] = [];
    class Counted extends FetchEventSource {
      constructor(url: string) {
        others.push(open++);
        super(url);
      }
      override close(): void {
        open -= 1;
        super.close();
      }
    }
    const events = rig.client({ transports: ["sse"], EventSource: Counted });
    const told = listen(events, "a");
    await events.connect();
    await told.next();
    await listen(events, "b").next();

    expect(others).toEqual([0, 0]);
  });

  it("an EventSource is used where there is one, and its own reconnecting is not", async () => {
    const made: string[] = [];
    class Given extends FetchEventSource {
      constructor(url: string) {
        super(url);
        made.push(url);
      }
    }
    const events = rig.client({ transports: ["sse"], EventSource: Given });
    const told = listen(events, "news");
    await events.connect();
    await told.next();
    rig.server.cut();
    await told.next(({ kind }) => kind === "recovered");

    expect(made).toHaveLength(2);
  });
});
