import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { codecV2 } from "../../../src/protocol/phoenix/codec-v2.js";
import { type Effect, type PendingJoin, Session } from "../../../src/protocol/phoenix/session.js";

/*
 * Any order of joins, leaves, events and late decisions, against a model that knows only which
 * join holds each channel: whether a subscription is there, that every frame with a reference is
 * answered once, and that nothing is subscribed twice or unsubscribed without need.
 */

interface Model {
  /** Channel → the reference of the join that holds it. */
  readonly held: Map<string, string>;
}

interface Real {
  readonly session: Session;
  readonly subscribed: Set<string>;
  readonly undecided: PendingJoin[];
  /** References of frames that must still be answered, in the order of each channel. */
  readonly unanswered: Map<string, string[]>;
  nextRef: number;
}

const topics = ["a", "b", "phoenix"];
const LIMITS = { channelNameBytesMax: 1024, channelsPerSocketMax: 1000 };

function apply(real: Real, effects: Effect[]): void {
  for (const effect of effects) {
    if (effect.kind === "subscribe") {
      expect(real.subscribed.has(effect.channel)).toBe(false);
      real.subscribed.add(effect.channel);
    } else if (effect.kind === "unsubscribe") {
      expect(real.subscribed.delete(effect.channel)).toBe(true);
    } else if (effect.kind === "authorize") {
      real.undecided.push(effect.join);
    } else if (effect.kind === "send") {
      const [, ref, topic, event] = JSON.parse(effect.text) as [string, string, string, string];
      if (event === "phx_reply") expect(real.unanswered.get(topic)?.shift()).toBe(ref);
    } else {
      throw new Error("closed");
    }
  }
}

function send(real: Real, topic: string, event: string, joinRef: string): string {
  const ref = String(real.nextRef++);
  apply(real, real.session.receiveText(JSON.stringify([joinRef || ref, ref, topic, event, {}])));
  return ref;
}

function expectReply(real: Real, topic: string): void {
  const waiting = real.unanswered.get(topic) ?? [];
  waiting.push(String(real.nextRef));
  real.unanswered.set(topic, waiting);
}

const isUndecided = (real: Real, topic: string) =>
  real.undecided.some((join) => join.frame.topic === topic);

function check(model: Model, real: Real): void {
  const expected = [...model.held.keys()].filter((topic) => !isUndecided(real, topic));
  expect([...real.subscribed].sort()).toEqual(expected.sort());
  expect([...real.session.channels()]).toHaveLength(real.subscribed.size);
}

class Join implements fc.Command<Model, Real> {
  constructor(readonly topic: string) {}
  check = () => true;
  run(model: Model, real: Real): void {
    // While a join is undecided the next one waits; this model decides before it goes on.
    decideAll(model, real, true, this.topic);
    expectReply(real, this.topic);
    model.held.delete(this.topic);
    send(real, this.topic, "phx_join", "");
    check(model, real);
  }
  toString = () => `join ${this.topic}`;
}

class Decide implements fc.Command<Model, Real> {
  constructor(readonly allow: boolean) {}
  check = () => true;
  run(model: Model, real: Real): void {
    decideAll(model, real, this.allow);
    check(model, real);
  }
  toString = () => `decide ${this.allow}`;
}

function decideAll(model: Model, real: Real, allow: boolean, topic?: string): void {
  const due = real.undecided.filter((join) => topic === undefined || join.frame.topic === topic);
  for (const join of due) {
    real.undecided.splice(real.undecided.indexOf(join), 1);
    apply(real, real.session.decide(join, { allow }));
    if (allow) model.held.set(join.frame.topic, join.frame.joinRef);
  }
}

class Leave implements fc.Command<Model, Real> {
  constructor(
    readonly topic: string,
    readonly stale: boolean,
  ) {}
  check = () => true;
  run(model: Model, real: Real): void {
    decideAll(model, real, true, this.topic);
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

class OtherEvent implements fc.Command<Model, Real> {
  constructor(readonly topic: string) {}
  check = () => true;
  run(model: Model, real: Real): void {
    decideAll(model, real, true, this.topic);
    if (!model.held.delete(this.topic)) expectReply(real, this.topic);
    send(real, this.topic, "shout", "1");
    check(model, real);
  }
  toString = () => `event on ${this.topic}`;
}

describe("a session, in any order of events", () => {
  it("keeps the subscriptions that its joins hold, and answers each frame once", () => {
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
    fc.assert(
      fc.property(commands, (script) => {
        const setup = () => ({
          model: { held: new Map<string, string>() },
          real: {
            session: new Session({ codec: codecV2, limits: LIMITS }),
            subscribed: new Set<string>(),
            undecided: [],
            unanswered: new Map<string, string[]>(),
            nextRef: 1,
          },
        });
        fc.modelRun(setup, script);
      }),
      { numRuns: 300 },
    );
  });
});
