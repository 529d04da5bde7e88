import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Subscriptions } from "../../../src/application/subscriptions/subscriptions.js";
import type { JoinDecision } from "../../../src/domain/auth-policy.js";
import { codecV2 } from "../../../src/protocol/phoenix/codec-v2.js";
import { PhoenixProtocol } from "../../../src/protocol/phoenix/phoenix-protocol.js";
import { turn } from "../../support/manual-broker.js";
import { type MemorySocket, MemoryWriter } from "../../support/memory-writer.js";

/*
 * Any order of joins, leaves, events and late decisions, against a model that knows only which
 * join holds each channel: whether a subscription is there, that every frame with a reference is
 * answered once, and that nothing is joined twice or left without need.
 */

interface Model {
  /** Channel → the reference of the join that holds it. */
  readonly held: Map<string, string>;
}

interface Undecided {
  readonly channel: string;
  decide(decision: JoinDecision): void;
}

interface Real {
  readonly handle: MemorySocket;
  readonly protocol: PhoenixProtocol;
  readonly joined: Set<string>;
  readonly undecided: Undecided[];
  /** References of frames that must still be answered, in the order of each channel. */
  readonly unanswered: Map<string, string[]>;
  nextRef: number;
}

const topics = ["a", "b", "phoenix"];
const LIMITS = {
  channelNameBytesMax: 1024,
  channelsPerSocketMax: 1000,
  sendBufferBytesMax: 1_048_576,
  idleTimeoutMs: 45_000,
};

function start(): Real {
  const joined = new Set<string>();
  const undecided: Undecided[] = [];
  const subscriptions = new Subscriptions({
    policy: {
      authorizeJoin: ({ channel }) =>
        new Promise((decide) => void undecided.push({ channel, decide })),
    },
    limits: LIMITS,
    now: () => 0,
    log: { info: () => {}, warn: () => {} },
    listener: {
      channelJoined: ({ channel }) => {
        expect(joined.has(channel)).toBe(false);
        joined.add(channel);
      },
      channelLeft: ({ channel }) => expect(joined.delete(channel)).toBe(true),
    },
  });
  const protocol = new PhoenixProtocol(codecV2, subscriptions);
  const handle = new MemoryWriter(protocol, subscriptions).open();
  return { handle, protocol, joined, undecided, unanswered: new Map(), nextRef: 1 };
}

function takeReplies({ handle, unanswered }: Real): void {
  expect(handle.closed).toBeUndefined();
  for (const text of handle.frames.splice(0)) {
    const [, ref, topic, event] = JSON.parse(text) as [string, string, string, string];
    if (event === "phx_reply") expect(unanswered.get(topic)?.shift()).toBe(ref);
  }
}

function send(real: Real, topic: string, event: string, joinRef: string): string {
  const ref = String(real.nextRef++);
  real.protocol.receiveText(
    real.handle.socket,
    JSON.stringify([joinRef || ref, ref, topic, event, {}]),
  );
  takeReplies(real);
  return ref;
}

function expectReply(real: Real, topic: string): void {
  const waiting = real.unanswered.get(topic) ?? [];
  waiting.push(String(real.nextRef));
  real.unanswered.set(topic, waiting);
}

function check(model: Model, real: Real): void {
  expect([...real.joined].sort()).toEqual([...model.held.keys()].sort());
  expect(real.handle.socket.channels().sort()).toEqual([...real.joined].sort());
  const unanswered = [...real.unanswered.values()].flat();
  expect(unanswered).toHaveLength(real.undecided.length);
}

class Join implements fc.AsyncCommand<Model, Real> {
  constructor(readonly topic: string) {}
  check = () => true;
  async run(model: Model, real: Real): Promise<void> {
    // While a join is undecided the next one waits; this model decides before it goes on.
    await decideAll(model, real, true, this.topic);
    expectReply(real, this.topic);
    model.held.delete(this.topic);
    send(real, this.topic, "phx_join", "");
    check(model, real);
  }
  toString = () => `join ${this.topic}`;
}

class Decide implements fc.AsyncCommand<Model, Real> {
  constructor(readonly allow: boolean) {}
  check = () => true;
  async run(model: Model, real: Real): Promise<void> {
    await decideAll(model, real, this.allow);
    check(model, real);
  }
  toString = () => `decide ${this.allow}`;
}

async function decideAll(model: Model, real: Real, allow: boolean, topic?: string): Promise<void> {
  const due = real.undecided.filter(({ channel }) => topic === undefined || channel === topic);
  for (const join of due) {
    real.undecided.splice(real.undecided.indexOf(join), 1);
    const [ref] = real.unanswered.get(join.channel) ?? [];
    join.decide({ allow });
    await turn();
    takeReplies(real);
    if (allow) model.held.set(join.channel, JSON.stringify(ref));
  }
}

class Leave implements fc.AsyncCommand<Model, Real> {
  constructor(
    readonly topic: string,
    readonly stale: boolean,
  ) {}
  check = () => true;
  async run(model: Model, real: Real): Promise<void> {
    await decideAll(model, real, true, this.topic);
    const held = model.held.get(this.topic);
    const joinRef = this.stale ? "stale" : held === undefined ? "0" : (JSON.parse(held) as string);
    const ignored = this.stale && held !== undefined;
    if (!ignored) {
      expectReply(real, this.topic);
      model.held.delete(this.topic);
    }
    send(real, this.topic, "phx_leave", joinRef);
    check(model, real);
  }
  toString = () => `leave ${this.topic}${this.stale ? " (stale)" : ""}`;
}

class OtherEvent implements fc.AsyncCommand<Model, Real> {
  constructor(readonly topic: string) {}
  check = () => true;
  async run(model: Model, real: Real): Promise<void> {
    await decideAll(model, real, true, this.topic);
    if (!model.held.delete(this.topic)) expectReply(real, this.topic);
    send(real, this.topic, "shout", "1");
    check(model, real);
  }
  toString = () => `event on ${this.topic}`;
}

describe("PhoenixProtocol, in any order of events", () => {
  it("keeps the subscriptions that its joins hold, and answers each frame once", async () => {
    const topic = fc.constantFrom(...topics);
    const commands = fc.commands(
      [
        topic.map((each) => new Join(each)),
        fc.boolean().map((allow) => new Decide(allow)),
        fc.tuple(topic, fc.boolean()).map(([each, stale]) => new Leave(each, stale)),
        topic.map((each) => new OtherEvent(each)),
      ],
      { maxCommands: 60 },
    );
    await fc.assert(
      fc.asyncProperty(commands, (script) =>
        fc.asyncModelRun(
          () => ({ model: { held: new Map<string, string>() }, real: start() }),
          script,
        ),
      ),
      { numRuns: 200 },
    );
  });
});
