// A TCP proxy on loopback that does to connections what networks do. It knows nothing of what is
// spoken over them. Every connection is ended by one of the faults below, at a random time; until
// then it is held back now and then.
import { connect, createServer } from "node:net";

/** How connections end. */
const ENDINGS = {
  /** Both sides are reset. What is on its way is gone. */
  cut: (link) => link.reset(),
  /** Some of the server's next bytes come through, from one to all but one; then both are reset. */
  "truncate the server's bytes": (link) => link.truncateNext(link.down),
  /** The same with the client's bytes. */
  "truncate the client's bytes": (link) => link.truncateNext(link.up),
  /** The client is told that the server ends; what it sends still comes through for a while. */
  "half-close to the client": (link) => link.halfClose(link.down),
  /** The server is told that the client ends; what it sends still comes through for a while. */
  "half-close to the server": (link) => link.halfClose(link.up),
};

/** How often some bytes are held back, and how long, in milliseconds: what comes behind waits too. */
const DELAY_CHANCE = 0.02;
const DELAY_MS = [1, 400];
/** Where no bytes come to truncate, or the other half is not closed, it is reset after so long. */
const PATIENCE_MS = 1_000;

export class ChaosProxy {
  /** By name, how often each was done. */
  faults = new Map([...Object.keys(ENDINGS), "delay"].map((name) => [name, 0]));
  connections = 0;
  #links = new Set();
  #server;
  #isHarmless = true;

  /**
   * @param options.target the port to pass on to, asked for each connection
   * @param options.lifeMs how long a connection lasts, on average
   */
  constructor({ target, lifeMs, random }) {
    this.lifeMs = lifeMs;
    this.random = random;
    this.#server = createServer({ allowHalfOpen: true }, (client) => {
      this.connections++;
      const link = new Link(this, client, target());
      this.#links.add(link);
      link.onClosed = () => this.#links.delete(link);
      if (!this.#isHarmless) this.#doom(link);
    });
  }

  /** Does nothing to any connection yet. @returns its port */
  async listen() {
    await new Promise((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
    return this.#server.address().port;
  }

  get isHarmless() {
    return this.#isHarmless;
  }

  /** From now on every connection is doomed, also those that are there. */
  startFaults() {
    this.#isHarmless = false;
    for (const link of this.#links) this.#doom(link);
  }

  /** Every connection is cut once more; those that come then are left alone. */
  cutAllAndStop() {
    this.#isHarmless = true;
    for (const link of [...this.#links]) {
      this.count("cut");
      link.reset();
    }
  }

  count(fault) {
    this.faults.set(fault, this.faults.get(fault) + 1);
  }

  async close() {
    this.#isHarmless = true;
    for (const link of [...this.#links]) link.reset();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #doom(link) {
    const ending = this.random.pick(Object.keys(ENDINGS));
    link.later(this.random.until(this.lifeMs), () => {
      this.count(ending);
      ENDINGS[ending](link);
    });
  }
}

/** A connection from a client, and the one to the server that belongs to it. */
class Link {
  onClosed = () => {};
  #timers = new Set();
  #isOver = false;

  constructor(proxy, client, port) {
    const server = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
    this.proxy = proxy;
    this.ends = [client, server];
    this.up = new Direction(this, client, server);
    this.down = new Direction(this, server, client);
    for (const end of this.ends) {
      end.setNoDelay(true);
      // A server that is not there, or has reset it: the other side is to see the same.
      end.on("error", () => this.reset());
      // Once one side is gone altogether, nothing can be brought to it or from it.
      end.on("close", () => this.reset());
    }
  }

  later(ms, action) {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      if (!this.#isOver) action();
    }, ms);
    this.#timers.add(timer);
  }

  truncateNext(direction) {
    direction.isToBeTruncated = true;
    this.later(PATIENCE_MS, () => this.reset());
  }

  halfClose(direction) {
    direction.close();
    this.later(PATIENCE_MS, () => this.reset());
  }

  reset() {
    if (this.#isOver) return;
    this.#isOver = true;
    for (const timer of this.#timers) clearTimeout(timer);
    // Not `destroy`: where all was read, that would be an orderly end.
    for (const end of this.ends) end.resetAndDestroy();
    this.onClosed();
  }
}

/** The bytes of one direction, in their order. */
class Direction {
  isToBeTruncated = false;
  #isClosed = false;
  #isHeld = false;
  /** What came while it was held: at most what was read before `pause` took effect, and the end. */
  #waiting = [];

  constructor(link, from, to) {
    this.link = link;
    this.from = from;
    this.to = to;
    from.on("data", (bytes) => this.#take(() => this.#pass(bytes)));
    from.on("end", () => this.#take(() => this.close()));
    to.on("drain", () => this.#resume());
  }

  /** The reader is told that no more comes; what still comes is dropped. */
  close() {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.to.end();
  }

  #take(step) {
    const { proxy } = this.link;
    if (!this.#isHeld && !proxy.isHarmless && proxy.random.chance(DELAY_CHANCE)) {
      proxy.count("delay");
      this.#isHeld = true;
      this.from.pause();
      this.link.later(proxy.random.between(...DELAY_MS), () => this.#letGo());
    }
    if (this.#isHeld) this.#waiting.push(step);
    else step();
  }

  #letGo() {
    this.#isHeld = false;
    for (const step of this.#waiting.splice(0)) step();
    this.#resume();
  }

  #pass(bytes) {
    if (this.#isClosed || this.to.destroyed) return;
    if (this.isToBeTruncated && bytes.length > 1) {
      const { random } = this.link.proxy;
      this.#isClosed = true;
      // The reset must not overtake them in this process: they are with the kernel by then.
      this.to.write(bytes.subarray(0, random.between(1, bytes.length - 1)), () => {
        setImmediate(() => this.link.reset());
      });
      return;
    }
    if (!this.to.write(bytes)) this.from.pause();
  }

  #resume() {
    if (!this.#isHeld && !this.to.writableNeedDrain) this.from.resume();
  }
}
