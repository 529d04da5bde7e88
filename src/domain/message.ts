import type { Json } from "./json.js";

/** One push on one channel, as it is delivered. */
export interface Message {
  readonly channel: string;
  readonly event: string;
  readonly data: Json;
  /**
   * The message's position in its channel's history, if the channel keeps one: `EPOCH-SEQUENCE`,
   * opaque to clients. The sequence counts the messages of this channel only.
   */
  readonly id?: string;
}
