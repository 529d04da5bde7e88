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
type Step =
  | { readonly do: "bind" | "unbind" | "push"; readonly event: string }
  | { readonly do: "end"; readonly which: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 3, arbitrary: on("bind", events) },
  { weight: 3, arbitrary: on("push", ["a", "b", ""]) },
  { weight: 1, arbitrary: on("unbind", events) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("end" as const), which: fc.nat(8) }) },
);

function on(kind: "bind" | "unbind" | "push", names: readonly string[]) {
  return fc.record({ do: fc.constant(kind), event: fc.constantFrom(...names) });
}

describe("beside pushex, on the same server", () => {
  const rig = useRig();

  it("every bind, unbind, end and `*` gets the same calls in the same order", async () => {
    const client = rig.client();
    const pushex = new (loadPushex().Pushex)(rig.server.url, {});
    onTestFinished(() => pushex.disconnect());
    await Promise.all([client.connect(), pushex.connect()]);
    const both = [client as Either, pushex as Pushex as Either];
    let run = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 25 }), async (steps) => {
        const channel = `c${++run}`;
        const sides = both.map((one) => new Side(one, channel));
        await allCame(both);
        for (const [at, one] of steps.entries()) {
          if (one.do === "push") {
            rig.server.push(channel, one.event, at);
            await allCame(both);
          } else {
            for (const side of sides) side.take(one, at);
          }
        }
        expect(sides[0]?.seen).toEqual(sides[1]?.seen);
      }),
      { numRuns: 40 },
    );
  });

  /** Whatever was pushed or joined so far has come to both: so has a push on a channel joined since. */
  let markers = 0;
  async function allCame(both: readonly Either[]): Promise<void> {
    const channel = `marker${++markers}`;
    const came = both.map(
      (one) => new Promise<unknown>((done) => void one.subscribe(channel).bind("mark", done)),
    );
    for (const _one of both) await rig.server.joins.next((join) => join.channel === channel);
    // The answers to the joins are on their way, and this comes behind them.
    rig.server.push(channel, "mark", null);
    await Promise.all(came);
  }
});

/** One of the two, and what its bindings saw. */
class Side {
  readonly seen: unknown[] = [];
  readonly #one: Either;
  readonly #channel: string;
  readonly #ends: (() => void)[] = [];

  constructor(one: Either, channel: string) {
    this.#one = one;
    this.#channel = channel;
    one.subscribe(channel);
  }

  take(one: Step, at: number): void {
    const subscription = this.#one.subscribe(this.#channel);
    if (one.do === "bind") {
      const fn = (data: unknown, event: string) => void this.seen.push([at, data, event]);
      this.#ends.push(subscription.bind(one.event, fn));
    } else if (one.do === "unbind") {
      subscription.unbind(one.event);
    } else if (one.do === "end") {
      this.#ends[one.which]?.();
    }
    this.seen.push(subscription.hasBindings());
  }
}

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
