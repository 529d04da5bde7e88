import { describe, expect, it } from "vitest";
import { allowAll } from "../../src/adapters/auth/allow-all.js";
import {
  type Broker,
  BrokerUnavailable,
  type Deliver,
  type Publication,
} from "../../src/domain/broker.js";
import { Json } from "../../src/domain/json.js";
import type { Message } from "../../src/domain/message.js";
import { Push } from "../../src/domain/push.js";
import { PushService, type PushServiceOptions } from "../../src/domain/push-service.js";
import type { Transport } from "../../src/domain/transport.js";

/** Delivers and settles when the test says so. */
class SlowBroker implements Broker {
  deliver: Deliver = () => {};
  readonly publishing: { publication: Publication; settle(): void; fail(error: Error): void }[] =
    [];

  start(deliver: Deliver): void {
    this.deliver = deliver;
  }
  stop(): void {}
  publish(publication: Publication) {
    return new Promise<{ kind: "accepted" }>((resolve, reject) => {
      const settle = () => resolve({ kind: "accepted" });
      this.publishing.push({ publication, settle, fail: reject });
    });
  }
  deliverAll(at: number): void {
    const { push, pushId } = (this.publishing[at] as { publication: Publication }).publication;
    for (const channel of push.channels) this.deliver(push.message(channel), pushId);
  }
  subscribe(): void {}
  unsubscribe(): void {}
  position() {
    return undefined;
  }
  history() {
    return { position: undefined, recovered: true, messages: [] };
  }
}

/** Reports so many sockets for each message. */
function counting(sockets: number, got: Message[] = []): Transport {
  return {
    deliver(message) {
      got.push(message);
      return sockets;
    },
    subscribers: () => sockets,
    counts: () => ({ sockets, subscriptions: sockets }),
    closeSockets: () => 0,
  };
}

function broken(onChannel: string): Transport {
  return {
    ...counting(0),
    deliver({ channel }) {
      if (channel === onChannel) throw new Error(`broken on ${channel}`);
      return 1;
    },
  };
}

function pushTo(...channel: string[]): Push {
  const made = Push.of({ channel, event: "e", data: Json.null });
  if (!made.ok) throw new Error(made.error.message);
  return made.push;
}

function begin(options: Partial<PushServiceOptions>) {
  const told: string[] = [];
  const service = new PushService({
    policy: allowAll,
    transports: [],
    listener: {
      pushRequested: ({ pushId }) => told.push(`requested ${pushId}`),
      messageDelivered: ({ pushId, message, subscribers }) =>
        told.push(`${pushId} ${message.channel} ${subscribers}`),
      pushRefused: ({ pushId, kind }) => told.push(`${kind} ${pushId}`),
    },
    ...options,
  });
  return { service, told, started: service.start() };
}

describe("PushService over a broker that answers with promises", () => {
  it("counts what its transports delivered before the broker settled", async () => {
    const broker = new SlowBroker();
    const { service, told } = begin({ broker, transports: [counting(2), counting(3)] });
    const first = service.deliver(pushTo("a", "b"));
    const second = service.deliver(pushTo("c"));
    broker.deliverAll(1);
    broker.deliverAll(0);
    for (const { settle } of broker.publishing) settle();
    expect(await first).toMatchObject({ kind: "accepted", id: "1", deliveries: 10 });
    expect(await second).toMatchObject({ kind: "accepted", id: "2", deliveries: 5 });
    expect(told).toEqual(["requested 2", "2 c 5", "requested 1", "1 a 5", "1 b 5"]);
    expect(service.counts()).toEqual({ pushes: 2, deliveries: 15 });
  });

  it("tells the listener of a push before its messages, if they come after it was settled", async () => {
    const broker = new SlowBroker();
    const { service, told } = begin({ broker, transports: [counting(2)] });
    const asked = service.deliver(pushTo("a"));
    broker.publishing[0]?.settle();
    expect(await asked).toMatchObject({ kind: "accepted", deliveries: 0 });
    expect(told).toEqual(["requested 1"]);
    broker.deliverAll(0);
    expect(told).toEqual(["requested 1", "1 a 2"]);
    expect(service.counts()).toEqual({ pushes: 1, deliveries: 2 });
  });

  it("delivers another node's messages, and traces nothing of them", () => {
    const broker = new SlowBroker();
    const { service, told } = begin({ broker, transports: [counting(2)] });
    broker.deliver(pushTo("a").message("a"), undefined);
    expect(told).toEqual([]);
    expect(service.counts()).toEqual({ pushes: 0, deliveries: 2 });
  });

  it("answers `unavailable` if the broker rejects with it, and rejects with any other error", async () => {
    const broker = new SlowBroker();
    const { service, told } = begin({ broker });
    const asked = [service.deliver(pushTo("a")), service.deliver(pushTo("a"))];
    broker.publishing[0]?.fail(new BrokerUnavailable("full"));
    broker.publishing[1]?.fail(new Error("bug"));
    expect(await asked[0]).toMatchObject({ kind: "unavailable", id: "1" });
    await expect(asked[1]).rejects.toThrow("bug");
    expect(told).toEqual(["unavailable 1"]);
  });
});

describe("a transport that throws", () => {
  it("keeps the message from no other transport or channel; the caller gets the error", () => {
    const got: Message[] = [];
    const { service } = begin({ transports: [broken("a"), counting(1, got)] });
    expect(() => service.deliver(pushTo("a", "b"))).toThrow("broken on a");
    expect(got.map(({ channel }) => channel)).toEqual(["a", "b"]);
    expect(service.counts()).toEqual({ pushes: 1, deliveries: 3 });
    expect(service.deliver(pushTo("b"))).toMatchObject({ kind: "accepted", deliveries: 2 });
  });

  it("does not reach the broker", async () => {
    const broker = new SlowBroker();
    const got: Message[] = [];
    const { service } = begin({ broker, transports: [broken("a"), counting(1, got)] });
    const asked = service.deliver(pushTo("a", "b"));
    broker.deliverAll(0);
    broker.publishing[0]?.settle();
    await expect(asked).rejects.toThrow("broken on a");
    expect(got.map(({ channel }) => channel)).toEqual(["a", "b"]);
  });

  it("is reported to the host if there is no caller to tell", async () => {
    const broker = new SlowBroker();
    const errors: unknown[] = [];
    const onDeliveryError = (error: unknown) => void errors.push(error);
    const { service } = begin({ broker, transports: [broken("a")], onDeliveryError });
    broker.deliver(pushTo("a").message("a"), undefined);
    const asked = service.deliver(pushTo("a"));
    broker.publishing[0]?.settle();
    expect(await asked).toMatchObject({ kind: "accepted" });
    broker.deliverAll(0);
    expect(errors).toEqual([new Error("broken on a"), new Error("broken on a")]);
  });
});
