import fc from "fast-check";
import { expect, it } from "vitest";
import { joined, listen, message, recovered, type Told, useRig } from "./rig.js";

const rig = useRig();

it("after a cut, what was missed comes first, then what is new", async () => {
  const client = rig.client();
  const told = listen(client, "news");
  await client.connect();
  expect(await told.next()).toEqual(joined);
  rig.server.push("news", "e", 1);
  expect(await told.next()).toEqual(message(1));

  rig.server.cut();
  rig.server.push("news", "e", 2);
  rig.server.push("news", "e", 3);
  await rig.server.joins.next(({ payload }) => payload.last_event_id === "p1");
  rig.server.push("news", "e", 4);

  expect(await told.take(5)).toEqual([joined, recovered(true), message(2), message(3), message(4)]);
});

it("a channel that was silent goes on from where its join was", async () => {
  const client = rig.client();
  rig.server.push("news", "e", "before");
  const told = listen(client, "news");
  await client.connect();
  await told.next();

  rig.server.cut();
  rig.server.push("news", "e", "missed");

  expect(await told.take(3)).toEqual([joined, recovered(true), message("missed")]);
});

it("a cut before the missed messages have come loses none of them", async () => {
  const client = rig.client();
  const told = listen(client, "news");
  await client.connect();
  await told.next();
  rig.server.endsBehindReplies = 1;
  rig.server.cut();
  rig.server.push("news", "e", "missed");

  expect(await told.take(5)).toEqual([
    joined,
    recovered(true),
    joined,
    recovered(true),
    message("missed"),
  ]);
});

it("what history has dropped is told as not recovered", async () => {
  const client = rig.client();
  rig.server.historyLength = 2;
  const told = listen(client, "news");
  await client.connect();
  await told.next();

  rig.server.cut();
  for (const n of [1, 2, 3]) rig.server.push("news", "e", n);
  await rig.server.joins.next(({ payload }) => payload.last_event_id === "p0");
  rig.server.push("news", "e", 4);

  expect(await told.take(3)).toEqual([joined, recovered(false), message(4)]);
});

it("a channel without history is told as not recovered after each break", async () => {
  const client = rig.client();
  const told = listen(client, "plain");
  await client.connect();
  await told.next();
  rig.server.cut();

  expect(await told.take(2)).toEqual([joined, recovered(false)]);
});

it("a subscription can start behind a message that the page was rendered with", async () => {
  const client = rig.client();
  for (const n of [1, 2, 3]) rig.server.push("news", "e", n);
  const told = listen(client, "news", { lastEventId: "p1" });
  await client.connect();

  expect(await told.take(4)).toEqual([joined, recovered(true), message(2), message(3)]);
});

it("disconnect keeps the place for the next connect", async () => {
  const client = rig.client();
  const told = listen(client, "news");
  await client.connect();
  await told.next();
  await client.disconnect();
  expect(client.isConnected).toBe(false);
  rig.server.push("news", "e", 1);
  await client.connect();

  expect(await told.take(3)).toEqual([joined, recovered(true), message(1)]);
});

it("a subscription that is made anew starts anew", async () => {
  const client = rig.client();
  const told = listen(client, "news");
  await client.connect();
  await told.next();
  await client.unsubscribe("news");
  rig.server.push("news", "e", "while away");
  const again = listen(client, "news");
  expect(await again.next()).toEqual(joined);
  rig.server.push("news", "e", "here");

  expect(await again.next()).toEqual(message("here"));
  expect(told.items).toEqual([]);
});

it("what comes before the answer to a join belongs to an earlier one", async () => {
  rig.server.sendsStale = true;
  const client = rig.client();
  const told = listen(client, "news");
  await client.connect();
  expect(await told.next()).toEqual(joined);
  rig.server.push("news", "e", 1);
  expect(await told.next()).toEqual(message(1));
  rig.server.cut();

  expect(await told.take(2)).toEqual([joined, recovered(true)]);
  expect(told.items).toEqual([]);
});

type Step =
  | { readonly do: "push"; readonly channel: string; readonly times: number }
  | { readonly do: "cut" }
  | { readonly do: "close" }
  | { readonly do: "wait"; readonly ms: number };

const channels = ["a", "b", "plain"];
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant("push" as const),
      channel: fc.constantFrom(...channels),
      times: fc.integer({ min: 1, max: 5 }),
    }),
  },
  { weight: 1, arbitrary: fc.constant({ do: "cut" as const }) },
  { weight: 1, arbitrary: fc.constant({ do: "close" as const }) },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant("wait" as const),
      ms: fc.integer({ min: 0, max: 15 }),
    }),
  },
);

it.each([["websocket"], ["sse"]] as const)(
  "over %s, whatever is cut, each client sees each message once and in order, or is told of a gap",
  async (transport) => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { maxLength: 25 }),
        fc.constantFrom(3, 1000),
        async (steps, historyLength) => {
          const run = `${Math.random()}`;
          const nameOf = (channel: string) => `${channel}-${run}`;
          rig.server.historyLength = historyLength;
          const client = rig.client({ transports: [transport] });
          const told = channels.map((channel) => listen(client, nameOf(channel)));
          await client.connect();
          for (const inbox of told) await inbox.seen(({ kind }) => kind === "joined");

          const sent = new Map(channels.map((channel) => [channel, 0]));
          for (const one of steps) {
            if (one.do === "cut") rig.server.cut();
            else if (one.do === "close") rig.server.close(1012);
            else if (one.do === "wait") await new Promise((done) => setTimeout(done, one.ms));
            else {
              for (let n = 0; n < one.times; n++) {
                const next = (sent.get(one.channel) ?? 0) + 1;
                sent.set(one.channel, next);
                rig.server.push(nameOf(one.channel), "e", next);
              }
            }
          }
          for (const [at, channel] of channels.entries()) {
            await reachesTheEnd(told[at] as never, () =>
              rig.server.push(nameOf(channel), "e", "end"),
            );
            check(told[at]?.items ?? [], sent.get(channel) ?? 0);
          }
          await client.disconnect();
        },
      ),
      { numRuns: 12 },
    );
  },
);

/** A last message gets through in the end; on a channel without history the first may be lost. */
async function reachesTheEnd(told: ReturnType<typeof listen>, push: () => void): Promise<void> {
  for (;;) {
    push();
    const end = told.seen((of) => of.kind === "message" && of.data === "end").then(() => true);
    const late = new Promise<boolean>((done) => setTimeout(done, 60, false));
    if (await Promise.race([end, late])) return;
  }
}

/** Strictly ascending without a hole, except right behind a `recovered: false`. */
function check(told: readonly Told[], sent: number): void {
  let last = 0;
  let mayJump = false;
  let ended = false;
  for (const one of told) {
    if (one.kind === "recovered" && !one.recovered) mayJump = true;
    if (one.kind !== "message") continue;
    const n = one.data === "end" ? sent + 1 : (one.data as number);
    if (one.data === "end" && ended) continue;
    ended ||= one.data === "end";
    expect(n, JSON.stringify(told)).toBeGreaterThan(last);
    if (!mayJump) expect(n, JSON.stringify(told)).toBe(last + 1);
    mayJump = false;
    last = n;
  }
}
