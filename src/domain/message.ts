import type { Json } from "./json.js";

/** One push on one channel, as it is delivered. */
export interface Message {
  readonly channel: string;
  readonly event: string;
  readonly data: Json;
  /**
   * Its position in its channel's history, where the channel keeps one: `EPOCH-SEQUENCE`, opaque to
   * clients. The sequence grows with each message of a broker, over all its channels.
   */
  readonly id?: string;
}
