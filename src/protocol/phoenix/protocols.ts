import type { Subscriptions } from "../../application/subscriptions/subscriptions.js";
import { codecV1 } from "./codec-v1.js";
import { codecV2 } from "./codec-v2.js";
import { PhoenixProtocol } from "./phoenix-protocol.js";

/** One protocol for each version of Phoenix's serializer. */
export type PhoenixProtocols = Readonly<Record<"1.0.0" | "2.0.0", PhoenixProtocol>>;

export function phoenixProtocols(subscriptions: Subscriptions): PhoenixProtocols {
  return {
    "1.0.0": new PhoenixProtocol(codecV1, subscriptions),
    "2.0.0": new PhoenixProtocol(codecV2, subscriptions),
  };
}
