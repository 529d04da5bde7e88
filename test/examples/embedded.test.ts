import { createRequire } from "node:module";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import { type Program, startProgram } from "../docs/program.js";
import { anId } from "../support/message-ids.js";

interface Push {
  receive(status: string, callback: (response: unknown) => void): Push;
}

interface Channel {
  join(): Push;
  on(event: string, callback: (payload: unknown) => void): number;
}

interface Socket {
  connect(): void;
  disconnect(): void;
  onClose(callback: (event: { code: number }) => void): void;
  channel(name: string): Channel;
}

// Without types of its own, so it is named by what is used of it.
const { Socket: PhoenixSocket } = createRequire(import.meta.url)("phoenix") as {
  Socket: new (endPoint: string, options: object) => Socket;
};

let example: Program;
let origin: string;
const sockets: Socket[] = [];

beforeAll(async () => {
  example = await startProgram(["examples/embedded/main.mjs", "0"]);
  origin = `http://127.0.0.1:${example.port}`;
});

afterEach(() => {
  for (const socket of sockets.splice(0)) socket.disconnect();
});

afterAll(async () => {
  expect(await example.stop()).toBe(0);
});

function connect(token: string): Socket {
  const socket = new PhoenixSocket(`ws://127.0.0.1:${example.port}/push_socket`, {
    transport: WebSocket,
    params: { token },
  });
  sockets.push(socket);
  socket.connect();
  return socket;
}

/** How the first answer to a join ends, and what it says. */
function join(channel: Channel): Promise<[status: string, response: unknown]> {
  return new Promise((resolve) => {
    const pending = channel.join();
    for (const status of ["ok", "error", "timeout"]) {
      pending.receive(status, (response) => resolve([status, response]));
    }
  });
}

function push(body: object, key = "demo-key"): Promise<Response> {
  return fetch(`${origin}/api/push`, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Bearer ${key}` },
    body: JSON.stringify(body),
  });
}

describe("the server embedded in a program", () => {
  it("delivers to a socket with a ticket, and to the program's own transport", async () => {
    const channel = connect("ann-1").channel("user:ann");
    const received = new Promise((resolve) => channel.on("msg", resolve));
    expect(await join(channel)).toEqual(["ok", { id: anId }]);

    const answer = await push({ channel: "user:ann", event: "note", data: { text: "hi" } });

    expect(answer.status).toBe(200);
    expect(answer.headers.get("x-served-by")).toBe("embedded");
    expect(await received).toEqual({ event: "note", data: { text: "hi" }, id: anId });
    const recent = await fetch(`${origin}/recent`);
    expect(await recent.json()).toEqual([{ channel: "user:ann", event: "note" }]);
  });

  it("joins only the channels of the ticket", async () => {
    expect(await join(connect("ann-1").channel("user:bob"))).toEqual([
      "error",
      { reason: "not on your ticket" },
    ]);
  });

  it("takes neither a socket without a ticket nor a push without the key", async () => {
    const ws = new WebSocket(`ws://127.0.0.1:${example.port}/push_socket/websocket?vsn=2.0.0`);
    const refusal = await new Promise((resolve) => ws.on("error", resolve));
    expect(refusal).toMatchObject({ message: "Unexpected server response: 403" });

    const answer = await push({ channel: "news", event: "e", data: 1 }, "other");
    expect(answer.status).toBe(403);
  });

  it("closes the sockets of a ticket that is revoked", async () => {
    const socket = connect("bob-1");
    expect(await join(socket.channel("news"))).toEqual(["ok", { id: anId }]);
    const closed = new Promise<{ code: number }>((resolve) => socket.onClose(resolve));

    const answer = await fetch(`${origin}/tickets/bob-1`, {
      method: "DELETE",
      headers: { authorization: "Bearer demo-key" },
    });

    expect([answer.status, await answer.json()]).toEqual([200, { closed: 1 }]);
    expect((await closed).code).toBe(1001);
  });
});
