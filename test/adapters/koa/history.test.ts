import { afterEach, describe, expect, it } from "vitest";
import { expectError } from "./errors-in-json.js";
import { ask, HOSTS, push, type RunningHost } from "./hosts.js";

describe.each(HOSTS)("GET /api/channels/:channel/history on %s", (_name, start) => {
  let host: RunningHost;
  afterEach(() => host.stop());

  const read = async (path: string) => {
    const answer = await ask(host.port, { path });
    expect(answer.status).toBe(200);
    return JSON.parse(answer.text) as {
      id: string;
      recovered: boolean;
      messages: { id: string; event: string; data: unknown }[];
    };
  };
  const pushTo = (channel: string | string[], data: unknown) =>
    push(host.port, { channel, event: "e", data });

  it("shows what the channel keeps, the oldest first, with every digit", async () => {
    host = await start();
    await push(
      host.port,
      '{"channel":"a b/c","event":"e","data":{"n":12345678901234567890,"x":1.10}}',
    );
    const answer = await ask(host.port, { path: "/api/channels/a%20b%2Fc/history" });
    expect(answer.text).toMatch(
      /^\{"channel":"a b\/c","id":"\w+-1","recovered":true,"messages":\[\{"id":"\w+-1","event":"e","data":\{"n":12345678901234567890,"x":1\.10\}\}\]\}$/,
    );
  });

  it("shows what came since an id, page by page", async () => {
    host = await start();
    for (const data of [1, 2, 3]) await pushTo("a", data);
    await pushTo("b", 4);
    const { messages } = await read("/api/channels/a/history?limit=2");
    expect(messages.map(({ data }) => data)).toEqual([1, 2]);
    const rest = await read(`/api/channels/a/history?since=${messages.at(-1)?.id}`);
    expect(rest.messages.map(({ data }) => data)).toEqual([3]);
    expect((await read(`/api/channels/a/history?since=${rest.id}`)).messages).toEqual([]);
  });

  it("says where something is missing", async () => {
    host = await start({ historySize: 2 });
    for (const data of [1, 2, 3, 4]) await pushTo("a", data);
    const { id, messages } = await read("/api/channels/a/history");
    expect(messages.map(({ data }) => data)).toEqual([3, 4]);
    const epoch = id.split("-")[0];
    expect(await read(`/api/channels/a/history?since=${epoch}-1`)).toMatchObject({
      recovered: false,
      messages: [],
    });
    expect(await read("/api/channels/a/history?since=nonsense")).toMatchObject({
      recovered: false,
    });
  });

  it("has nothing of a channel that keeps none, by its rule", async () => {
    host = await start({ channels: [{ pattern: "live:*", history: { size: 0, ttl: 0 } }] });
    await pushTo(["live:1", "a"], 1);
    const answer = await ask(host.port, { path: "/api/channels/live:1/history" });
    expect(answer.text).toBe('{"channel":"live:1","recovered":true,"messages":[]}');
    expect((await read("/api/channels/a/history")).messages).toHaveLength(1);
    expect(host.delivered.map(({ id }) => typeof id)).toEqual(["undefined", "string"]);
  });

  it("needs the right to read, and shows the newest id beside the channel's subscribers", async () => {
    host = await start({
      apiKeys: [
        "pushes",
        { key: "key", scopes: ["read"] },
        { key: "limited", channels: ["b"], scopes: ["read"] },
      ],
    });
    const get = (path: string, key?: string) =>
      ask(host.port, {
        path,
        headers: key === undefined ? {} : { authorization: `Bearer ${key}` },
      });
    expect((await get("/api/channels/a/history")).status).toBe(403);
    expect((await get("/api/channels/a/history", "pushes")).status).toBe(403);
    expect((await get("/api/channels/a/history", "limited")).status).toBe(403);
    expect((await get("/api/channels/b/history", "limited")).status).toBe(200);
    const detail = JSON.parse((await get("/api/channels/a", "key")).text);
    expect(detail).toEqual({
      channel: "a",
      subscribers: 0,
      id: expect.stringMatching(/^\w+-0$/),
      presence: [],
    });
    const wrong = await get("/api/channels/a/history?limit=0", "key");
    expect([wrong.status, expectError(wrong)]).toEqual([422, expect.stringContaining("limit")]);
  });
});
