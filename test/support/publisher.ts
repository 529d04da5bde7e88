import { Agent, type IncomingHttpHeaders, request } from "node:http";

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
}

/** A backend that pushes, over one connection that is kept alive: its requests come in turn. */
export class Publisher {
  readonly #url: string;
  readonly #headers: Readonly<Record<string, string>>;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 1 });

  constructor(url: string, headers: Readonly<Record<string, string>> = {}) {
    this.#url = url;
    this.#headers = headers;
  }

  /** @throws where the answer is not 200. */
  async push(channel: string | readonly string[], event: string, data: unknown): Promise<Answer> {
    const answer = await this.post(JSON.stringify({ channel, event, data }));
    if (answer.status !== 200) throw new Error(`${answer.status} ${answer.text}`);
    return answer;
  }

  /** Sends this body as it is to `/api/push`. */
  post(body: string): Promise<Answer> {
    return this.send("POST", "/api/push", body);
  }

  get(path: string): Promise<Answer> {
    return this.send("GET", path);
  }

  send(method: string, path: string, body?: string): Promise<Answer> {
    const type = body === undefined ? {} : { "content-type": "application/json" };
    return new Promise((resolve, reject) => {
      const outgoing = request(
        `${this.#url}${path}`,
        { method, agent: this.#agent, headers: { ...type, ...this.#headers } },
        (response) => {
          let text = "";
          response.setEncoding("utf8");
          response.on("data", (chunk: string) => {
            text += chunk;
          });
          response.on("error", reject);
          response.on("end", () =>
            resolve({ status: response.statusCode as number, headers: response.headers, text }),
          );
        },
      );
      outgoing.on("error", reject);
      outgoing.end(body);
    });
  }

  close(): void {
    this.#agent.destroy();
  }
}
