import type { IncomingHttpHeaders } from "node:http";
import { nameFault } from "../../domain/name.js";

export interface StreamLimits {
  /** Longest channel name, in UTF-8 bytes. */
  readonly channelNameBytesMax: number;
  /** Most channels of one stream. */
  readonly channelsPerSocketMax: number;
}

/** What a request for a stream says before anybody decides on it. */
export interface StreamRequest {
  /** Each once, in the order in which they came. */
  readonly channels: readonly string[];
  readonly token: string | undefined;
  /** The id of the last message that the client has. */
  readonly since: string | undefined;
  /** The other parameters of the query string; of a repeated one the last counts. */
  readonly params: Readonly<Record<string, string>>;
}

/** The request cannot be served; `message` is for the client. */
export interface StreamFault {
  readonly fault: string;
}

/**
 * `?channel=a&channel=b`, with `token` and `last_event_id` for who cannot send header fields. An
 * EventSource sends `Last-Event-ID` by itself when it comes back; the address is still the old one
 * then, so the field goes first.
 *
 * @param url of the request line
 */
export function readStreamRequest(
  url: string,
  headers: IncomingHttpHeaders,
  limits: StreamLimits,
): StreamRequest | StreamFault {
  const channels = new Set<string>();
  const params: Record<string, string> = Object.create(null);
  let asked: string | undefined;
  for (const [name, value] of new URLSearchParams(queryOf(url))) {
    if (name === "channel") channels.add(value);
    else if (name === "last_event_id") asked = value;
    else params[name] = value;
  }
  const fault = faultOf(channels, limits);
  if (fault !== undefined) return { fault: `channel ${fault}.` };
  // A browser can send no empty field, and a page may have an empty parameter for no id.
  const since = first(headers["last-event-id"]) || asked || undefined;
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

function queryOf(url: string): string {
  const mark = url.indexOf("?");
  return mark === -1 ? "" : url.slice(mark + 1);
}

/** RFC 6750, section 2.1. */
function bearer({ authorization }: IncomingHttpHeaders): string | undefined {
  return /^Bearer +(\S+)[ \t]*$/i.exec(authorization ?? "")?.[1];
}

function first(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value[0] : value;
}
