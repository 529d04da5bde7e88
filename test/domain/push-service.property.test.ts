import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { allowAll } from "../../src/adapters/auth/allow-all.js";
import { MemoryTransport } from "../../src/adapters/memory/transport.js";
import type { AuthPolicy, PushAuthRequest, PushDecision } from "../../src/domain/auth-policy.js";
import { Json } from "../../src/domain/json.js";
import type { Message } from "../../src/domain/message.js";
import type { PushInput } from "../../src/domain/push.js";
import { PushService } from "../../src/domain/push-service.js";
import { channelName, jsonText, name } from "../support/arbitraries.js";

function request(input: PushInput): PushAuthRequest {
  return { method: "POST", path: "/api/push", headers: {}, remoteAddress: undefined, input };
}

function policy(decision: PushDecision | Promise<PushDecision>): AuthPolicy {
  return { ...allowAll, authorizePush: () => decision };
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
        const outcome = await new PushService(allowAll, [transport]).push(request(input));
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
        const outcome = await new PushService(policy(denial), [transport]).push(request(input));
        expect([outcome.kind, got]).toEqual(["denied", []]);
      }),
    );
  });

  it("delivers nothing of an invalid push, not even on its valid channels", async () => {
    const { transport, got } = listening({ channel: "a" });
    const input = { channel: ["a", ""], event: "e", data: Json.null };
    const outcome = await new PushService(allowAll, [transport]).push(request(input));
    expect([outcome.kind, got]).toEqual(["invalid", []]);
  });

  it("asks the policy before it looks at the arguments", async () => {
    const service = new PushService(policy({ allow: false }), []);
    expect((await service.push(request({}))).kind).toBe("denied");
  });

  it("processes what the policy put in the place of the input", async () => {
    const input = { channel: "secret", event: "e", data: Json.null };
    const { transport, got } = listening(input);
    const rewritten = { ...input, channel: ["tenant:secret"] };
    const service = new PushService(policy({ allow: true, input: rewritten }), [transport]);
    const outcome = await service.push(request(input));
    expect(outcome.kind === "accepted" && outcome.push.channels).toEqual(["tenant:secret"]);
    expect(got).toEqual([]);
  });

  it("hands each message to every transport and sums what they delivered", async () => {
    const input = { channel: ["a", "b"], event: "e", data: Json.null };
    const [first, second] = [listening(input), listening(input)];
    const service = new PushService(allowAll, [first.transport, second.transport]);
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
    await expect(new PushService(broken, [transport]).push(request(input))).rejects.toThrow("down");
    expect(got).toEqual([]);
  });
});
