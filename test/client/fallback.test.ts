import { describe, expect, it } from "vitest";
import { joined, listen, message, recovered, useRig } from "./rig.js";

describe("where WebSockets are blocked", () => {
  const rig = useRig();

  it("the client turns to server-sent events after two attempts", async () => {
    rig.server.refuseWebSockets = true;
    const client = rig.client({ token: "t" });
    const told = listen(client, "news");
    await client.connect();
    expect(await told.next()).toEqual(joined);
    rig.server.push("news", "e", 1);

    expect(await told.next()).toEqual(message(1));
    expect(client.transport).toBe("sse");
    expect(rig.server.connects.items).toEqual([
      { url: "/push_socket/websocket?vsn=2.0.0", token: "t" },
      { url: "/push_socket/websocket?vsn=2.0.0", token: "t" },
      { url: "/push_events?token=t&channel=news", token: "t" },
    ]);
    expect(rig.log.items).toEqual(["error connect", "error connect", "connect"]);
  });

  it("it does not where WebSockets are all that it may use, or once one has worked", async () => {
    const only = rig.client({ transports: ["websocket"] });
    listen(only, "news");
    const both = rig.client();
    const told = listen(both, "news");
    await both.connect();
    await told.next();
    rig.server.refuseWebSockets = true;
    await only.connect();
    rig.server.cut();
    await rig.server.connects.take(12);
    rig.server.refuseWebSockets = false;
    await told.next(({ kind }) => kind === "recovered");

    const kinds = rig.server.connects.items.map(({ url }) => url.slice(0, 12));
    expect(new Set([...kinds, "/push_socket"])).toEqual(new Set(["/push_socket"]));
    expect(both.transport).toBe("websocket");
  });

  it("it tries the one and the other in turn while neither works", async () => {
    rig.server.refuseWebSockets = true;
    rig.server.refuseStreams = true;
    const client = rig.client();
    listen(client, "news");
    await client.connect();
    const kinds = (await rig.server.connects.take(8)).map(({ url }) => url.slice(6, 11));

    const [socket, events] = ["socke", "event"];
    expect(kinds).toEqual([socket, socket, events, events, socket, socket, events, events]);
  });

  it("it tries the stream twice as often where that has worked before", async () => {
    rig.server.refuseWebSockets = true;
    const client = rig.client();
    const told = listen(client, "news");
    await client.connect();
    await told.next();
    await rig.server.connects.take(3);
    rig.server.refuseStreams = true;
    rig.server.cut();
    const kinds = (await rig.server.connects.take(6)).map(({ url }) => url.slice(6, 11));

    const [socket, events] = ["socke", "event"];
    expect(kinds).toEqual([events, events, socket, events, events, socket]);
  });

  it("it goes back to a WebSocket once that works, and loses nothing", async () => {
    rig.server.refuseWebSockets = true;
    const client = rig.client({ webSocketRetryMs: 30 });
    const told = listen(client, "news");
    await client.connect();
    await told.next();
    rig.server.push("news", "e", 1);
    expect(await told.next()).toEqual(message(1));
    expect(client.transport).toBe("sse");
    await rig.server.connects.take(3);
    // Attempts that fail leave the stream alone: the second one begins behind the first one's end.
    await rig.server.connects.take(2);
    rig.server.push("news", "e", 2);
    expect(await told.next()).toEqual(message(2));

    rig.server.refuseWebSockets = false;
    await rig.server.joins.next(({ payload }) => payload.last_event_id === "p2");
    rig.server.push("news", "e", 3);
    expect(await told.take(3)).toEqual([joined, recovered(true), message(3)]);
    expect(client.transport).toBe("websocket");
    expect(rig.server.listeners.size).toBe(1);
    expect(rig.log.items.filter((line) => line !== "error connect")).toEqual(["connect"]);
  });
});
