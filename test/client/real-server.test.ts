import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { afterAll, beforeAll, expect, it, onTestFinished } from "vitest";
import { WebSocket } from "ws";
import { Hexpush } from "../../client/src/index.js";
import { Inbox } from "../support/inbox.js";
import { lastingPort, startServer, type TestServer } from "../support/server.js";
import { joined, listen, message, QUICK, recovered } from "./rig.js";

let server: TestServer;

beforeAll(async () => {
  server = await startServer({ port: await lastingPort() });
});

afterAll(async () => {
  await server?.kill();
});

it("with the real server: messages come, a left channel is silent, and a restart is survived", async () => {
  const log = new Inbox<string>("callbacks");
  const client = new Hexpush(server.wsUrl, {
    WebSocket,
    token: "ticket",
    reconnect: QUICK,
    onConnect: () => log.push("connect"),
    onDisconnect: ({ code }) => log.push(`disconnect ${code}`),
  });
  const told = listen(client, "news");
  const other = listen(client, "other");
  await client.connect();
  expect(await told.next()).toEqual(joined);
  expect(await other.next()).toEqual(joined);
  await push(server, "news", 1);
  expect(await told.next()).toEqual(message(1));

  await client.unsubscribe("other");
  await push(server, "other", 2);
  await push(server, "news", 3);
  expect(await told.next()).toEqual(message(3));
  expect(other.items).toEqual([]);

  // The end of the earlier join comes after the answer to the later one.
  void client.unsubscribe("other");
  const again = listen(client, "other");
  void client.unsubscribe("other");
  const third = listen(client, "other");
  expect(await third.next()).toEqual(joined);
  await push(server, "other", 5);
  expect(await third.next()).toEqual(message(5));
  expect([...again.items, ...third.items]).toEqual([]);

  await log.next();
  await server.stop();
  expect(await log.next()).toBe("disconnect 1012");
  server = await startServer({ port: server.port });
  await log.next((line) => line === "connect");
  expect(await told.next()).toEqual(joined);
  expect((await told.next()).kind).toBe("recovered");
  await push(server, "news", 4);
  expect(await told.next()).toEqual(message(4));
  await client.disconnect();
});

it("with the real server: a stream that breaks before its first message is resumed", async () => {
  const network = await breakable(server.port);
  const client = new Hexpush(`ws://127.0.0.1:${network.port}/push_socket`, {
    transports: ["sse"],
    reconnect: QUICK,
  });
  onTestFinished(() => client.disconnect());
  const told = listen(client, "silent");
  await client.connect();
  expect(await told.next()).toEqual(joined);

  network.isUp = false;
  network.cut();
  await push(server, "silent", 1);
  network.isUp = true;
  expect(await told.take(3)).toEqual([joined, recovered(true), message(1)]);
});

/** A way to the server that can be cut, up to the test's end. */
async function breakable(target: number) {
  const sockets = new Set<Socket>();
  const network = {
    port: 0,
    isUp: true,
    cut: () => {
      for (const socket of sockets) socket.destroy();
    },
  };
  const relay = createServer((client) => {
    const server = connect(target, "127.0.0.1");
    for (const [from, to] of [
      [client, server],
      [server, client],
    ] as const) {
      sockets.add(from);
      from.on("error", () => {});
      from.on("close", () => to.destroy());
      from.pipe(to);
    }
    if (!network.isUp) client.destroy();
  });
  await new Promise<void>((resolve) => relay.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    network.cut();
    relay.close();
  });
  network.port = (relay.address() as AddressInfo).port;
  return network;
}

async function push({ url }: TestServer, channel: string, data: unknown): Promise<void> {
  const response = await fetch(`${url}/api/push`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ channel, event: "e", data }),
  });
  expect(response.status).toBe(200);
}
