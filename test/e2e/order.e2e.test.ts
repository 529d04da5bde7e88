import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { awkwardName, blank, channelName, jsonText, name } from "../support/arbitraries.js";
import { exactMember, exactText, withBlanks } from "../support/exact-json.js";
import { anId, expectRising } from "../support/message-ids.js";
import { CLIENT_KINDS, nodeClient, type Received } from "../support/phoenix-client.js";
import { Publisher } from "../support/publisher.js";
import { type Frame, RawClient, type SerializerVersion } from "../support/raw-client.js";
import { startServer, type TestServer } from "../support/server.js";
import { newChannel } from "./client-rules.js";

const PUSHES = 1000;
const VERSIONS: readonly SerializerVersion[] = ["1.0.0", "2.0.0"];

let server: TestServer;

beforeAll(async () => {
  server = await startServer();
});

afterAll(async () => {
  await server?.kill();
});

function newPublisher(): Publisher {
  const publisher = new Publisher(server.url);
  onTestFinished(() => publisher.close());
  return publisher;
}

async function newRawClient(version: SerializerVersion, channels: readonly string[] = []) {
  const client = await RawClient.connect(server.wsUrl, version);
  onTestFinished(() => client.close());
  await client.join(...channels);
  return client;
}

/** Two clients without a library in each serializer, joined to the channels. */
async function rawSubscribers(channels: readonly string[]) {
  const versions = [...VERSIONS, ...VERSIONS];
  return Promise.all(versions.map((version) => newRawClient(version, channels)));
}

/** One client of each library, joined to the channels. */
async function librarySubscribers(channels: readonly string[]) {
  return Promise.all(
    CLIENT_KINDS.map(async (kind) => {
      const client = await nodeClient(kind, { url: server.wsUrl });
      onTestFinished(() => client.disconnect());
      await client.connect();
      for (const channel of channels) await client.join(channel);
      return client;
    }),
  );
}

function received({ topic, payload }: Frame): Received {
  return { channel: topic, ...(payload as Omit<Received, "channel">) };
}

/** What a subscriber received, by channel, in the order in which it came. */
function byChannel(messages: readonly Received[]): Record<string, unknown[]> {
  const channels: Record<string, unknown[]> = {};
  for (const { channel, data } of messages) {
    channels[channel] ??= [];
    channels[channel].push(data);
  }
  return channels;
}

/** The ids of what a subscriber received, by channel, which must rise there. */
function idsByChannel(messages: readonly Received[]): Record<string, unknown[]> {
  const channels: Record<string, string[]> = {};
  for (const { channel, id = "none" } of messages) {
    channels[channel] ??= [];
    channels[channel].push(id);
  }
  for (const ids of Object.values(channels)) expectRising(ids);
  return channels;
}

describe(`${PUSHES} pushes in a row`, () => {
  it("arrive in order at each subscriber of each channel", async () => {
    const [a, b, c] = [newChannel("a"), newChannel("b"), newChannel("c")];
    const routes = [[a], [b, a], [c], [c, b, a]];
    const raw = await rawSubscribers([a, b, c]);
    const libraries = await librarySubscribers([a, b, c]);

    const publisher = newPublisher();
    const pushed: Received[] = [];
    for (let n = 0; n < PUSHES; n++) {
      const channels = routes[n % routes.length] as string[];
      pushed.push(...channels.map((channel) => ({ channel, event: "e", data: n })));
      await publisher.push(channels, "e", n);
    }

    const rawFrames = await Promise.all(
      raw.map(async ({ frames }) => (await frames.take(pushed.length)).map(received)),
    );
    const libraryFrames = await Promise.all(
      libraries.map(({ frames }) => frames.take(pushed.length)),
    );
    const all = [...rawFrames, ...libraryFrames];
    const ids = idsByChannel(all[0] ?? []);
    for (const frames of all) {
      expect(byChannel(frames)).toEqual(byChannel(pushed));
      // With one publisher that waits for each answer, that is the order of the whole socket.
      expect(frames).toEqual(pushed.map((message) => ({ ...message, id: anId })));
      expect(idsByChannel(frames)).toEqual(ids);
    }
    for (const { messages } of libraries) expect(messages.items).toEqual(pushed);
  });

  it("by 4 publishers at a time arrive in one order, which keeps each publisher's own", async () => {
    const [a, b] = [newChannel("a"), newChannel("b")];
    const raw = await rawSubscribers([a, b]);
    const libraries = await librarySubscribers([a, b]);
    const each = PUSHES / 4;

    await Promise.all(
      ["w", "x", "y", "z"].map(async (who) => {
        const publisher = newPublisher();
        for (let n = 0; n < each; n++) await publisher.push([a, b], "e", { who, n });
      }),
    );

    const total = 2 * PUSHES;
    const all = await Promise.all([
      ...raw.map(async ({ frames }) => (await frames.take(total)).map(received)),
      ...libraries.map(({ frames }) => frames.take(total)),
    ]);
    const ids = idsByChannel(all[0] ?? []);
    for (const frames of all) expect(idsByChannel(frames)).toEqual(ids);
    for (const { messages } of libraries) expect(messages.items).toHaveLength(total);
    const orders = all.map(byChannel);
    const order = orders[0] as Record<string, { who: string; n: number }[]>;
    for (const other of orders) expect(other).toEqual(order);
    for (const channel of [a, b]) {
      for (const who of ["w", "x", "y", "z"]) {
        const own = order[channel]?.filter((data) => data.who === who).map(({ n }) => n);
        expect(own).toEqual(Array.from({ length: each }, (_, n) => n));
      }
    }
  });
});

