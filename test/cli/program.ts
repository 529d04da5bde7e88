import { spawn } from "node:child_process";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import { onTestFinished } from "vitest";
import { type WebSocket, WebSocketServer } from "ws";
import { Inbox, within } from "../support/inbox.js";

const MAIN = fileURLToPath(new URL("../../dist/main.js", import.meta.url));

export interface Run {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  /** None of the test run's own environment reaches the program. */
  readonly env?: Readonly<Record<string, string>>;
  readonly input?: string | Buffer;
}

/** `hexpush ARGS…`, up to its end. */
export async function hexpush(args: readonly string[], options: RunOptions = {}): Promise<Run> {
  const { child, exited } = launch(args, options);
  // A program that ends before it has read all of it is what some tests are about.
  child.stdin.on("error", () => {});
  child.stdin.end(options.input ?? "");
  const [stdout, stderr, code] = await Promise.all([
    all(child.stdout),
    all(child.stderr),
    within(exited, `the end of hexpush ${args.join(" ")}`),
  ]);
  return { code, stdout, stderr };
}

/** `hexpush ARGS…` that goes on; it ends with the test. */
export function start(args: readonly string[], options: RunOptions = {}) {
  const { child, exited } = launch(args, options);
  onTestFinished(() => void child.kill("SIGKILL"));
  return {
    /** Lines of standard output. */
    lines: lines("lines", child.stdout),
    /** Lines of standard error. */
    notices: lines("lines on standard error", child.stderr),
    signal: (signal: NodeJS.Signals) => void child.kill(signal),
    closeOutput: () => void child.stdout.destroy(),
    /** The exit code; null where a signal itself ended it. */
    exited: () => within(exited, "the program's end"),
  };
}

function launch(args: readonly string[], { env = {} }: RunOptions) {
  const child = spawn(process.execPath, [MAIN, ...args], {
    env: { PATH: process.env.PATH, ...env },
    stdio: ["pipe", "pipe", "pipe"],
  });
  const exited = new Promise<number | null>((resolve) => {
    child.on("close", (code) => resolve(code));
  });
  return { child, exited };
}

async function all(stream: Readable): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString("utf8");
}

function lines(name: string, stream: Readable): Inbox<string> {
  const inbox = new Inbox<string>(name);
  createInterface({ input: stream }).on("line", (line) => inbox.push(line));
  return inbox;
}

/** An HTTP server that answers as a test says, up to the test's end. @returns its address. */
export async function httpServer(
  answer: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<string> {
  const server = createServer(answer).listen(0, "127.0.0.1");
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  await new Promise((resolve) => server.once("listening", resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

export type PhoenixFrame = readonly [
  joinRef: string | null,
  ref: string,
  topic: string,
  event: string,
  payload: unknown,
];

/** A socket server that does what no real one does, up to the test's end. @returns its address. */
export async function socketServer(
  onFrame: (frame: PhoenixFrame, socket: WebSocket, connection: number) => void,
  onConnect: (request: IncomingMessage) => void = () => {},
): Promise<string> {
  const server = new WebSocketServer({ port: 0, host: "127.0.0.1" });
  onTestFinished(() => {
    for (const socket of server.clients) socket.terminate();
    server.close();
  });
  let connections = 0;
  server.on("connection", (socket, request) => {
    const connection = ++connections;
    onConnect(request);
    socket.on("message", (bytes) => {
      onFrame(JSON.parse(bytes.toString()) as unknown as PhoenixFrame, socket, connection);
    });
  });
  await new Promise((resolve) => server.once("listening", resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** The answer to a frame, as Phoenix gives it. */
export function reply(socket: WebSocket, frame: PhoenixFrame, response: object = {}): void {
  const [joinRef, ref, topic] = frame;
  socket.send(JSON.stringify([joinRef, ref, topic, "phx_reply", { status: "ok", response }]));
}
