import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { allowAll } from "../../src/adapters/auth/allow-all.js";
import { MemoryTransport } from "../../src/adapters/memory/transport.js";
import type { AuthPolicy, PushAuthRequest, PushDecision } from "../../src/domain/auth-policy.js";
import { Json } from "../../src/domain/json.js";
import type { Message } from "../../src/domain/message.js";
import { type InvalidPush, Push, type PushInput } from "../../src/domain/push.js";
import type { PushListener } from "../../src/domain/push-listener.js";
import {
  type AcceptedPush,
  PushService,
  type PushServiceOptions,
} from "../../src/domain/push-service.js";
import type { Transport } from "../../src/domain/transport.js";
import { channelName, jsonText, name } from "../support/arbitraries.js";

function request(input: PushInput): PushAuthRequest {
  return { method: "POST", path: "/api/push", headers: {}, remoteAddress: undefined, input };
}

function policy(decision: PushDecision | Promise<PushDecision>): AuthPolicy {
  return { ...allowAll, authorizePush: () => decision };
}

function serviceOf(
  policy: AuthPolicy,
  transports: readonly Transport[] = [],
  options: Partial<PushServiceOptions> = {},
): PushService {
  return new PushService({ policy, transports, ...options });
}

/** One socket that is joined to every channel of the input, and what it got. */
function listening(input: PushInput): { transport: MemoryTransport; got: Message[] } {
  const transport = new MemoryTransport();
  const got: Message[] = [];
  const socket = transport.connect({ onMessage: (message) => got.push(message) });
  const channels = Array.isArray(input.channel) ? input.channel : [input.channel];
  for (const channel of channels) if (typeof channel === "string") socket.join(channel);
  return { transport, got };
}

const inputs = fc.record({
  channel: fc.oneof(channelName, fc.array(channelName, { minLength: 1 })),
  event: name(),
  data: jsonText.map((text) => Json.parse(text)),
});

