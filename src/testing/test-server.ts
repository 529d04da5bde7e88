import { createHexpush, type Hexpush, type HexpushOptions, type PushReceipt } from "../index.js";
import type { FakeClock } from "./fake-clock.js";
import { RecordingTransport } from "./recording-transport.js";

export interface TestServerOptions extends HexpushOptions {
  /** The server's time, in place of `now`. */
  readonly clock?: FakeClock;
}

export interface TestServer {
  /** For example `http://127.0.0.1:34567`. */
  readonly url: string;
  readonly port: number;
  /** The URL for a Phoenix or PushEx client: `ws://127.0.0.1:34567/push_socket`. */
  readonly socketUrl: string;
  readonly hexpush: Hexpush;
  /** All delivered messages, from any pusher. */
  readonly recorded: RecordingTransport;
  /** Pushes without asking the policy. Rejects with a TypeError on an invalid argument. */
  push(channel: string | readonly string[], event: string, data: unknown): Promise<PushReceipt>;
  /** Ends everything at once. Idempotent. */
  stop(): Promise<void>;
  /** `await using server = await startTestServer()` stops it at the end of the block. */
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * Starts a real server in this process, by default on a free port of 127.0.0.1 and without a log. It
 * does not read the environment.
 *
 * @throws {ConfigError} if a setting is invalid.
 */
export async function startTestServer(options: TestServerOptions = {}): Promise<TestServer> {
  const recorded = new RecordingTransport();
  const hexpush = createHexpush(serverOptions(options, recorded));
  const { url, port } = await hexpush.start();
  const stop = () => hexpush.stop(0);
  return {
    url,
    port,
    socketUrl: `${url.replace(/^http/, "ws")}/push_socket`,
    hexpush,
    recorded,
    push: (channel, event, data) => hexpush.push(channel, event, data),
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

/** The options of the server itself. */
export function serverOptions(
  { clock, transports = [], ...options }: TestServerOptions,
  recorded: RecordingTransport,
): HexpushOptions {
  return {
    port: 0,
    logLevel: "silent",
    ...options,
    ...(clock === undefined ? {} : { now: clock.now }),
    transports: [recorded, ...transports],
  };
}
