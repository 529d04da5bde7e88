import type { Json } from "./json.js";

/** One push on one channel, as it is delivered. */
export interface Message {
  readonly channel: string;
  readonly event: string;
  readonly data: Json;
}
