import { describe, expect, it } from "vitest";
import type { JoinDecision } from "../../../src/domain/auth-policy.js";
import { Json } from "../../../src/domain/json.js";
import { codecV1 } from "../../../src/protocol/phoenix/codec-v1.js";
import { codecV2 } from "../../../src/protocol/phoenix/codec-v2.js";
import {
  type Effect,
  type PendingJoin,
  Session,
  WAITING_FRAMES_MAX,
} from "../../../src/protocol/phoenix/session.js";

const LIMITS = { channelNameBytesMax: 16, channelsPerSocketMax: 3 };
const ALLOW: JoinDecision = { allow: true };
const DENY: JoinDecision = { allow: false };

/** A session whose joins are decided at once; what it does, in words, frames as they are sent. */
function socket(decision: JoinDecision = ALLOW, codec = codecV2) {
  const session = new Session({ codec, limits: LIMITS });
  const run = (effects: Effect[], decided = decision): string[] =>
    effects.flatMap((effect) =>
      effect.kind === "authorize"
        ? run(session.decide(effect.join, decided), decided)
        : [inWords(effect)],
    );
  return {
    session,
    get: (text: string, decided?: JoinDecision) => run(session.receiveText(text), decided),
  };
}

function inWords(effect: Effect): string {
  switch (effect.kind) {
    case "send":
      return effect.text;
    case "close":
      return `close ${effect.code} ${effect.reason}`;
    case "authorize":
      return `authorize ${effect.join.frame.topic}`;
    default:
      return `${effect.kind} ${effect.channel}`;
  }
}

const OK = '"phx_reply",{"response":{},"status":"ok"}]';

describe("a session (serializer 2.0.0)", () => {
  it("answers a heartbeat with a null join_ref, also where phoenix is joined", () => {
    const { get } = socket();
    expect(get('["9","1","phoenix","heartbeat",{}]')).toEqual([`[null,"1","phoenix",${OK}`]);
    get('["1","1","phoenix","phx_join",{}]');
    expect(get('[null,"2","phoenix","heartbeat",{}]')).toEqual([`[null,"2","phoenix",${OK}`]);
  });

  it("answers a join with the policy's response, then subscribes", () => {
    const { get } = socket({ allow: true, response: Json.parse('{"a":1.10}') });
    expect(get('["1","2","a","phx_join",{}]')).toEqual([
      '["1","2","a","phx_reply",{"response":{"a":1.10},"status":"ok"}]',
      "subscribe a",
    ]);
  });

  it("joins any name, also an empty one, a star and phoenix", () => {
    const { get } = socket();
    for (const topic of ["", "*", "phoenix"]) {
      expect(get(`["1","1","${topic}","phx_join",{}]`).at(-1)).toBe(`subscribe ${topic}`);
    }
  });

  it("answers a denied join with an error and a reason", () => {
    const { get } = socket(DENY);
    expect(get('["1","2","a","phx_join",{}]')).toEqual([
      '["1","2","a","phx_reply",{"response":{"reason":"unauthorized"},"status":"error"}]',
    ]);
    expect(get('["1","3","a","phx_join",{}]', { allow: false, reason: 'say "please"' })).toEqual([
      '["1","3","a","phx_reply",{"response":{"reason":"say \\"please\\""},"status":"error"}]',
    ]);
  });

  it("answers a leave, then closes the channel with the join's reference", () => {
    const { get } = socket();
    get('["1","1","a","phx_join",{}]');
    expect(get('["1","2","a","phx_leave",{}]')).toEqual([
      "unsubscribe a",
      `["1","2","a",${OK}`,
      '["1","1","a","phx_close",{}]',
    ]);
    expect(get('["1","3","a","phx_leave",{}]')).toEqual([`["1","3","a",${OK}`]);
  });

  it("ignores a leave of another join", () => {
    const { get, session } = socket();
    get('["1","1","a","phx_join",{}]');
    expect(get('["2","2","a","phx_leave",{}]')).toEqual([]);
    expect(get('[null,"2","a","phx_leave",{}]')).toEqual([]);
    expect(get('[1,"2","a","phx_leave",{}]')).toEqual([]);
    expect([...session.channels()]).toHaveLength(1);
  });

  it("leaves by a null join_ref where the join had none either", () => {
    const { get } = socket();
    get('[null,"1","a","phx_join",{}]');
    expect(get('[null,"2","a","phx_leave",{}]')).toEqual([
      "unsubscribe a",
      `[null,"2","a",${OK}`,
      '[null,null,"a","phx_close",{}]',
    ]);
  });

  it("replaces a join by a second one: the new reply first, then the old channel's close", () => {
    const { get, session } = socket();
    get('["1","1","a","phx_join",{}]');
    expect(get('["2","2","a","phx_join",{}]')).toEqual([
      "unsubscribe a",
      `["2","2","a",${OK}`,
      '["1","1","a","phx_close",{}]',
      "subscribe a",
    ]);
    expect([...session.channels()]).toHaveLength(1);
  });

  it("ends the old channel also where the second join is denied", () => {
    const { get, session } = socket();
    get('["1","1","a","phx_join",{}]');
    expect(get('["2","2","a","phx_join",{}]', DENY)).toEqual([
      "unsubscribe a",
      '["2","2","a","phx_reply",{"response":{"reason":"unauthorized"},"status":"error"}]',
      '["1","1","a","phx_close",{}]',
    ]);
    expect([...session.channels()]).toHaveLength(0);
  });

  it("answers an event on a channel that is not joined with unmatched topic", () => {
    const { get } = socket();
    expect(get('["1","2","a","shout",{}]')).toEqual([
      '[null,"2","a","phx_reply",{"response":{"reason":"unmatched topic"},"status":"error"}]',
    ]);
  });

  it.each(['"1"', '"stale"', "null"])(
    "ends a joined channel that gets an event, whatever its join_ref (%s)",
    (joinRef) => {
      const { get, session } = socket();
      get('["1","1","a","phx_join",{}]');
      get('["2","2","b","phx_join",{}]');
      expect(get(`[${joinRef},"3","a","msg",{}]`)).toEqual([
        "unsubscribe a",
        '["1","1","a","phx_error",{}]',
      ]);
      expect([...session.channels()]).toHaveLength(1);
    },
  );

  it.each(["", "nonsense", "[]", "{}", '["1","1","a","phx_join"]'])(
    "closes with 1011 on %j",
    (text) => {
      expect(socket().get(text)).toEqual(["close 1011 "]);
    },
  );

  it("refuses one channel more than the limit, and a name longer than its limit", () => {
    const { get } = socket();
    for (const topic of ["a", "b", "c"]) get(`["1","1","${topic}","phx_join",{}]`);
    expect(get('["1","1","d","phx_join",{}]')[0]).toContain("must not join more than 3 channels");
    // A second join of a channel is no further one.
    expect(get('["2","2","a","phx_join",{}]').at(-1)).toBe("subscribe a");
    get('["1","1","c","phx_leave",{}]');
    expect(get(`["1","1","${"x".repeat(16)}","phx_join",{}]`).at(-1)).toContain("subscribe");
    get(`["1","1","${"x".repeat(16)}","phx_leave",{}]`);
    expect(get(`["1","1","${"x".repeat(17)}","phx_join",{}]`)[0]).toContain(
      "must not be longer than 16 bytes",
    );
    expect(get('["1","1","\\ud800","phx_join",{}]')[0]).toContain("must be well-formed Unicode");
  });
});

