/**
 * What uWebSockets.js lets through and a strict server must refuse (RFC 9112, sections 3.2 and 6):
 * the bytes behind such a head could be read by one server as a body and by the next as a request.
 */
export interface RequestHead {
  /** Names in lower case; no prototype, so that no name is special. */
  readonly headers: Record<string, string>;
  /** Names and values in turn, as they came. */
  readonly rawHeaders: string[];
  /** Why the request must be refused; undefined where it must not. */
  readonly fault: string | undefined;
}

type ForEachHeader = (each: (name: string, value: string) => void) => void;

/** Of these a second field means nothing, and Node keeps the first (`http.IncomingMessage.headers`). */
const SINGLE = new Set([
  "age",
  "authorization",
  "content-length",
  "content-type",
  "etag",
  "expires",
  "from",
  "host",
  "if-modified-since",
  "if-unmodified-since",
  "last-modified",
  "location",
  "max-forwards",
  "proxy-authorization",
  "referer",
  "retry-after",
  "server",
  "user-agent",
]);

/** RFC 3986, section 3.2: a registered name, an IPv4 address or an IPv6 one in brackets; a port. */
const HOST = /^(?:[\w.~%!$&'()*+,;=-]+|\[[\da-f:.]+\])(?::\d{0,5})?$/i;
const CONTENT_LENGTH = /^\d{1,15}$/;
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what no field may hold (RFC 9110, section 5.5).
const CONTROL = /[\0-\x08\x0a-\x1f\x7f]/;

export function readRequestHead(forEachHeader: ForEachHeader): RequestHead {
  const headers: Record<string, string> = Object.create(null);
  const rawHeaders: string[] = [];
  let hosts = 0;
  let lengths = 0;
  let codings = 0;
  let control = false;
  forEachHeader((name, value) => {
    rawHeaders.push(name, value);
    if (name === "host") hosts++;
    else if (name === "content-length") lengths++;
    else if (name === "transfer-encoding") codings++;
    control ||= CONTROL.test(value);
    const before = headers[name];
    if (before === undefined) headers[name] = value;
    else if (!SINGLE.has(name))
      headers[name] = `${before}${name === "cookie" ? "; " : ", "}${value}`;
  });
  const fault = control
    ? "A header field holds a control character."
    : framingFault(headers, hosts, lengths, codings);
  return { headers, rawHeaders, fault };
}

function framingFault(
  headers: Record<string, string>,
  hosts: number,
  lengths: number,
  codings: number,
): string | undefined {
  if (hosts !== 1) return "A request needs exactly one host field.";
  if (!HOST.test(headers.host ?? "")) return "The host field is malformed.";
  if (codings > 1 || (codings === 1 && headers["transfer-encoding"] !== "chunked")) {
    return "The only transfer-encoding that is understood is chunked.";
  }
  if (lengths > 1) return "A request must not have several content-length fields.";
  if (lengths === 1 && !CONTENT_LENGTH.test(headers["content-length"] ?? "")) {
    return "The content-length field is malformed.";
  }
  if (lengths === 1 && codings === 1) {
    return "A request must not have both content-length and transfer-encoding.";
  }
  return undefined;
}
