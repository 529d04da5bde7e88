/** What a WebSocket connect request says before anybody decides on it. */
export interface ConnectRequest {
  /** The query string's parameters without `vsn`; of a repeated one the last counts. */
  readonly params: Record<string, string>;
  /** Undefined if the client asks for a version that is not served. */
  readonly version: "1.0.0" | "2.0.0" | undefined;
  readonly token: string | undefined;
  /** The subprotocol to answer with; empty if the client offered none that is served. */
  readonly protocol: string;
}

/** phoenix.js 1.8 offers the subprotocols `phoenix` and this, followed by its authToken in Base64. */
const TOKEN_PROTOCOL = "base64url.bearer.phx.";

const NONE: readonly string[] = [];
/** In these characters nothing is encoded. */
const PLAIN = /^[\w.~=&:,-]*$/;

/**
 * @param query the query string without "?"
 * @param protocols the header field `sec-websocket-protocol`
 */
export function readConnectRequest(query: string, protocols: string): ConnectRequest {
  const { params, vsn } = parametersOf(query);
  const offered = protocols === "" ? NONE : protocols.split(",").map((protocol) => protocol.trim());
  return {
    params,
    version: versionOf(vsn),
    token: params.token ?? tokenOf(offered),
    // A browser fails the connection if it offered subprotocols and the answer takes none.
    protocol: offered.includes("phoenix") ? "phoenix" : "",
  };
}

interface QueryParameters {
  readonly params: Record<string, string>;
  readonly vsn: string | undefined;
}

/** No prototype either, and made faster than with `Object.create(null)`: most clients send none. */
const NoParams = function NoParams() {} as unknown as new () => Record<string, string>;
NoParams.prototype = Object.create(null);

/** As `URLSearchParams` has them, which costs a connect as much as everything else that is read. */
function parametersOf(query: string): QueryParameters {
  // What phoenix.js sends if the application gives no parameters.
  if (query === "vsn=2.0.0") return { params: new NoParams(), vsn: "2.0.0" };
  const params: Record<string, string> = Object.create(null);
  let vsn: string | undefined;
  for (const [name, value] of PLAIN.test(query) ? split(query) : new URLSearchParams(query)) {
    if (name === "vsn") vsn = value;
    else params[name] = value;
  }
  return { params, vsn };
}

function split(query: string): Iterable<readonly [name: string, value: string]> {
  const parameters: [string, string][] = [];
  for (const part of query.split("&")) {
    const at = part.indexOf("=");
    if (at !== -1) parameters.push([part.slice(0, at), part.slice(at + 1)]);
    else if (part !== "") parameters.push([part, ""]);
  }
  return parameters;
}

/** Phoenix accepts `~> 1.0.0` and `~> 2.0.0`, and 1.0.0 if the client names none. */
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
