import { randomBytes } from "node:crypto";
import { connect, type Socket } from "node:net";

interface OpenResponse {
  cork(work: () => void): unknown;
  onAborted(done: () => void): unknown;
}

/** What the anchor uses of uWebSockets.js's app. */
export interface AnchorApp {
  get(path: string, handler: (response: OpenResponse) => void): unknown;
}

/** How long the server waits for its own request, in milliseconds. */
const PATIENCE_MS = 1_000;

/**
 * A request from the server to itself that is never answered, in whose `cork` sockets are accepted
 * that a policy has allowed late.
 *
 * uWebSockets.js wants every `upgrade` in the callback of a `cork`. In the response's own, it looks
 * at the new WebSocket afterwards as if it were still an HTTP response, where the memory has stayed
 * in its place, and closes some of them without a word to the client; outside of any, it prints a
 * warning each time. In another response's, neither happens. Opened when it is first needed.
 */
export class CorkAnchor {
  /** Nobody else knows it, so nobody else asks for it. */
  readonly #path = `/${randomBytes(24).toString("hex")}`;
  #address: { readonly host: string; readonly port: number } | undefined;
  #response: OpenResponse | undefined;
  #client: Socket | undefined;
  #opening: Promise<void> | undefined;
  #onOpen: (() => void) | undefined;

  attach(app: AnchorApp): void {
    app.get(this.#path, (response) => {
      response.onAborted(() => {
        this.#response = undefined;
      });
      this.#response = response;
      this.#onOpen?.();
    });
  }

  /** Where the server listens. */
  listening(host: string, port: number): void {
    this.#address = { host: reachable(host), port };
  }

  /** Runs `work` at once if the anchor is there, else as soon as it is. */
  run(work: () => void): void {
    if (this.#response !== undefined) {
      this.#response.cork(work);
      return;
    }
    this.#opening ??= this.#open().finally(() => {
      this.#opening = undefined;
    });
    // Without the anchor, a warning on standard error is better than a socket that is dead.
    void this.#opening.then(() =>
      this.#response === undefined ? work() : this.#response.cork(work),
    );
  }

  close(): void {
    this.#address = undefined;
    this.#client?.destroy();
    this.#client = undefined;
  }

  #open(): Promise<void> {
    const address = this.#address;
    if (address === undefined) return Promise.resolve();
    return new Promise((resolve) => {
      const client = connect(address);
      const timer = setTimeout(resolve, PATIENCE_MS);
      const done = (): void => {
        clearTimeout(timer);
        // Not in the turn in which uWebSockets.js is in the middle of the anchor's own request.
        setImmediate(resolve);
      };
      this.#onOpen = done;
      this.#client = client;
      client.unref();
      client.resume();
      client.once("error", done);
      client.once("close", done);
      client.write(`GET ${this.#path} HTTP/1.1\r\nhost: anchor\r\n\r\n`);
    });
  }
}

/** An address that stands for all of them is none to connect to. */
function reachable(host: string): string {
  if (host === "0.0.0.0") return "127.0.0.1";
  return host === "::" ? "::1" : host;
}
