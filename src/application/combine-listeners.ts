import { isPromise } from "../domain/maybe-promise.js";
import type { PushListener } from "../domain/push-listener.js";

export type ListenerEvent = keyof PushListener;

/** A listener threw or rejected; the error is its own. */
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
 * Combines several listeners into one that neither throws nor rejects: each is called in order,
 * whatever the others do.
 *
 * An event that none of them listens to is missing, so that its source spends one look on it.
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
    const hearing = listeners.filter((listener) => typeof listener[event] === "function");
    if (hearing.length === 0) continue;
    const onError = (error: unknown) => report(event, error);
    combined[event] = (details: never) => {
      for (const listener of hearing as readonly Record<Event, (event: never) => unknown>[]) {
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
