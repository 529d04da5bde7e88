// The application's side: pushes over HTTP, each again until it is known to be accepted.
import { Agent, request } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";

/** Pushes under way at a time. */
const LANES = 8;
const CHANNELS_PER_PUSH = [1, 4];
const PADDING = [0, 300];
const ANSWER_MS = 5_000;
/** Before a push whose outcome is unknown is made again, and before a look whether one may go on. */
const AGAIN_MS = [5, 50];
const WAIT_MS = 5;

/**
 * Numbers the messages of each channel, so a push waits until no other one of its channels is under
 * way: they are accepted in the order of their numbers.
 */
export class Pusher {
  pushes = 0;
  /** Answers that did not come, or were no 200: the same push was made again. */
  retries = 0;
  /** Answers that said that the push had been accepted before: only its answer had been lost. */
  replays = 0;
  /** `run` has ended, well or not. */
  isOver = false;
  #options;
  #agent = new Agent({ keepAlive: true, maxSockets: LANES });
  #planned = 0;
  #begunAt = 0;
  #isStopped = false;
  #numbers = new Map();
  #busy = new Set();

  /**
   * @param options.port of the proxy
   * @param options.messages how many, counted once for each channel of a push
   * @param options.rate at most so many of them a second
   * @param options.lagMax no channel goes on while a client is so far behind on it
   * @param options.hasKeys whether pushes carry an `Idempotency-Key`
   * @param options.hasOrder whether pushes of one channel wait for one another
   */
  constructor(options) {
    this.#options = options;
    for (const channel of options.channels) this.#numbers.set(channel, 0);
  }

  /** Resolves once all are accepted. @throws where the server refuses one */
  async run() {
    this.#begunAt = performance.now();
    try {
      await Promise.all(Array.from({ length: LANES }, () => this.#lane()));
    } finally {
      this.isOver = true;
    }
  }

  /** One message more for each channel. */
  async pushToAll() {
    await this.#push(this.#options.channels);
  }

  /** Gives up. */
  stop() {
    this.#isStopped = true;
  }

  close() {
    this.stop();
    this.#agent.destroy();
  }

  async #lane() {
    const { messages } = this.#options;
    while (this.#planned < messages && !this.#isStopped) {
      const channels = this.#next();
      if (channels.length === 0) await sleep(WAIT_MS);
      else await this.#push(channels);
    }
  }

  /** The channels of the next push; none where it has to wait. */
  #next() {
    const { channels, messages, rate, ledger, lagMax, hasOrder, random } = this.#options;
    const due = ((performance.now() - this.#begunAt) / 1000) * rate;
    if (this.#planned >= due) return [];
    const count = Math.min(random.between(...CHANNELS_PER_PUSH), messages - this.#planned);
    const free = hasOrder ? channels.filter((channel) => !this.#busy.has(channel)) : channels;
    return random.sample(free, count).filter((channel) => ledger.lag(channel) < lagMax);
  }

  async #push(channels) {
    const { ledger, random } = this.#options;
    const numbers = {};
    for (const channel of channels) {
      numbers[channel] = this.#numbers.get(channel) + 1;
      this.#numbers.set(channel, numbers[channel]);
      this.#busy.add(channel);
    }
    this.#planned += channels.length;
    const key = `push-${++this.pushes}`;
    const data = { numbers, padding: "x".repeat(random.between(...PADDING)) };
    await this.#untilAccepted(JSON.stringify({ channel: channels, event: "numbered", data }), key);
    for (const channel of channels) {
      ledger.accepted.set(channel, Math.max(ledger.accepted.get(channel), numbers[channel]));
      this.#busy.delete(channel);
    }
  }

  async #untilAccepted(body, key) {
    const { random } = this.#options;
    while (!this.#isStopped) {
      const answer = await this.#post(body, key).catch(() => undefined);
      if (answer?.status === 200) {
        if (answer.isReplay) this.replays++;
        return;
      }
      if (answer !== undefined && answer.status < 500) {
        throw new Error(`a push was answered ${answer.status}`);
      }
      this.retries++;
      await sleep(random.between(...AGAIN_MS));
    }
    throw new Error("stopped before a push was accepted");
  }

  #post(body, key) {
    const { port, hasKeys } = this.#options;
    const headers = { "content-type": "application/json", "content-length": body.length };
    if (hasKeys) headers["idempotency-key"] = key;
    const options = { port, host: "127.0.0.1", path: "/api/push", method: "POST", headers };
    return new Promise((resolve, reject) => {
      const outgoing = request({ ...options, agent: this.#agent }, (response) => {
        response.on("error", reject);
        response.on("close", () => reject(new Error("the answer broke off")));
        response.on("end", () => {
          const isReplay = response.headers["idempotent-replayed"] === "true";
          if (response.complete) resolve({ status: response.statusCode, isReplay });
        });
        response.resume();
      });
      outgoing.on("error", reject);
      outgoing.setTimeout(ANSWER_MS, () => outgoing.destroy(new Error("no answer")));
      outgoing.end(body);
    });
  }
}