describe.each(VERSIONS)("in serializer %s", (version) => {
  it("nothing arrives after leave, and all before it and on other channels", async () => {
    const [left, stays] = [newChannel("left"), newChannel("stays")];
    const client = await newRawClient(version, [left, stays]);
    const witness = await newRawClient(version, [left]);
    const pushes = 400;

    const publisher = newPublisher();
    const pushing = (async () => {
      for (let n = 0; n < pushes; n++) await publisher.push([left, stays], "e", n);
    })();
    // In the midst of the pushes, so that the leave meets some on their way.
    await client.frames.seen(({ topic, payload }) => topic === left && has(payload, 100));
    const leave = client.startLeave(left);
    await pushing;
    await client.frames.seen(({ topic, payload }) => topic === stays && has(payload, pushes - 1));

    const frames = client.frames.items;
    const ended = frames.findIndex(({ ref }) => ref === leave);
    expect(frames[ended]).toMatchObject({ event: "phx_reply", payload: { status: "ok" } });
    const before = byChannel(messagesOf(frames.slice(0, ended)))[left];
    const after = byChannel(messagesOf(frames.slice(ended)))[left];
    expect(after).toBeUndefined();
    expect(before).toEqual(Array.from({ length: before?.length as number }, (_, n) => n));
    expect(before?.length).toBeGreaterThan(100);
    expect(before?.length).toBeLessThan(pushes);

    const all = Array.from({ length: pushes }, (_, n) => n);
    expect(byChannel(messagesOf(frames))[stays]).toEqual(all);
    expect(byChannel((await witness.frames.take(pushes)).map(received))[left]).toEqual(all);
  });

  it("a channel joined again delivers each push once", async () => {
    const channel = newChannel();
    const client = await newRawClient(version, [channel]);
    const publisher = newPublisher();

    for (let n = 0; n < 20; n++) {
      await client.leave(channel);
      await publisher.push(channel, "e", `left ${n}`);
      await client.join(channel);
      await publisher.push(channel, "e", `joined ${n}`);
    }

    const data = (await client.frames.take(20)).map((frame) => received(frame).data);
    expect(data).toEqual(Array.from({ length: 20 }, (_, n) => `joined ${n}`));
  });

  it("a channel joined twice delivers each push once", async () => {
    const channel = newChannel();
    const client = await newRawClient(version, [channel]);
    await client.join(channel);
    await client.frames.next(({ event }) => event === "phx_close");

    await newPublisher().push(channel, "e", "once");
    await newPublisher().push(channel, "e", "next");

    const data = (await client.frames.take(2)).map((frame) => received(frame).data);
    expect(data).toEqual(["once", "next"]);
  });
});

