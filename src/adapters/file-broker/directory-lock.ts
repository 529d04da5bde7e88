import { createHash } from "node:crypto";
import { closeSync, constants, openSync, realpathSync, renameSync, unlinkSync } from "node:fs";
import { connect, createServer, type Server } from "node:net";
import { join } from "node:path";

/** Another process holds the directory. */
export class DirectoryHeld extends Error {
  override readonly name = "DirectoryHeld";
}

/** A socket's address has room for 104 bytes (macOS) or 108 (Linux), the closing zero included. */
const ADDRESS_BYTES_MAX = 103;
const ATTEMPTS = 5;

/**
 * Holds a directory for this process: a socket that listens in it. The kernel closes it with the
 * process, however that ends, so a lock whose owner is gone is told from a held one by asking
 * (connection refused), also from another container that shares the volume, where process ids
 * and abstract names mean nothing.
 */
export class DirectoryLock {
  readonly #server: Server;
  readonly #handle: number | undefined;

  private constructor(server: Server, handle: number | undefined) {
    this.#server = server;
    this.#handle = handle;
  }

  /** @throws {DirectoryHeld}, or a system error where no socket can be made there. */
  static async acquire(directory: string): Promise<DirectoryLock> {
    const { address, aside, handle } = addresses(directory);
    try {
      for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
        const server = await listen(address);
        if (server !== undefined) return new DirectoryLock(server, handle);
        if (await answers(address)) throw new DirectoryHeld("another process uses it");
        await removeStale(address, aside);
      }
      throw new DirectoryHeld("other processes are starting on it");
    } catch (error) {
      if (handle !== undefined) closeSync(handle);
      throw error;
    }
  }

  async release(): Promise<void> {
    await new Promise((resolve) => this.#server.close(resolve));
    if (this.#handle !== undefined) closeSync(this.#handle);
  }
}

function addresses(directory: string): {
  address: string;
  aside: string;
  handle: number | undefined;
} {
  const real = realpathSync(directory);
  if (process.platform === "win32") {
    // A pipe's name goes with its last owner; there is nothing stale to put aside.
    const name = createHash("sha256").update(real.toLowerCase()).digest("hex");
    const address = `\\\\.\\pipe\\hexpush-${name}`;
    return { address, aside: address, handle: undefined };
  }
  const asideName = `lock.${process.pid}.${Math.random().toString(36).slice(2, 8)}`;
  const fits = Buffer.byteLength(join(real, asideName)) <= ADDRESS_BYTES_MAX;
  if (fits || process.platform !== "linux") {
    return { address: join(real, "lock"), aside: join(real, asideName), handle: undefined };
  }
  // Too long for a socket's address: the same directory by a short name.
  const handle = openSync(real, constants.O_RDONLY | constants.O_DIRECTORY);
  const short = `/proc/self/fd/${handle}`;
  return { address: `${short}/lock`, aside: `${short}/${asideName}`, handle };
}

/** Undefined where the address is taken. */
function listen(address: string): Promise<Server | undefined> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => socket.destroy());
    server.once("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "EADDRINUSE") resolve(undefined);
      else reject(error);
    });
    server.listen(address, () => {
      server.unref();
      resolve(server);
    });
  });
}

/** Whether a process listens at the address. */
function answers(address: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const socket = connect(address);
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", ({ code }: NodeJS.ErrnoException) => {
      if (code === "ECONNREFUSED" || code === "ENOENT") resolve(false);
      // A queue that is full is a process's that is busy.
      else if (code === "EAGAIN") resolve(true);
      else reject(new DirectoryHeld(`its lock cannot be asked (${code})`));
    });
  });
}

/**
 * Of several that start at once, one moves a stale socket away. What was moved is asked once more:
 * it may be that of a process which was quicker, and goes back then.
 */
async function removeStale(address: string, aside: string): Promise<void> {
  try {
    renameSync(address, aside);
  } catch {
    return; // another one has moved it
  }
  if (await answers(aside)) {
    renameSync(aside, address);
    throw new DirectoryHeld("another process uses it");
  }
  unlinkSync(aside);
}
