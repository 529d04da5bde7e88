import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";

export interface CableOptions {
  /** A connection whose first bytes match is ended, as by a proxy that knows no WebSocket. */
  readonly refuses?: RegExp;
}

/** Between a client and a server, for connections to be cut and the server to change. */
export class Cable {
  readonly #sockets = new Set<Socket>();
  readonly #server: Server;
  /** The server's port. */
  to = 0;
  /** Connections that clients have made by now. */
  made = 0;

  private constructor({ refuses }: CableOptions) {
    this.#server = createServer((client) => {
      this.made += 1;
      this.#keep(client);
      if (refuses === undefined) this.#join(client);
      else {
        client.once("data", (head) => {
          if (refuses.test(head.toString("latin1"))) client.destroy();
          else this.#join(client).write(head);
        });
      }
    });
  }

  static async open(to: number, options: CableOptions = {}): Promise<Cable> {
    const cable = new Cable(options);
    cable.to = to;
    await new Promise<void>((done) => cable.#server.listen(0, "127.0.0.1", done));
    return cable;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  cut(): void {
    for (const socket of this.#sockets) socket.resetAndDestroy();
  }

  async stop(): Promise<void> {
    this.cut();
    await new Promise((done) => this.#server.close(done));
  }

  #join(client: Socket): Socket {
    const upstream = connect(this.to, "127.0.0.1");
    this.#keep(upstream);
    for (const [one, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      one.on("close", () => other.destroy());
      one.pipe(other);
    }
    return upstream;
  }

  #keep(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on("error", () => {});
    socket.on("close", () => this.#sockets.delete(socket));
  }
}
