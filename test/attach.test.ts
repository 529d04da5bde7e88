import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, it, onTestFinished } from "vitest";
import { WebSocket } from "ws";
import { createHexpush, type Hexpush } from "../src/index.js";
import { within } from "./support/inbox.js";
import { RawClient } from "./support/raw-client.js";

interface Host {
  readonly hexpush: Hexpush;
  readonly server: Server;
  readonly port: number;
  readonly wsUrl: string;
}

async function startHost(): Promise<Host> {
  const hexpush = createHexpush({ logLevel: "silent", port: 0 });
  const server = createServer(hexpush.callback());
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(async () => {
    await hexpush.stop(0);
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  return { hexpush, server, port, wsUrl: `ws://127.0.0.1:${port}/push_socket` };
}

it("serves sockets on a server of the host's, and on its own port too", async () => {
  const { hexpush, server, wsUrl } = await startHost();
  hexpush.attach(server);
  hexpush.attach(server);
  const { port } = await hexpush.start();
  const clients = [
    await RawClient.connect(wsUrl, "2.0.0"),
    await RawClient.connect(`ws://127.0.0.1:${port}/push_socket`, "1.0.0"),
  ];
  for (const client of clients) await client.join("a");
  expect((await hexpush.push("a", "e", 1)).deliveries).toBe(2);
  for (const client of clients) {
    expect((await client.frames.next()).payload).toMatchObject({ event: "e", data: 1 });
  }
  await hexpush.stop(1);
  for (const client of clients) {
    expect((await within(client.closed, "the close")).code).toBe(1012);
  }
});

it("leaves upgrades to other paths to the host", async () => {
  const { hexpush, server, port, wsUrl } = await startHost();
  hexpush.attach(server);
  server.on("upgrade", (request, socket) => {
    if (request.url === "/own")
      socket.end("HTTP/1.1 418 I'm a Teapot\r\nconnection: close\r\n\r\n");
  });
  const own = new WebSocket(`ws://127.0.0.1:${port}/own`);
  const [error] = await within(once(own, "error"), "the answer");
  expect((error as Error).message).toContain("418");
  await (await RawClient.connect(wsUrl, "2.0.0")).join("a");
});

it("takes no socket once it has stopped, and does again once it is attached again", async () => {
  const { hexpush, server, wsUrl } = await startHost();
  hexpush.attach(server);
  const client = await RawClient.connect(wsUrl, "2.0.0");
  await hexpush.stop(1);
  expect((await within(client.closed, "the close")).code).toBe(1012);
  await expect(RawClient.connect(wsUrl, "2.0.0")).rejects.toThrow("503");
  hexpush.attach(server);
  await (await RawClient.connect(wsUrl, "2.0.0")).join("a");
});
