import { Agent, request } from "node:http";

/** Between two pushes on one channel, and before a push is tried again, in milliseconds. */
const PAUSE_MS = 500;
const RETRY_MS = 100;

/** A backend that pushes 1, 2, 3, … on each channel and never gives one up. */
export class Pusher {
  /** By channel, the number that was accepted last. */
  readonly finals: Record<string, number> = {};
  /** Pushes that had to be tried again, and their tries. */
  retried = 0;
  retries = 0;
  readonly #url: string;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 8 });
  readonly #done: Promise<unknown>;
  #isStopping = false;

  constructor(url: string, channels: readonly string[]) {
    this.#url = url;
    this.#done = Promise.all(channels.map((channel) => this.#run(channel)));
  }

  /** Resolves once every push is accepted that was begun. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    await this.#done;
    this.#agent.destroy();
  }

  async #run(channel: string): Promise<void> {
    await pause(Math.random() * PAUSE_MS);
    for (let n = 1; !this.#isStopping; n++) {
      for (let tries = 0; !(await this.#push(channel, n)); tries++) {
        if (tries === 0) this.retried += 1;
        this.retries += 1;
        await pause(RETRY_MS);
      }
      this.finals[channel] = n;
      await pause(PAUSE_MS);
    }
  }

  /** @returns whether it was accepted. @throws where trying again cannot help. */
  #push(channel: string, n: number): Promise<boolean> {
    return new Promise((resolve, reject) => {
      const headers = {
        "content-type": "application/json",
        "idempotency-key": `${channel}-${n}`,
      };
      const options = { method: "POST", agent: this.#agent, headers };
      const asking = request(`${this.#url}/api/push`, options, (response) => {
        response.resume();
        response.on("error", () => resolve(false));
        response.on("end", () => {
          const { statusCode = 0 } = response;
          if (statusCode === 200 || statusCode === 503) resolve(statusCode === 200);
          else reject(new Error(`a push was answered ${statusCode}`));
        });
      });
      asking.on("error", () => resolve(false));
      asking.end(JSON.stringify({ channel, event: "e", data: { n } }));
    });
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
