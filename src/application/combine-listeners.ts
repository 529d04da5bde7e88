import { isPromise } from "../domain/maybe-promise.js";
import type { PushListener } from "../domain/push-listener.js";

export type ListenerEvent = keyof PushListener;

/** A listener threw or rejected; the error is its own. */
export type ListenerFault = (event: ListenerEvent, error: unknown) => void;

const EVENTS = [
  "apiRequested",
  "apiProcessed",
  "pushRequested",
  "pushRefused",
  "messageDelivered",
  "socketConnected",
  "socketClosed",
  "channelJoined",
  "channelLeft",
  "consumerCut",
] as const satisfies readonly ListenerEvent[];

/**
 * Several listeners as one that neither throws nor rejects, with their contract enforced: each is
 * called in their order, whatever the others do.
 *
 * An event that none of them hears is not there at all, so that it costs its source one look.
 */
export function combineListeners(
  listeners: readonly PushListener[],
  report: ListenerFault,
): PushListener {
  const combined: Partial<Record<ListenerEvent, (event: never) => void>> = {};
  for (const event of EVENTS) {
    const hearing = listeners.filter((listener) => typeof listener[event] === "function");
    if (hearing.length === 0) continue;
    const onError = (error: unknown) => report(event, error);
    combined[event] = (details: never) => {
      for (const listener of hearing) {
        try {
          const result = listener[event]?.(details);
          if (isPromise(result)) result.then(undefined, onError);
        } catch (error) {
          onError(error);
        }
      }
    };
  }
  return combined as PushListener;
}
