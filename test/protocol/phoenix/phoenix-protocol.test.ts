import { describe, expect, it } from "vitest";
import { Subscriptions } from "../../../src/application/subscriptions/subscriptions.js";
import type { JoinDecision, MaybePromise } from "../../../src/domain/auth-policy.js";
import { Json } from "../../../src/domain/json.js";
import { closeFrame } from "../../../src/protocol/phoenix/close-codes.js";
import { codecV1 } from "../../../src/protocol/phoenix/codec-v1.js";
import { codecV2 } from "../../../src/protocol/phoenix/codec-v2.js";
import {
  PhoenixProtocol,
  WAITING_FRAMES_MAX,
} from "../../../src/protocol/phoenix/phoenix-protocol.js";
import { turn } from "../../support/manual-broker.js";
import { MemoryWriter } from "../../support/memory-writer.js";

const LIMITS = {
  channelNameBytesMax: 16,
  channelsPerSocketMax: 3,
  sendBufferBytesMax: 1_048_576,
  idleTimeoutMs: 45_000,
};
const ALLOW: JoinDecision = { allow: true };
const DENY: JoinDecision = { allow: false };

/**
 * A socket over real subscriptions, with an in-memory writer. What comes of a frame is told in words:
 * frames as they are sent, and changes of the node's interest in a channel.
 */
function socket(decision: MaybePromise<JoinDecision> = ALLOW, codec = codecV2) {
  const seen: string[] = [];
  let decided = decision;
  const subscriptions = new Subscriptions({
    policy: { authorizeJoin: () => decided },
    limits: LIMITS,
    now: () => 0,
    log: { info: () => {}, warn: () => {} },
    listener: {
      channelJoined: ({ channel }) => seen.push(`joined ${channel}`),
      channelLeft: ({ channel }) => seen.push(`left ${channel}`),
    },
  });
  const protocol = new PhoenixProtocol(codec, subscriptions);
  const writer = new MemoryWriter(protocol, subscriptions);
  const handle = writer.open();
  handle.frames.push = (...frames) => seen.push(...frames);
  const take = (): string[] => {
    const taken = seen.splice(0);
    if (handle.closed === undefined) return taken;
    const { code, text } = closeFrame(handle.closed);
    return [...taken, `close ${code} ${text}`];
  };
  return {
    joined: () => handle.socket.channels(),
    /** A frame arrives; what the client gets in this turn. */
    get: (text: string, now: MaybePromise<JoinDecision> = decision): string[] => {
      decided = now;
      protocol.receiveText(handle.socket, text);
      return take();
    },
    take,
  };
}

const OK = '"phx_reply",{"response":{},"status":"ok"}]';

describe("PhoenixProtocol (serializer 2.0.0)", () => {
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
      "joined a",
    ]);
  });

  it("joins any name, also an empty one, a star and phoenix", () => {
    const { get } = socket();
    for (const topic of ["", "*", "phoenix"]) {
      expect(get(`["1","1","${topic}","phx_join",{}]`).at(-1)).toBe(`joined ${topic}`);
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
      "left a",
      `["1","2","a",${OK}`,
      '["1","1","a","phx_close",{}]',
    ]);
    expect(get('["1","3","a","phx_leave",{}]')).toEqual([`["1","3","a",${OK}`]);
  });

  it("ignores a leave of another join", () => {
    const { get, joined } = socket();
    get('["1","1","a","phx_join",{}]');
    expect(get('["2","2","a","phx_leave",{}]')).toEqual([]);
    expect(get('[null,"2","a","phx_leave",{}]')).toEqual([]);
    expect(get('[1,"2","a","phx_leave",{}]')).toEqual([]);
    expect(joined()).toHaveLength(1);
  });

  it("leaves by a null join_ref where the join had none either", () => {
    const { get } = socket();
    get('[null,"1","a","phx_join",{}]');
    expect(get('[null,"2","a","phx_leave",{}]')).toEqual([
      "left a",
      `[null,"2","a",${OK}`,
      '[null,null,"a","phx_close",{}]',
    ]);
  });

  it("replaces a join by a second one: the new reply first, then the old channel's close", () => {
    const { get, joined } = socket();
    get('["1","1","a","phx_join",{}]');
    expect(get('["2","2","a","phx_join",{}]')).toEqual([
      "left a",
      `["2","2","a",${OK}`,
      '["1","1","a","phx_close",{}]',
      "joined a",
    ]);
    expect(joined()).toHaveLength(1);
  });

  it("ends the old channel also where the second join is denied", () => {
    const { get, joined } = socket();
    get('["1","1","a","phx_join",{}]');
    expect(get('["2","2","a","phx_join",{}]', DENY)).toEqual([
      "left a",
      '["2","2","a","phx_reply",{"response":{"reason":"unauthorized"},"status":"error"}]',
      '["1","1","a","phx_close",{}]',
    ]);
    expect(joined()).toHaveLength(0);
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
      const { get, joined } = socket();
      get('["1","1","a","phx_join",{}]');
      get('["2","2","b","phx_join",{}]');
      expect(get(`[${joinRef},"3","a","msg",{}]`)).toEqual([
        "left a",
        '["1","1","a","phx_error",{}]',
      ]);
      expect(joined()).toHaveLength(1);
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
    expect(get('["2","2","a","phx_join",{}]').at(-1)).toBe("joined a");
    get('["1","1","c","phx_leave",{}]');
    expect(get(`["1","1","${"x".repeat(16)}","phx_join",{}]`).at(-1)).toContain("joined");
    get(`["1","1","${"x".repeat(16)}","phx_leave",{}]`);
    expect(get(`["1","1","${"x".repeat(17)}","phx_join",{}]`)[0]).toContain(
      "must not be longer than 16 bytes",
    );
    expect(get('["1","1","\\ud800","phx_join",{}]')[0]).toContain("must be well-formed Unicode");
  });
});

