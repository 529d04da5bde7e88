import { afterEach, describe, expect, it } from "vitest";
import { createHexpush, type Hexpush, type HexpushOptions } from "../../../src/index.js";
import { RawClient, type SerializerVersion } from "../../support/raw-client.js";
import { socketUrl } from "../../support/server.js";

const running: Hexpush[] = [];

afterEach(async () => {
  await Promise.all(running.splice(0).map((hexpush) => hexpush.stop(0)));
});

async function start(options: HexpushOptions = {}) {
  const hexpush = createHexpush({ port: 0, logLevel: "silent", ...options });
  running.push(hexpush);
  const { url } = await hexpush.start();
  const connect = (version: SerializerVersion = "2.0.0") =>
    RawClient.connect(socketUrl(url), version);
  return { hexpush, url, connect };
}

interface JoinReply {
  readonly id?: string;
  readonly recovered?: boolean;
}

/** Joins and says where from; the reply's response. */
async function join(client: RawClient, channel: string, lastEventId?: unknown): Promise<JoinReply> {
  const params = lastEventId === undefined ? {} : { last_event_id: lastEventId };
  const ref = client.send(channel, "phx_join", params);
  const reply = await client.frames.next((frame) => frame.ref === ref);
  return (reply.payload as { response: JoinReply }).response;
}

interface Got {
  readonly data: unknown;
  readonly id: string;
}

async function next(client: RawClient): Promise<Got> {
  return (await client.frames.next(({ event }) => event === "msg")).payload as Got;
}

describe.each<SerializerVersion>(["1.0.0", "2.0.0"])("a join with last_event_id, %s", (version) => {
  it("gets what was missed, in order, and then what comes live", async () => {
    const { hexpush, connect } = await start();
    const before = await connect(version);
    const { id } = await join(before, "a");
    await before.end();
    for (const data of [1, 2, 3]) await hexpush.push("a", "e", data);
    await hexpush.push("b", "e", "of another channel");

    const client = await connect(version);
    expect(await join(client, "a", id)).toEqual({
      id: expect.stringMatching(/^\w+-3$/),
      recovered: true,
    });
    await hexpush.push("a", "e", 4);
    const got = [await next(client), await next(client), await next(client), await next(client)];
    expect(got.map(({ data }) => data)).toEqual([1, 2, 3, 4]);
    await client.roundTrip();
    expect(client.frames.items).toEqual([]);

    const again = await connect(version);
    expect(await join(again, "a", got[1]?.id)).toMatchObject({ recovered: true });
    expect([(await next(again)).data, (await next(again)).data]).toEqual([3, 4]);
  });

  it("is told where it cannot get all of it, and gets what comes live", async () => {
    const { hexpush, connect } = await start({ historySize: 2 });
    const client = await connect(version);
    const { id } = await join(client, "a");
    for (const data of [1, 2, 3]) await hexpush.push("a", "e", data);
    for (const lost of [id, "other-1", "nonsense", "", 7, { deep: [] }]) {
      const late = await connect(version);
      expect(await join(late, "a", lost)).toMatchObject({ recovered: false });
      await hexpush.push("a", "e", "live");
      expect((await next(late)).data).toBe("live");
      await late.end();
    }
  });
});

describe("resuming", () => {
  it("counts null as no id, as of a client that has none yet", async () => {
    const { connect } = await start();
    expect(await join(await connect(), "a", null)).toEqual({ id: expect.any(String) });
  });

  it("says recovered: false on a channel that keeps no history", async () => {
    const { connect } = await start({ historySize: 0 });
    const client = await connect();
    expect(await join(client, "a")).toEqual({});
    expect(await join(client, "b", "x-1")).toEqual({ recovered: false });
  });

  it("leaves a policy's own response beside it", async () => {
    const { Json } = await import("../../../src/index.js");
    const allow = () => ({ allow: true }) as const;
    const { connect } = await start({
      policy: {
        authorizePush: allow,
        authorizeConnect: allow,
        authorizeJoin: ({ channel }) => ({
          allow: true,
          response: channel === "list" ? Json.of([1]) : Json.of({ role: "member", id: "mine" }),
        }),
      },
    });
    const client = await connect();
    expect(await join(client, "a")).toEqual({ role: "member", id: expect.stringMatching(/-0$/) });
    expect(await join(client, "list")).toEqual([1]);
  });

  it("is not resumed over a restart of the memory broker, which is a new epoch", async () => {
    const { hexpush, connect } = await start();
    const { id } = await join(await connect(), "a");
    await hexpush.stop(0);
    const { url } = await hexpush.start();
    const client = await RawClient.connect(socketUrl(url), "2.0.0");
    expect(await join(client, "a", id)).toMatchObject({ recovered: false });
  });

  it("hands over more than the send buffer holds, as fast as the client takes it", async () => {
    const { hexpush, connect } = await start({ sendBufferLimit: 65_536, historySize: 1_000 });
    const { id } = await join(await connect(), "a");
    const text = "x".repeat(20_000);
    for (let data = 0; data < 500; data++) await hexpush.push("a", "e", { data, text });
    const client = await connect();
    const other = await connect();
    await join(other, "b");
    expect(await join(client, "a", id)).toMatchObject({ recovered: true });
    // While the one catches up, the other is served, and what comes meanwhile comes in its place.
    await hexpush.push(["b", "a"], "e", { data: 500 });
    expect((await next(other)).data).toEqual({ data: 500 });
    for (let data = 0; data <= 500; data++) {
      expect((await next(client)).data).toMatchObject({ data });
    }
  });

  it("ends with the leave: nothing comes behind the close of the channel", async () => {
    const { hexpush, connect } = await start({ historySize: 3_000 });
    const { id } = await join(await connect(), "a");
    for (let data = 0; data < 2_000; data++) await hexpush.push("a", "e", data);
    const client = await connect();
    // The server reads both before it has replayed everything: it yields after some hundreds.
    client.sendText(`["1","1","a","phx_join",{"last_event_id":"${id}"}]`);
    client.sendText('["1","2","a","phx_leave",{}]');
    await client.frames.next(({ event }) => event === "phx_close");
    const before = (await client.frames.take(client.frames.items.length)).length;
    expect(before).toBeLessThan(2_000);
    await hexpush.push("a", "e", "live");
    await client.roundTrip();
    expect(client.frames.items).toEqual([]);
    expect(hexpush.channel("a").subscribers).toBe(1);
  });
});
