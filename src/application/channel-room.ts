import type { Transport } from "../domain/transport.js";
import type { ChannelRules } from "./channel-rules.js";

/** Whether a channel has room for one more, by the rules, over all transports that take joins. */
export class ChannelRoom {
  readonly #rules: ChannelRules;
  readonly #transports: Pick<Transport, "subscribers">[] = [];

  constructor(rules: ChannelRules) {
    this.#rules = rules;
  }

  /** What is joined over this transport counts from now on. */
  add<T extends Pick<Transport, "subscribers">>(transport: T): T {
    this.#transports.push(transport);
    return transport;
  }

  /** Words for a client whose join would be one too many; undefined where it is not. */
  fullness(channel: string): string | undefined {
    if (!this.#rules.limitsSubscribers) return undefined;
    let subscribers = 0;
    for (const transport of this.#transports) subscribers += transport.subscribers(channel);
    return this.#rules.fullness(channel, subscribers);
  }
}