describe("PushService", () => {
  it("delivers exactly what it answers", async () => {
    await fc.assert(
      fc.asyncProperty(inputs, async (input) => {
        const { transport, got } = listening(input);
        const outcome = await serviceOf(allowAll, [transport]).push(request(input));
        if (outcome.kind !== "accepted") throw new Error(outcome.kind);
        const { push } = outcome;
        expect(got.map((message) => message.channel)).toEqual(push.channels);
        for (const message of got) {
          expect([message.event, message.data.text]).toEqual([push.event, push.data.text]);
        }
        expect(outcome.deliveries).toBe(got.length);
      }),
    );
  });

  it("delivers nothing of a denied push, whatever it holds", async () => {
    const denials = fc.constantFrom<PushDecision | Promise<PushDecision>>(
      { allow: false },
      { allow: false, answer: { status: 401, body: Json.null } },
      Promise.resolve({ allow: false as const }),
      // Not in the types, and still no permission.
      { allow: "yes" } as unknown as PushDecision,
      { allow: 1 } as unknown as PushDecision,
    );
    await fc.assert(
      fc.asyncProperty(inputs, denials, async (input, denial) => {
        const { transport, got } = listening(input);
        const outcome = await serviceOf(policy(denial), [transport]).push(request(input));
        expect([outcome.kind, got]).toEqual(["denied", []]);
      }),
    );
  });

  it("delivers nothing of an invalid push, not even on its valid channels", async () => {
    const { transport, got } = listening({ channel: "a" });
    const input = { channel: ["a", ""], event: "e", data: Json.null };
    const outcome = await serviceOf(allowAll, [transport]).push(request(input));
    expect([outcome.kind, got]).toEqual(["invalid", []]);
  });

  it("asks the policy before it looks at the arguments", async () => {
    const service = serviceOf(policy({ allow: false }), []);
    expect((await service.push(request({}))).kind).toBe("denied");
  });

  it("processes what the policy put in the place of the input", async () => {
    const input = { channel: "secret", event: "e", data: Json.null };
    const { transport, got } = listening(input);
    const rewritten = { ...input, channel: ["tenant:secret"] };
    const service = serviceOf(policy({ allow: true, input: rewritten }), [transport]);
    const outcome = await service.push(request(input));
    expect(outcome.kind === "accepted" && outcome.push.channels).toEqual(["tenant:secret"]);
    expect(got).toEqual([]);
  });

  it("hands each message to every transport and sums what they delivered", async () => {
    const input = { channel: ["a", "b"], event: "e", data: Json.null };
    const [first, second] = [listening(input), listening(input)];
    const service = serviceOf(allowAll, [first.transport, second.transport]);
    const outcome = await service.push(request(input));
    expect(outcome.kind === "accepted" && outcome.deliveries).toBe(4);
    expect(second.got.map((message) => message.channel)).toEqual(["a", "b"]);
  });

  it("rejects and delivers nothing where the policy throws", async () => {
    const input = { channel: "a", event: "e", data: Json.null };
    const { transport, got } = listening(input);
    const broken: AuthPolicy = {
      ...allowAll,
      authorizePush: () => {
        throw new Error("down");
      },
    };
    await expect(serviceOf(broken, [transport]).push(request(input))).rejects.toThrow("down");
    expect(got).toEqual([]);
  });

  describe("a push that is prepared", () => {
    const outcomes = fc.constantFrom<PushDecision>(
      { allow: true, by: "shop" },
      { allow: true },
      { allow: false },
    );
    const anyInput = fc.oneof(inputs, fc.constant<PushInput>({}));

    it("is delivered by accept and not before, and is told to the listener in order", async () => {
      await fc.assert(
        fc.asyncProperty(anyInput, outcomes, async (input, decision) => {
          const { transport, got } = listening(input);
          const { listener, told } = hearing();
          const options = { listener, newPushId: () => "the id" };
          const service = serviceOf(policy(decision), [transport], options);
          const asked = request(input);
          const prepared = await service.prepare(asked);
          const by = decision.allow ? decision.by : undefined;
          expect([prepared.id, got]).toEqual(["the id", []]);
          if (prepared.kind !== "ready") {
            const reason = prepared.kind === "invalid" ? prepared.error.message : undefined;
            const refused = { pushId: "the id", kind: prepared.kind, reason, by, request: asked };
            expect(told).toEqual([["pushRefused", refused]]);
            expect(service.counts()).toEqual({ pushes: 0, deliveries: 0 });
            return;
          }
          expect(told).toEqual([]);
          const { push } = prepared;
          const accepted = service.accept(prepared);
          expect(accepted).toEqual({
            ...{ kind: "accepted", id: "the id", push },
            deliveries: push.channels.length,
          });
          expect(told).toEqual([
            ["pushRequested", { pushId: "the id", push, by }],
            ...got.map((message) => [
              "messageDelivered",
              { pushId: "the id", message, subscribers: 1 },
            ]),
          ]);
          expect(service.counts()).toEqual({ pushes: 1, deliveries: push.channels.length });
        }),
      );
    });

    it("is refused by a check that the host adds, behind the limits of all pushes", async () => {
      const { listener, told } = hearing();
      const seen: string[][] = [];
      const check = ({ channels }: Push): InvalidPush | undefined => {
        seen.push([...channels]);
        const faults = [{ field: "data" as const, reason: "is too large" }];
        return { code: "invalid_push", faults, message: "data is too large" };
      };
      const service = serviceOf(allowAll, [], { listener, check });
      const good = await service.prepare(request({ channel: "a", event: "e", data: Json.null }));
      const bad = await service.prepare(request({ channel: "a" }));
      expect([good.kind, bad.kind]).toEqual(["invalid", "invalid"]);
      expect(seen).toEqual([["a"]]);
      expect(told.map(([event, { reason }]) => [event, reason])).toEqual([
        ["pushRefused", "data is too large"],
        ["pushRefused", "Invalid push arguments: data, event are required."],
      ]);
    });
  });

  it("names pushes 1, 2, 3 where it is given no names, refused ones too", async () => {
    const service = serviceOf(allowAll);
    const input = { channel: "a", event: "e", data: Json.null };
    const ids = [
      ((await service.push(request(input))) as AcceptedPush).id,
      (await service.prepare(request({}))).id,
      (await service.prepare(request(input))).id,
    ];
    const { push } = (await service.push(request(input))) as { push: Push };
    expect([...ids, ((await service.deliver(push)) as AcceptedPush).id]).toEqual([
      "1",
      "2",
      "3",
      "5",
    ]);
  });

  it("asks no policy about a push of the host's, and tells the listener of nobody", async () => {
    const input = { channel: ["a", "b"], event: "e", data: Json.null };
    const { transport, got } = listening(input);
    const { listener, told } = hearing();
    const service = serviceOf(policy({ allow: false }), [transport], { listener });
    const result = Push.of(input);
    if (!result.ok) throw new Error(result.error.message);
    expect(service.deliver(result.push)).toMatchObject({ kind: "accepted", deliveries: 2 });
    expect(got).toHaveLength(2);
    expect(told[0]).toEqual(["pushRequested", { pushId: "1", push: result.push, by: undefined }]);
  });
});

/** What a listener hears, in order. */
function hearing(): { listener: PushListener; told: [string, { reason?: unknown }][] } {
  const told: [string, { reason?: unknown }][] = [];
  const listener: PushListener = {
    pushRequested: (event) => told.push(["pushRequested", event as object]),
    pushRefused: (event) => told.push(["pushRefused", event]),
    messageDelivered: (event) => told.push(["messageDelivered", event as object]),
  };
  return { listener, told };
}