describe("PhoenixProtocol while a join is undecided", () => {
  function undecided() {
    let resolve = (_decision: JoinDecision): void => {};
    const promise = new Promise<JoinDecision>((settle) => {
      resolve = settle;
    });
    const { get, joined, take } = socket();
    expect(get('["1","1","a","phx_join",{}]', promise)).toEqual([]);
    const decide = async (decision: JoinDecision): Promise<string[]> => {
      resolve(decision);
      await turn();
      return take();
    };
    return { get, joined, take, decide };
  }

  it("answers for other channels, and keeps what comes for this one in order", async () => {
    const { get, decide, joined } = undecided();
    expect(get('["1","2","a","phx_leave",{}]')).toEqual([]);
    expect(get('["3","3","a","phx_join",{}]')).toEqual([]);
    expect(get('[null,"4","phoenix","heartbeat",{}]')).toHaveLength(1);
    expect(await decide(ALLOW)).toEqual([
      `["1","1","a",${OK}`,
      "joined a",
      "left a",
      `["1","2","a",${OK}`,
      '["1","1","a","phx_close",{}]',
      `["3","3","a",${OK}`,
      "joined a",
    ]);
    expect(joined()).toEqual(["a"]);
  });

  it("keeps what comes in order where the join is denied, too", async () => {
    const { get, decide, joined } = undecided();
    expect(get('["1","2","a","shout",{}]')).toEqual([]);
    expect(get('["3","3","a","phx_join",{}]')).toEqual([]);
    expect(await decide(DENY)).toEqual([
      '["1","1","a","phx_reply",{"response":{"reason":"unauthorized"},"status":"error"}]',
      '[null,"2","a","phx_reply",{"response":{"reason":"unmatched topic"},"status":"error"}]',
      `["3","3","a",${OK}`,
      "joined a",
    ]);
    expect(joined()).toEqual(["a"]);
  });

  it("is not joined before the decision, and says nothing once it is closed", async () => {
    const { get, decide, joined } = undecided();
    expect(joined()).toEqual([]);
    expect(get("nonsense")).toEqual(["close 1011 "]);
    expect(await decide(ALLOW)).toEqual(["close 1011 "]);
    expect(joined()).toEqual([]);
  });

  it("counts undecided joins towards the limit of channels", () => {
    const { get } = undecided();
    get('["1","1","b","phx_join",{}]');
    get('["1","1","c","phx_join",{}]');
    expect(get('["1","1","d","phx_join",{}]')[0]).toContain("3 channels");
  });

  it("closes with 1008 if more frames wait than its limit, over all channels", () => {
    const { get } = undecided();
    const never = new Promise<JoinDecision>(() => {});
    expect(get('["1","1","b","phx_join",{}]', never)).toEqual([]);
    for (let frame = 0; frame < WAITING_FRAMES_MAX; frame++) {
      expect(get(`["1","2","${frame % 2 === 0 ? "a" : "b"}","phx_leave",{}]`)).toEqual([]);
    }
    expect(get('["1","2","a","phx_leave",{}]')[0]).toMatch(/^close 1008 /);
  });
});

describe("PhoenixProtocol (serializer 1.0.0)", () => {
  it("joins, leaves and closes without join_ref", () => {
    const { get } = socket(ALLOW, codecV1);
    expect(get('{"topic":"a","event":"phx_join","payload":{},"ref":"1"}')).toEqual([
      '{"event":"phx_reply","payload":{"response":{},"status":"ok"},"ref":"1","topic":"a"}',
      "joined a",
    ]);
    expect(get('{"topic":"a","event":"phx_leave","payload":{},"ref":"2"}')).toEqual([
      "left a",
      '{"event":"phx_reply","payload":{"response":{},"status":"ok"},"ref":"2","topic":"a"}',
      '{"event":"phx_close","payload":{},"ref":null,"topic":"a"}',
    ]);
  });
});
