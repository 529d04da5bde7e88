import { describe, expect, it } from "vitest";
import { isOffline, type PageScope, watchPage } from "../../client/src/page.js";
import { joined, listen, message, recovered, useRig } from "./rig.js";

/** The part of a page that a client looks at. */
class FakePage extends EventTarget {
  readonly document = Object.assign(new EventTarget(), { visibilityState: "visible" });
  readonly navigator = { connection: new EventTarget(), onLine: true };
}

describe("a page's events", () => {
  it("are told apart, and no more are heard once it is over", () => {
    const page = new FakePage();
    const heard: string[] = [];
    const stop = watchPage(
      {
        wake: () => heard.push("wake"),
        sleep: () => heard.push("sleep"),
        networkChanged: () => heard.push("network"),
      },
      page as PageScope,
    );
    const all = () => {
      for (const type of ["online", "pagehide", "pageshow"]) page.dispatchEvent(new Event(type));
      for (const type of ["freeze", "resume", "visibilitychange"]) {
        page.document.dispatchEvent(new Event(type));
      }
      page.navigator.connection.dispatchEvent(new Event("change"));
    };
    all();
    expect(heard).toEqual(["network", "sleep", "wake", "sleep", "wake", "wake", "network"]);
    page.document.visibilityState = "hidden";
    page.document.dispatchEvent(new Event("visibilitychange"));
    expect(heard).toHaveLength(7);
    stop();
    all();
    expect(heard).toHaveLength(7);
  });

  it("are none where there is no page", () => {
    const nothing = () => undefined;
    expect(
      watchPage({ wake: nothing, sleep: nothing, networkChanged: nothing }, {})(),
    ).toBeUndefined();
    expect(isOffline({})).toBe(false);
    expect(isOffline({ navigator: { onLine: false } })).toBe(true);
  });
});

describe("a client in a page", () => {
  const rig = useRig();
  const never = { minMs: 60_000, maxMs: 60_000 };

  /** The client hears the page that is there while it connects. */
  async function within(page: FakePage, connect: () => Promise<void>): Promise<void> {
    const scope = globalThis as Record<string, unknown>;
    const before = Object.getOwnPropertyDescriptor(globalThis, "navigator");
    scope.document = page.document;
    scope.addEventListener = page.addEventListener.bind(page);
    scope.removeEventListener = page.removeEventListener.bind(page);
    Object.defineProperty(globalThis, "navigator", { value: page.navigator, configurable: true });
    try {
      await connect();
    } finally {
      delete scope.document;
      delete scope.addEventListener;
      delete scope.removeEventListener;
      if (before === undefined) delete scope.navigator;
      else Object.defineProperty(globalThis, "navigator", before);
    }
  }

  it.each(["online", "visibilitychange"])("tries again at once on %s", async (type) => {
    const page = new FakePage();
    rig.server.refuseWebSockets = true;
    const client = rig.client({ reconnect: never });
    await within(page, () => client.connect());
    await rig.log.next((line) => line === "error connect");
    rig.server.refuseWebSockets = false;
    (type === "online" ? page : page.document).dispatchEvent(new Event(type));

    await rig.log.next((line) => line === "connect");
  });

  it("lets go of its connection in a page that sleeps, and resumes when it wakes", async () => {
    const page = new FakePage();
    const client = rig.client({ reconnect: never });
    const told = listen(client, "news");
    await within(page, () => client.connect());
    await told.next();
    page.document.dispatchEvent(new Event("freeze"));
    await expect.poll(() => rig.server.sockets.size).toBe(0);
    rig.server.push("news", "e", 1);
    page.document.dispatchEvent(new Event("resume"));

    expect(await told.take(3)).toEqual([joined, recovered(true), message(1)]);
    expect(rig.log.items).toEqual(["connect", "disconnect 1000", "connect"]);
  });

  it("tries WebSocket again when the network has changed, and keeps the stream where it fails", async () => {
    const page = new FakePage();
    rig.server.refuseWebSockets = true;
    const client = rig.client();
    const told = listen(client, "news");
    await within(page, () => client.connect());
    await told.next();
    rig.server.push("news", "e", 1);
    expect(await told.next()).toEqual(message(1));
    page.dispatchEvent(new Event("online"));
    expect(await told.take(2)).toEqual([joined, recovered(true)]);
    expect(client.transport).toBe("sse");

    rig.server.refuseWebSockets = false;
    page.navigator.connection.dispatchEvent(new Event("change"));
    expect(await told.take(2)).toEqual([joined, recovered(true)]);
    expect(client.transport).toBe("websocket");
  });

  it("hears nothing of the page once it is disconnected", async () => {
    const page = new FakePage();
    const client = rig.client();
    await within(page, async () => {
      await client.connect();
      await rig.log.next();
      await client.disconnect();
    });
    const before = rig.server.connects.items.length;
    page.dispatchEvent(new Event("online"));
    page.document.dispatchEvent(new Event("freeze"));
    page.document.dispatchEvent(new Event("resume"));
    // What the page had begun would have come before this.
    await client.connect();
    await rig.log.next((line) => line === "connect");

    expect(rig.server.connects.items).toHaveLength(before + 1);
  });
});
