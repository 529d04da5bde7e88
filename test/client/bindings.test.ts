import fc from "fast-check";
import { describe, expect, it, onTestFinished } from "vitest";
import { WebSocket } from "ws";
import { Hexpush } from "../../client/src/index.js";
import { loadPushex, type Pushex } from "../support/phoenix-client.js";
import { listen, useRig } from "./rig.js";

/** The one and the other are used in the same words here. */
interface Either {
  subscribe(channel: string): {
    bind(event: string, fn: (data: unknown, event: string) => void): () => void;
    unbind(event: string): void;
    unbindAll(): void;
    hasBindings(): boolean;
  };
}

const events = ["a", "b", "*", ""];
const step = fc.oneof(
  fc.record({ do: fc.constant("bind" as const), event: fc.constantFrom(...events) }),
  fc.record({ do: fc.constant("push" as const), event: fc.constantFrom("a", "b", "") }),
  fc.record({ do: fc.constant("unbind" as const), event: fc.constantFrom(...events) }),
  fc.record({ do: fc.constant("end" as const), which: fc.nat(20) }),
  fc.record({ do: fc.constant("again" as const) }),
);

describe("beside pushex, on the same server", () => {
  const rig = useRig();

  it("every bind, unbind, end and `*` gets the same calls in the same order", async () => {
    const client = rig.client();
    const pushex = new (loadPushex().Pushex)(rig.server.url, {});
    onTestFinished(() => pushex.disconnect());
    await Promise.all([client.connect(), pushex.connect()]);
    let run = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 25 }), async (steps) => {
        const channel = `c${++run}`;
        const seen = await Promise.all(
          [client as Either, pushex as Pushex as Either].map(async (one) => {
            const calls: unknown[] = [];
            let subscription = one.subscribe(channel);
            await rig.server.joins.next((join) => join.channel === channel);
            return {
              calls,
              one,
              subscription: () => subscription,
              renew: () => (subscription = one.subscribe(channel)),
              ends: [] as (() => void)[],
            };
          }),
        );
        await barrier(seen, channel);
        for (const [at, one] of steps.entries()) {
          if (one.do === "push") {
            rig.server.push(channel, one.event, at);
            await barrier(seen, channel);
          }
          for (const { calls, subscription, renew, ends } of seen) {
            if (one.do === "bind") {
              const fn = (data: unknown, event: string) => calls.push([at, data, event]);
              ends.push(subscription().bind(one.event, fn));
            } else if (one.do === "unbind") subscription().unbind(one.event);
            else if (one.do === "end") ends[one.which]?.();
            else if (one.do === "again") renew();
            calls.push(subscription().hasBindings());
          }
        }
        const [ours, theirs] = seen.map(({ calls }) => calls.filter((call) => !isBarrier(call)));
        expect(ours).toEqual(theirs);
        client.subscribe(channel).unbindAll();
        pushex.subscribe(channel).unbindAll();
      }),
      { numRuns: 40 },
    );
  });

  /** Both have had everything that was pushed so far: a marker on a channel of its own came through. */
  let markers = 0;
  async function barrier(
    seen: readonly { readonly one: Either }[],
    channel: string,
  ): Promise<void> {
    void channel;
    const name = `barrier${++markers}`;
    const marks = await Promise.all(
      seen.map(async ({ one }) => {
        const subscription = one.subscribe(name);
        const came = new Promise<void>((done) => {
          subscription.bind("*", () => done());
        });
        await rig.server.joins.next((join) => join.channel === name);
        return { came };
      }),
    );
    // The replies are on their way; a push behind them comes after them.
    rig.server.push(name, "mark", null);
    await Promise.all(marks.map(({ came }) => came));
  }

  function isBarrier(call: unknown): boolean {
    return Array.isArray(call) && call[2] === "mark";
  }
});

describe("bindings", () => {
  const rig = useRig();

  it("subscribing twice is one subscription and one join", async () => {
    const client = rig.client();
    const told = listen(client, "news");
    expect(client.subscribe("news")).toBe(client.subscribe("news"));
    await client.connect();
    await told.next();

    expect(rig.server.joins.items).toHaveLength(1);
  });

  it("ending one binding leaves another of the same function", async () => {
    const client = rig.client();
    const told = listen(client, "news");
    const calls: unknown[] = [];
    const fn = (data: unknown) => calls.push(data);
    const subscription = client.subscribe("news");
    const end = subscription.bind("e", fn);
    subscription.bind("e", fn);
    end();
    end();
    await client.connect();
    await told.next();
    rig.server.push("news", "e", 1);
    await told.next();

    expect(calls).toEqual([1]);
  });

  it("an event named * calls each function once, and names of Object's own are ordinary", async () => {
    const client = rig.client();
    const told = listen(client, "news");
    await client.connect();
    await told.next();
    for (const event of ["*", "constructor", "__proto__"]) rig.server.push("news", event, 1);

    expect((await told.take(3)).map((of) => (of.kind === "message" ? of.event : ""))).toEqual([
      "*",
      "constructor",
      "__proto__",
    ]);
    expect(told.items).toEqual([]);
  });

  it("a function that throws stops no other, and its error surfaces", async () => {
    const client = rig.client();
    const surfaced = new Promise((done) => {
      const others = process.listeners("uncaughtException");
      process.removeAllListeners("uncaughtException");
      process.once("uncaughtException", (error) => {
        for (const other of others) process.on("uncaughtException", other);
        done(error);
      });
    });
    const subscription = client.subscribe("news");
    subscription.bind("e", () => {
      throw new Error("of the application");
    });
    const told = listen(client, "news");
    await client.connect();
    await told.next();
    rig.server.push("news", "e", 1);

    expect((await told.next()).kind).toBe("message");
    expect(await surfaced).toEqual(new Error("of the application"));
  });

  it("a client without a URL is refused at once", () => {
    expect(() => new Hexpush("", { WebSocket })).toThrow(TypeError);
  });
});