describe("a session while a join is undecided", () => {
  function undecided(): { session: Session; join: PendingJoin } {
    const session = new Session({ codec: codecV2, limits: LIMITS });
    const [effect] = session.receiveText('["1","1","a","phx_join",{}]');
    if (effect?.kind !== "authorize") throw new Error("the policy was not asked");
    return { session, join: effect.join };
  }

  it("answers for other channels, and keeps what comes for this one in order", () => {
    const { session, join } = undecided();
    expect(session.receiveText('["1","2","a","phx_leave",{}]')).toEqual([]);
    expect(session.receiveText('["3","3","a","phx_join",{}]')).toEqual([]);
    expect(session.receiveText('[null,"4","phoenix","heartbeat",{}]')).toHaveLength(1);
    const effects = session.decide(join, ALLOW);
    expect(effects.map(inWords)).toEqual([
      `["1","1","a",${OK}`,
      "subscribe a",
      "unsubscribe a",
      `["1","2","a",${OK}`,
      '["1","1","a","phx_close",{}]',
      "authorize a",
    ]);
  });

  it("takes each decision once", () => {
    const { session, join } = undecided();
    expect(session.decide(join, ALLOW)).not.toEqual([]);
    expect(session.decide(join, ALLOW)).toEqual([]);
    expect([...session.channels()]).toHaveLength(1);
  });

  it("counts undecided joins towards the limit of channels", () => {
    const { session } = undecided();
    session.receiveText('["1","1","b","phx_join",{}]');
    session.receiveText('["1","1","c","phx_join",{}]');
    expect(session.receiveText('["1","1","d","phx_join",{}]').map(inWords)[0]).toContain(
      "3 channels",
    );
  });

  it("closes with 1008 where more frames wait than its limit", () => {
    const { session } = undecided();
    for (let frame = 0; frame < WAITING_FRAMES_MAX; frame++) {
      expect(session.receiveText('["1","2","a","phx_leave",{}]')).toEqual([]);
    }
    expect(session.receiveText('["1","2","a","phx_leave",{}]').map(inWords)[0]).toMatch(
      /^close 1008 /,
    );
  });
});

describe("a session (serializer 1.0.0)", () => {
  it("joins, leaves and closes without join_ref", () => {
    const { get } = socket(ALLOW, codecV1);
    expect(get('{"topic":"a","event":"phx_join","payload":{},"ref":"1"}')).toEqual([
      '{"event":"phx_reply","payload":{"response":{},"status":"ok"},"ref":"1","topic":"a"}',
      "subscribe a",
    ]);
    expect(get('{"topic":"a","event":"phx_leave","payload":{},"ref":"2"}')).toEqual([
      "unsubscribe a",
      '{"event":"phx_reply","payload":{"response":{},"status":"ok"},"ref":"2","topic":"a"}',
      '{"event":"phx_close","payload":{},"ref":null,"topic":"a"}',
    ]);
  });
});