describe("any push", () => {
  it("arrives once on each channel that it names, in the order of their first naming", async () => {
    const pool = Array.from({ length: 5 }, () => newChannel());
    const fence = newChannel("fence");
    const clients = await Promise.all(
      VERSIONS.map((version) => newRawClient(version, [...pool, fence])),
    );
    const publisher = newPublisher();
    let run = 0;

    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.constantFrom(...pool), { minLength: 1, maxLength: 12 }),
        async (channels) => {
          const unique = [...new Set(channels)];
          const { text } = await publisher.push(channels, "e", ++run);
          expect(JSON.parse(text)).toEqual({ channel: unique, data: run, event: "e" });

          await publisher.push(fence, "e", run);
          for (const { frames } of clients) {
            const topics = (await frames.takeUntil(({ topic }) => topic === fence)).map(
              ({ topic }) => topic,
            );
            expect(topics).toEqual([...unique, fence]);
          }
        },
      ),
    );
  });

  it("arrives with its data as it was sent, to the digit", async () => {
    const channel = newChannel();
    const [v1, v2] = (await Promise.all(
      VERSIONS.map((version) => newRawClient(version, [channel])),
    )) as [RawClient, RawClient];
    const publisher = newPublisher();
    let run = 0;

    await fc.assert(
      fc.asyncProperty(jsonText, fc.array(blank, { minLength: 1 }), async (json, blanks) => {
        const data = exactText(json);
        const event = `run ${++run}`;
        const body = `{"channel":"${channel}","event":"${event}","data":${json}}`;

        const answer = await publisher.post(withBlanks(body, blanks));
        expect(answer).toMatchObject({ status: 200 });
        expect(exactMember(answer.text, "data")).toBe(data);

        const ofRun = (frame: Frame) => received(frame).event === event;
        const [frame1, frame2] = [await v1.frames.next(ofRun), await v2.frames.next(ofRun)];
        expect(exactMember(frame1.text, "payload", "data")).toBe(data);
        expect(exactMember(frame2.text, 4, "data")).toBe(data);
      }),
      {
        examples: [
          "18446744073709551615",
          "-9223372036854775808",
          "0.1000000000000000055511151231257827",
          "-0",
          "-0.0",
          "1e400",
          "1E+2",
          "1.10",
          '{"__proto__":{"a":1},"constructor":null,"":0}',
          '{"b":1,"a":2,"10":3,"9":4}',
          '{"a":1,"a":2}',
          '"\\ud800 \\udc00 \\u0000 \\u007f \\u2028 \\/ é 😀"',
          `${"[".repeat(5000)}${"]".repeat(5000)}`,
          `${'{"a":'.repeat(2000)}1${"}".repeat(2000)}`,
        ].map((json): [string, string[]] => [json, ["", " ", "\n"]]),
      },
    );
  });

  it("arrives whatever the names of its channel and event are", async () => {
    const publisher = newPublisher();

    await fc.assert(
      fc.asyncProperty(channelName, fc.oneof(name(), awkwardName), async (channel, event) => {
        const clients = await Promise.all(
          VERSIONS.map((version) => RawClient.connect(server.wsUrl, version)),
        );
        for (const client of clients) await client.join(channel);
        const { text } = await publisher.push(channel, event, "data");
        expect(JSON.parse(text)).toEqual({ channel: [channel], data: "data", event });
        for (const client of clients) {
          const frame = await client.frames.next();
          expect(frame.event).toBe("msg");
          expect(received(frame)).toEqual({ channel, event, data: "data", id: anId });
        }
        for (const client of clients) {
          await client.leave(channel);
          client.close();
        }
      }),
      {
        examples: [
          ["phoenix", "heartbeat"],
          ["phx_leave", "phx_close"],
          ["*", "*"],
          ["__proto__", "__proto__"],
          ["constructor", "toString"],
          ["a/b//c", "../.."],
          [" ", "\t"],
          ["\u0000\u0001\u001f\u007f", "\r\n"],
          ['"\\', "\u2028\u2029"],
          ["\ufeff\ufffe\uffff", "\u{10ffff}"],
          ["e\u0301", "\u00e9"],
          ["é".repeat(512), "é".repeat(127)],
        ],
      },
    );
  });

  it("does not reach channels whose names are alike", async () => {
    const base = newChannel("Alike");
    const alike = [
      base,
      base.toLowerCase(),
      `${base} `,
      ` ${base}`,
      `${base}/`,
      `${base}/#`,
      `${base}/+`,
      `${base}\u0000`,
      `1${base}`,
      `2${base}`,
      base.slice(0, -1),
    ];
    const fence = newChannel("fence");
    const publisher = newPublisher();
    // A socket for each: on one that had joined two of them, either could stand in for the other.
    const receivers = await Promise.all(
      VERSIONS.flatMap((version) =>
        alike.map(async (channel) => ({
          channel,
          client: await newRawClient(version, [channel, fence]),
        })),
      ),
    );
    for (const channel of alike) await publisher.push(channel, "e", channel);
    await publisher.push(fence, "e", "end");

    for (const { channel, client } of receivers) {
      const messages = (await client.frames.takeUntil(({ topic }) => topic === fence)).map(
        received,
      );
      expect(messages).toEqual([
        { channel, event: "e", data: channel, id: anId },
        { channel: fence, event: "e", data: "end", id: anId },
      ]);
    }
  });
});

function has(payload: unknown, data: number): boolean {
  return (payload as Partial<Received> | undefined)?.data === data;
}

function messagesOf(frames: readonly Frame[]): Received[] {
  return frames.filter(({ event }) => event === "msg").map(received);
}
