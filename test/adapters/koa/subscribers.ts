import {
  type AuthPolicy,
  type HexpushOptions,
  type Identity,
  MemoryTransport,
} from "../../../src/index.js";
import { RawClient } from "../../support/raw-client.js";
import { type RunningHost, startOnNode, startOnUws } from "./hosts.js";
import { policyOf } from "./policy-of.js";

export interface Subscriber {
  join(...channels: string[]): Promise<void>;
  /** Resolves once the server has closed it. */
  readonly closed: Promise<unknown>;
}

export interface HostWithSubscribers extends RunningHost {
  connect(identity?: Pick<Identity, "socketId" | "presenceId">): Promise<Subscriber>;
}

export type StartWithSubscribers = (options?: HexpushOptions) => Promise<HostWithSubscribers>;

/** For `describe.each`: Phoenix clients where there is a socket server, else sockets in memory. */
export const HOSTS_WITH_SUBSCRIBERS: readonly (readonly [string, StartWithSubscribers])[] = [
  ["uWebSockets.js", startWithPhoenix],
  ["node:http", startWithMemory],
];

async function startWithPhoenix(options: HexpushOptions = {}): Promise<HostWithSubscribers> {
  const host = await startOnUws({
    ...options,
    ...(!options.apiKeys && identifying(options.policy)),
  });
  const clients: RawClient[] = [];
  return {
    ...host,
    async connect(identity = {}) {
      const url = `ws://127.0.0.1:${host.port}/push_socket`;
      const client = await RawClient.connect(url, "2.0.0", { ...identity } as Record<
        string,
        string
      >);
      clients.push(client);
      return client;
    },
    async stop() {
      for (const client of clients) client.close();
      await host.stop();
    },
  };
}

/** The policy with each socket's identity as its connect parameters tell it. */
function identifying(policy = policyOf(() => ({ allow: true }))): { policy: AuthPolicy } {
  return {
    policy: {
      ...policy,
      authorizeConnect: ({ params: { socketId, presenceId } }) => ({
        allow: true,
        identity: { ...(socketId && { socketId }), ...(presenceId && { presenceId }) },
      }),
    },
  };
}

async function startWithMemory(options: HexpushOptions = {}): Promise<HostWithSubscribers> {
  const memory = new MemoryTransport();
  const host = await startOnNode({ ...options, transports: [memory] });
  return {
    ...host,
    async connect(identity = {}) {
      let onClose = (): void => {};
      const closed = new Promise<void>((resolve) => {
        onClose = resolve;
      });
      const socket = memory.connect({ onMessage: () => {}, onClose, identity });
      return {
        join: async (...channels) => {
          for (const channel of channels) socket.join(channel);
        },
        closed,
      };
    },
  };
}
