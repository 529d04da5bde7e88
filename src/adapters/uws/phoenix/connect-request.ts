/** What a WebSocket connect request says before anybody decides on it. */
export interface ConnectRequest {
  /** The query string's parameters without `vsn`; of a repeated one the last counts. */
  readonly params: Record<string, string>;
  /** Undefined where the client asks for a version that is not served. */
  readonly version: "1.0.0" | "2.0.0" | undefined;
  readonly token: string | undefined;
  /** The subprotocol to answer with; none where the client offered none that is served. */
  readonly protocol: string;
}

/** phoenix.js 1.8 offers the subprotocols `phoenix` and this, followed by its authToken in Base64. */
const TOKEN_PROTOCOL = "base64url.bearer.phx.";

/**
 * @param query the query string without "?"
 * @param protocols the header field `sec-websocket-protocol`
 */
export function readConnectRequest(query: string, protocols: string): ConnectRequest {
  const params: Record<string, string> = Object.create(null);
  for (const [name, value] of new URLSearchParams(query)) params[name] = value;
  const vsn = params.vsn;
  delete params.vsn;
  const offered = protocols.split(",").map((protocol) => protocol.trim());
  return {
    params,
    version: versionOf(vsn),
    token: params.token ?? tokenOf(offered),
    // A browser fails the connection where it offered subprotocols and the answer takes none.
    protocol: offered.includes("phoenix") ? "phoenix" : "",
  };
}

/** Phoenix accepts `~> 1.0.0` and `~> 2.0.0`, and 1.0.0 where the client names none. */
function versionOf(vsn: string | undefined): ConnectRequest["version"] {
  if (vsn === undefined || /^1\.0\.\d+$/.test(vsn)) return "1.0.0";
  return /^2\.0\.\d+$/.test(vsn) ? "2.0.0" : undefined;
}

function tokenOf(protocols: readonly string[]): string | undefined {
  const found = protocols.find((protocol) => protocol.startsWith(TOKEN_PROTOCOL));
  return found === undefined
    ? undefined
    : Buffer.from(found.slice(TOKEN_PROTOCOL.length), "base64").toString("utf8");
}
