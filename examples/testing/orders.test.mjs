import { startTestServer } from "hexpush/testing";
import { Socket } from "phoenix";
import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import { WebSocket } from "ws";
import { Orders } from "./orders.mjs";

let server;

beforeAll(async () => {
  server = await startTestServer({ apiKeys: ["test-key"] });
});

beforeEach(() => server.recorded.clear());

afterAll(() => server.stop());

it("tells the customer and the warehouse that an order is shipped", async () => {
  await new Orders({ pushUrl: server.url, key: "test-key" }).ship({ id: 7, customer: "ann" });

  const message = await server.recorded.next(({ channel }) => channel === "customer:ann");
  expect(message).toMatchObject({ event: "shipped", data: { order: 7 } });
  expect(server.recorded.messages.map(({ channel }) => channel)).toEqual([
    "customer:ann",
    "warehouse",
  ]);
});

it("throws if its key is rejected, and delivers nothing", async () => {
  const orders = new Orders({ pushUrl: server.url, key: "old-key" });

  await expect(orders.ship({ id: 7, customer: "ann" })).rejects.toThrow("refused with 403");
  expect(server.recorded.messages).toEqual([]);
});

it("reaches the page of a customer", async () => {
  const socket = new Socket(server.socketUrl, { transport: WebSocket });
  socket.connect();
  const channel = socket.channel("customer:ann");
  await new Promise((resolve) => channel.join().receive("ok", resolve));
  const received = new Promise((resolve) => channel.on("msg", resolve));

  await server.push("customer:ann", "shipped", { order: 8 });

  // The payload also has the message's id, which lets a client resume.
  expect(await received).toMatchObject({ event: "shipped", data: { order: 8 } });
  socket.disconnect();
});
