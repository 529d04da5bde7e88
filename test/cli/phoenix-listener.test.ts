import { expect, it, onTestFinished } from "vitest";
import { PhoenixListener } from "../../src/cli/phoenix-listener.js";
import { Inbox } from "../support/inbox.js";
import { type PhoenixFrame, reply, socketServer } from "./program.js";

function listen(
  address: string,
  options: { heartbeatMs?: number; backoff?: (tries: number) => number } = {},
) {
  const notices = new Inbox<string>("notices");
  const listener = new PhoenixListener({
    url: `${address.replace("http", "ws")}/push_socket/websocket?vsn=2.0.0`,
    token: "a.b-_c",
    channels: ["news"],
    backoff: () => 1,
    ...options,
    onMessage: () => {},
    onNotice: (line) => notices.push(line),
  });
  const over = listener.run();
  onTestFinished(async () => {
    listener.stop();
    await over;
  });
  return notices;
}

it("sends the token beside the URL, as phoenix.js does", async () => {
  const requests = new Inbox<{ url: string | undefined; protocols: string | undefined }>(
    "requests",
  );
  const address = await socketServer(
    () => {},
    ({ url, headers }) => requests.push({ url, protocols: headers["sec-websocket-protocol"] }),
  );
  listen(address);
  expect(await requests.next()).toEqual({
    url: "/push_socket/websocket?vsn=2.0.0",
    protocols: `phoenix,base64url.bearer.phx.${btoa("a.b-_c")}`,
  });
});

it("sends heartbeats, and stays as long as they are answered", async () => {
  const beats = new Inbox<PhoenixFrame>("heartbeats");
  const address = await socketServer((frame, socket) => {
    reply(socket, frame);
    if (frame[3] === "heartbeat") beats.push(frame);
  });
  const notices = listen(address, { heartbeatMs: 300 });
  const [first, second] = await beats.take(2);
  expect(first).toEqual([null, "2", "phoenix", "heartbeat", {}]);
  expect(second?.[1]).toBe("3");
  expect(notices.items).toEqual(["joined news"]);
});

it("connects again where a heartbeat is not answered", async () => {
  const address = await socketServer((frame, socket) => {
    if (frame[3] === "phx_join") reply(socket, frame);
  });
  const notices = listen(address, { heartbeatMs: 100 });
  expect(await notices.take(3)).toEqual([
    "joined news",
    "connection lost (no answer to a heartbeat); connecting again in 0.0 s",
    "joined news",
  ]);
});

it("joins a channel again that has failed", async () => {
  const address = await socketServer((frame, socket, connection) => {
    reply(socket, frame);
    if (connection === 1) socket.send('["1","1","news","phx_error",{}]');
  });
  expect(await listen(address).take(3)).toEqual([
    "joined news",
    "connection lost (news failed); connecting again in 0.0 s",
    "joined news",
  ]);
});

it("comes back when a draining server says", async () => {
  const address = await socketServer((frame, socket, connection) => {
    reply(socket, frame);
    if (connection === 1) socket.close(1012, "retry in 60");
  });
  expect(await listen(address, { backoff: () => 3_600_000 }).take(3)).toEqual([
    "joined news",
    "connection lost (closed with 1012); connecting again in 0.1 s",
    "joined news",
  ]);
});

it("waits longer with each try, and begins anew once a join has worked", async () => {
  const tries: number[] = [];
  const address = await socketServer((frame, socket, connection) => {
    if (connection === 1 || connection === 4) reply(socket, frame);
    else socket.terminate();
    if (connection === 4) socket.terminate();
    else if (connection === 1) socket.close();
  });
  const notices = listen(address, {
    backoff(count) {
      tries.push(count);
      return 1;
    },
  });
  for (let joined = 0; joined < 2; joined++) await notices.next((line) => line === "joined news");
  await notices.next((line) => line.includes("no close frame"));
  expect(tries.slice(0, 3)).toEqual([0, 1, 2]);
  expect(tries[3] ?? 0).toBe(0);
});
