import { isPromise } from "../domain/maybe-promise.js";
import type { PushListener } from "../domain/push-listener.js";

export type ListenerEvent = keyof PushListener;

/** Called if a listener throws or rejects; the error is the listener's own. */
export type ListenerFault<Event = ListenerEvent> = (event: Event, error: unknown) => void;

export const PUSH_EVENTS = [
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
 * Combines several listeners into one that neither throws nor rejects. All are called in order, even
 * if one fails.
 *
 * The result has no method for an event without a listener, so that such an event costs its source
 * one comparison.
 */
export function combineListeners(
  listeners: readonly PushListener[],
  report: ListenerFault,
): PushListener {
  return combineEvents(PUSH_EVENTS, listeners, report);
}

/** As `combineListeners`, for any kind of listener. @param events the methods to combine */
export function combineEvents<L extends object, Event extends keyof L>(
  events: readonly Event[],
  listeners: readonly L[],
  report: ListenerFault<Event>,
): Pick<L, Event> {
  const combined: Partial<Record<Event, (event: never) => void>> = {};
  for (const event of events) {
    const interested = listeners.filter((listener) => typeof listener[event] === "function");
    if (interested.length === 0) continue;
    const onError = (error: unknown) => report(event, error);
    combined[event] = (details: never) => {
      for (const listener of interested as readonly Record<Event, (event: never) => unknown>[]) {
        try {
          const result = listener[event](details);
          if (isPromise(result)) result.then(undefined, onError);
        } catch (error) {
          onError(error);
        }
      }
    };
  }
  return combined as Pick<L, Event>;
}
