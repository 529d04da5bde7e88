import { createHash, randomBytes } from "node:crypto";
import {
  closeSync,
  constants,
  openSync,
  readdirSync,
  realpathSync,
  renameSync,
  rmSync,
} from "node:fs";
import { connect, createServer, type Server } from "node:net";
import { join } from "node:path";

/** Another process holds the directory. */
export class DirectoryHeld extends Error {
  override readonly name = "DirectoryHeld";
}

/** A socket's address has room for 104 bytes (macOS) or 108 (Linux), the closing zero included. */
const ADDRESS_BYTES_MAX = 103;
const NAME = /^lock\.[0-9a-f]{16}$/;
const ATTEMPTS = 100;
const PAUSE_MS = 20;
const ANSWER_MS = 1000;

type Answer = "held" | "starting" | "gone";

/**
 * Holds a directory for this process: a socket that listens in it. The kernel closes it with the
 * process, however that ends, so one whose owner is gone is told from one that is held by asking,
 * also from another container that shares the volume, where process ids mean nothing.
 *
 * Whoever wants the directory first shows a socket of its own and then asks those of all others:
 * it has the directory once nobody else answers. Of several that start at once none overlooks
 * another one, and all but the one with the first name make way.
 */
export class DirectoryLock {
  readonly #folder: Folder;
  readonly #server: Server;
  readonly #name: string;
  #state: Answer = "starting";

  private constructor(folder: Folder, server: Server, name: string) {
    this.#folder = folder;
    this.#server = server;
    this.#name = name;
    server.on("connection", (socket) => {
      socket.on("error", () => {});
      socket.end(this.#state);
    });
    server.unref();
  }

  /** @throws {DirectoryHeld}, or a system error if no socket can be made there. */
  static async acquire(directory: string): Promise<DirectoryLock> {
    const folder = folderOf(directory);
    let lock: DirectoryLock | undefined;
    try {
      for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
        lock ??= await DirectoryLock.#show(folder);
        const others = await lock.#others();
        if (others.some(([, answer]) => answer === "held")) break;
        if (others.length === 0) {
          lock.#state = "held";
          return lock;
        }
        const own = lock.#name;
        if (others.some(([name]) => name < own)) {
          await lock.#hide();
          lock = undefined;
        }
        await new Promise((resolve) => setTimeout(resolve, PAUSE_MS * (1 + Math.random())));
      }
      throw new DirectoryHeld("another process uses it");
    } catch (error) {
      if (lock !== undefined) await lock.#hide();
      folder.close();
      throw error;
    }
  }

  async release(): Promise<void> {
    if (this.#state === "gone") return;
    this.#state = "gone";
    await this.#hide();
    this.#folder.close();
  }

  /** Seen under its name only once it listens: what is there and does not answer is gone for good. */
  static async #show(folder: Folder): Promise<DirectoryLock> {
    const name = `lock.${randomBytes(8).toString("hex")}`;
    const hidden = folder.pipe ? name : `new-${name}`;
    const server = createServer();
    await new Promise<void>((resolve, reject) => {
      server.once("error", (error: NodeJS.ErrnoException) => {
        const taken = folder.pipe && error.code === "EADDRINUSE";
        reject(taken ? new DirectoryHeld("another process uses it") : error);
      });
      server.listen(folder.address(hidden), resolve);
    });
    if (!folder.pipe) renameSync(folder.address(hidden), folder.address(name));
    return new DirectoryLock(folder, server, name);
  }

  async #hide(): Promise<void> {
    if (!this.#folder.pipe) rmSync(this.#folder.address(this.#name), { force: true });
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #others(): Promise<[name: string, Answer][]> {
    const names = this.#folder.names().filter((name) => name !== this.#name);
    const asked = names.map(async (name): Promise<[string, Answer]> => {
      const address = this.#folder.address(name);
      const answer = await ask(address);
      if (answer === "gone") rmSync(address, { force: true });
      return [name, answer];
    });
    return (await Promise.all(asked)).filter(([, answer]) => answer !== "gone");
  }
}

interface Folder {
  /** Windows: one name for all, which goes with its owner. */
  readonly pipe: boolean;
  address(name: string): string;
  names(): string[];
  close(): void;
}

function folderOf(directory: string): Folder {
  const real = realpathSync(directory);
  if (process.platform === "win32") {
    const name = createHash("sha256").update(real.toLowerCase()).digest("hex");
    const address = () => `\\\\.\\pipe\\hexpush-${name}`;
    return { pipe: true, address, names: () => [], close: () => {} };
  }
  const names = () => readdirSync(real).filter((name) => NAME.test(name));
  const address = (name: string) => join(real, name);
  const longest = address("new-lock.0123456789abcdef");
  if (Buffer.byteLength(longest) <= ADDRESS_BYTES_MAX || process.platform !== "linux") {
    return { pipe: false, address, names, close: () => {} };
  }
  // Too long for a socket's address: the same directory by a short name.
  const handle = openSync(real, constants.O_RDONLY | constants.O_DIRECTORY);
  return {
    pipe: false,
    address: (name) => `/proc/self/fd/${handle}/${name}`,
    names,
    close: () => closeSync(handle),
  };
}

/**
 * A process that accepts and says nothing is busy, and counts as one that holds. One whose connection
 * breaks may be on its way out, and is asked again.
 */
function ask(address: string): Promise<Answer> {
  return new Promise((resolve) => {
    const socket = connect(address);
    let text = "";
    socket.setEncoding("latin1").on("data", (part: string) => {
      text += part;
    });
    socket.setTimeout(ANSWER_MS, () => {
      resolve("held");
      socket.destroy();
    });
    socket.on("error", ({ code }: NodeJS.ErrnoException) => {
      resolve(code === "ECONNREFUSED" || code === "ENOENT" ? "gone" : "starting");
    });
    socket.on("close", () => resolve(text === "held" ? "held" : "starting"));
  });
}
