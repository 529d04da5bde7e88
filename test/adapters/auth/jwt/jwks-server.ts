import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";

/** A real JWKS server on loopback, whose answer can be changed. */
export class JwksServer {
  /** How it answers. */
  answer: RequestListener = (_request, response) => response.end('{"keys":[]}');
  /** Paths of the requests that it got. */
  readonly requests: string[] = [];
  readonly #server: Server;

  private constructor() {
    this.#server = createServer((request, response) => {
      this.requests.push(request.url ?? "");
      this.answer(request, response);
    });
  }

  static async start(): Promise<JwksServer> {
    const server = new JwksServer();
    await new Promise<void>((resolve) => server.#server.listen(0, "127.0.0.1", resolve));
    return server;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/jwks.json`;
  }

  /** Answers with a JWK set of these keys. */
  serve(...keys: readonly object[]): void {
    this.answer = (_request, response) => {
      response.setHeader("content-type", "application/json");
      response.end(JSON.stringify({ keys }));
    };
  }

  /** No longer listens; the port refuses connections. */
  stop(): Promise<void> {
    this.#server.closeAllConnections();
    return new Promise((resolve) => this.#server.close(() => resolve()));
  }
}
