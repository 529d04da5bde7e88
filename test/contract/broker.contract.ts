import { afterEach, describe } from "vitest";
import type { HistoryLimits } from "../../src/domain/broker.js";
import { deliveryContract } from "./broker-delivery.contract.js";
import { historyContract } from "./broker-history.contract.js";
import { idempotencyContract } from "./broker-idempotency.contract.js";
import { type BrokerSetup, type BrokerSite, Station } from "./broker-station.js";

export type { BrokerSetup, BrokerSite } from "./broker-station.js";

export interface BrokerContractOptions {
  /** A new place with nothing in it. */
  readonly site: (setup: BrokerSetup) => BrokerSite | Promise<BrokerSite>;
  readonly features: BrokerFeatures;
}

/** What not all adapters have. */
export interface BrokerFeatures {
  /** What was accepted, and its ids, outlive the broker. */
  readonly historySurvivesRestart: boolean;
  readonly keysSurviveRestart: boolean;
  /** Several brokers may run over one site, and each gets the others' messages. */
  readonly severalNodes: boolean;
  /** Times are taken from the setup's `now`, and not from a server's clock. */
  readonly takesTheClock: boolean;
}

/** What the tests of the contract work with. */
export interface Bench {
  readonly features: BrokerFeatures;
  /** A started broker on a new site. */
  begin(setup?: Partial<BrokerSetup>): Promise<Station>;
  /** Another one on the site of the last `begin`. */
  another(): Promise<Station>;
  /** Lets so many milliseconds pass. */
  pass(ms: number): void;
}

/** The window of idempotency keys in all tests, in milliseconds. */
export const WINDOW_MS = 60_000;

/** By the channel's name: "none…" and "no ttl…" keep nothing, "three…" 3 messages, others 200; for a minute. */
export function testLimits(channel: string): HistoryLimits {
  if (channel.startsWith("none")) return { size: 0, ttl: 60 };
  if (channel.startsWith("no ttl")) return { size: 200, ttl: 0 };
  if (channel.startsWith("the contract's own marker")) return { size: 0, ttl: 0 };
  return { size: channel.startsWith("three") ? 3 : 200, ttl: 60 };
}

/** The promises of the `Broker` port, for every adapter of it. */
export function brokerContract({ site, features }: BrokerContractOptions): void {
  let now = 0;
  let place: BrokerSite | undefined;
  const places: BrokerSite[] = [];
  const stations: Station[] = [];
  const another = async (): Promise<Station> => {
    if (place === undefined) throw new Error("begin first");
    const station = await Station.start(await place.open());
    stations.push(station);
    return station;
  };
  const bench: Bench = {
    features,
    async begin(setup = {}) {
      place = await site({
        historyLimits: testLimits,
        idempotencyKeysMax: 1000,
        idempotencyWindowMs: WINDOW_MS,
        now: () => now,
        ...setup,
      });
      places.push(place);
      return another();
    },
    another,
    pass(ms) {
      now += ms;
    },
  };
  afterEach(async () => {
    for (const { broker } of stations.splice(0)) await broker.stop();
    for (const each of places.splice(0)) await each.close?.();
    place = undefined;
  });

  describe("as every Broker", () => {
    deliveryContract(bench);
    historyContract(bench);
    idempotencyContract(bench);
  });
}
