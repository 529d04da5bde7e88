import type { Headers } from "../../domain/auth-policy.js";
import { nameFault } from "../../domain/name.js";

export interface StreamLimits {
  /** Longest channel name, in UTF-8 bytes. */
  readonly channelNameBytesMax: number;
  /** Most channels of one stream. */
  readonly channelsPerSocketMax: number;
}

/** What a request for a stream asks for. */
export interface StreamRequest {
  /** Each once, in the order in which they came. */
  readonly channels: readonly string[];
  readonly token: string | undefined;
  /** The cursor of the last event that the client has. */
  readonly since: string | undefined;
  /** The other parameters of the query string; of a repeated one the last counts. */
  readonly params: Readonly<Record<string, string>>;
}

/** The request cannot be served; `fault` is for the client. */
export interface StreamFault {
  readonly fault: string;
}

/**
 * `?channel=a&channel=b`, with `token` and `last_event_id` for clients that cannot send fields. An
 * EventSource sends `Last-Event-ID` by itself when it reconnects; its URL is still the old one then,
 * so the field takes precedence.
 *
 * @param query of the URL, without "?"
 */
export function readStreamRequest(
  query: string,
  headers: Headers,
  limits: StreamLimits,
): StreamRequest | StreamFault {
  const channels = new Set<string>();
  const params: Record<string, string> = Object.create(null);
  let asked: string | undefined;
  for (const [name, value] of new URLSearchParams(query)) {
    if (name === "channel") channels.add(value);
    else if (name === "last_event_id") asked = value;
    else params[name] = value;
  }
  const fault = faultOf(channels, limits);
  if (fault !== undefined) return { fault: `channel ${fault}.` };
  // A browser cannot send an empty field, and a page may send an empty parameter for no id.
  const since = headers["last-event-id"] || asked || undefined;
  return { channels: [...channels], token: params.token ?? bearer(headers), since, params };
}

function faultOf(channels: ReadonlySet<string>, limits: StreamLimits): string | undefined {
  const { channelNameBytesMax, channelsPerSocketMax } = limits;
  if (channels.size === 0) return "must be given at least once";
  if (channels.size > channelsPerSocketMax) {
    return `must not name more than ${channelsPerSocketMax} channels`;
  }
  for (const channel of channels) {
    const fault = channel === "" ? "must not be empty" : nameFault(channel, channelNameBytesMax);
    if (fault !== undefined) return fault;
  }
  return undefined;
}

/** RFC 6750, section 2.1. */
function bearer({ authorization }: Headers): string | undefined {
  return /^Bearer +(\S+)[ \t]*$/i.exec(authorization ?? "")?.[1];
}
