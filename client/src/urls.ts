import type { Params, Position } from "./types.js";

/** The socket's URL for a WebSocket: ws or wss, and absolute if the page has an address. */
export function socketUrl(url: string, params: Params): string {
  const target = absolute(url);
  target.protocol = target.protocol.replace(/^http/, "ws");
  target.pathname = `${target.pathname.replace(/\/$/, "")}/websocket`;
  setParams(target, params);
  target.searchParams.set("vsn", "2.0.0");
  return target.href;
}

/** The URL of the events of these channels, after `cursor`. */
export function eventsUrl(
  { url, eventsUrl }: { readonly url: string; readonly eventsUrl?: string | undefined },
  params: Params,
  channels: Iterable<string>,
  cursor: Position | undefined,
): string {
  const target = absolute(eventsUrl ?? url);
  target.protocol = target.protocol.replace(/^ws/, "http");
  if (eventsUrl === undefined) {
    const base = /^(.*)\/push_socket\/?$/.exec(target.pathname)?.[1] ?? "";
    target.pathname = `${base}/push_events`;
  }
  setParams(target, params);
  for (const channel of channels) target.searchParams.append("channel", channel);
  if (cursor !== undefined) target.searchParams.set("last_event_id", `${cursor}`);
  return target.href;
}

/**
 * The subprotocols that carry a token, as phoenix.js sends its `authToken`: base64url, because of the
 * characters allowed in a subprotocol.
 */
export function tokenProtocols(token: string): string[] {
  const bytes = String.fromCharCode(...new TextEncoder().encode(token));
  const encoded = btoa(bytes).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
  return ["phoenix", `base64url.bearer.phx.${encoded}`];
}

function absolute(url: string): URL {
  const { location } = globalThis as { location?: { readonly href: string } };
  return new URL(url, location?.href);
}

function setParams(url: URL, params: Params): void {
  for (const [name, value] of Object.entries(params)) url.searchParams.set(name, `${value}`);
}
