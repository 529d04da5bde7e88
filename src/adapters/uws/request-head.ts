/**
 * What uWebSockets.js lets through and a strict server must refuse (RFC 9112, sections 3.2 and 6):
 * the bytes after such a head could be read by one server as a body and by the next as a request.
 */
export interface RequestHead {
  /** Names in lower case; nothing is inherited, so that no name is special. */
  readonly headers: Record<string, string>;
  /** Why the request must be refused; undefined if it must not. */
  readonly fault: string | undefined;
}

/** The same each time it is asked. */
interface HeaderSource {
  forEach(each: (name: string, value: string) => unknown): void;
}

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

/** The last one that was found well-formed: a client names the same host each time. */
let goodHost = "";

/** No prototype either, and other than `Object.create(null)` with properties that V8 knows the place of. */
const KnownFields = function KnownFields() {} as unknown as new () => Record<string, string>;
KnownFields.prototype = Object.create(null);

/** Reads one head after the other, so that none needs functions of its own. */
class HeadReader {
  #headers: Record<string, string> = new KnownFields();
  #allKnown = true;
  #hosts = 0;
  #lengths = 0;
  #codings = 0;
  #control = false;

  read(source: HeaderSource): RequestHead {
    this.#headers = new KnownFields();
    this.#allKnown = true;
    this.#hosts = 0;
    this.#lengths = 0;
    this.#codings = 0;
    this.#control = false;
    source.forEach(this.#add);
    const framing = this.#framingFault();
    // A value that fails there may have one too, which is the worse fault.
    if (framing !== undefined) source.forEach(this.#check);
    const fault = this.#control ? "A header field holds a control character." : framing;
    return { headers: this.#headers, fault };
  }

  readonly #add = (sent: string, value: string): void => {
    const known = knownName(sent);
    if (known === undefined && this.#allKnown) {
      // Each order of names makes V8 keep a description: not for what strangers make up.
      this.#headers = Object.assign(Object.create(null), this.#headers);
      this.#allKnown = false;
    }
    const name = known ?? sent;
    if (name === "host") this.#hosts++;
    else if (name === "content-length") this.#lengths++;
    else if (name === "transfer-encoding") this.#codings++;
    // What is asked of those above leaves no room for a control character.
    else if (value !== "application/json") this.#check(name, value);
    const headers = this.#headers;
    const before = headers[name];
    if (before === undefined) headers[name] = value;
    else if (!SINGLE.has(name))
      headers[name] = `${before}${name === "cookie" ? "; " : ", "}${value}`;
  };

  readonly #check = (_name: string, value: string): void => {
    this.#control ||= CONTROL.test(value);
  };

  #framingFault(): string | undefined {
    if (this.#hosts !== 1) return "A request needs exactly one host field.";
    const { host = "" } = this.#headers;
    if (host !== goodHost) {
      if (!HOST.test(host)) return "The host field is malformed.";
      goodHost = host;
    }
    const codings = this.#codings;
    const lengths = this.#lengths;
    if (codings > 1 || (codings === 1 && this.#headers["transfer-encoding"] !== "chunked")) {
      return "The only transfer-encoding that is understood is chunked.";
    }
    if (lengths > 1) return "A request must not have several content-length fields.";
    if (lengths === 1 && !CONTENT_LENGTH.test(this.#headers["content-length"] ?? "")) {
      return "The content-length field is malformed.";
    }
    if (lengths === 1 && codings === 1) {
      return "A request must not have both content-length and transfer-encoding.";
    }
    return undefined;
  }
}

const reader = new HeadReader();

export function readRequestHead(source: HeaderSource): RequestHead {
  return reader.read(source);
}

/** Names and values in turn, as they came. */
export function rawHeadersOf(source: HeaderSource): string[] {
  const rawHeaders: string[] = [];
  source.forEach((name, value) => {
    rawHeaders.push(name, value);
  });
  return rawHeaders;
}

/**
 * The name as a constant, if it is one that callers of an API send, or those of a WebSocket: each
 * request brings new strings, and to find a property by a new string takes longer than to find the constant.
 */
function knownName(name: string): string | undefined {
  switch (name) {
    case "host":
      return "host";
    case "content-type":
      return "content-type";
    case "content-length":
      return "content-length";
    case "authorization":
      return "authorization";
    case "accept":
      return "accept";
    case "connection":
      return "connection";
    case "user-agent":
      return "user-agent";
    case "accept-encoding":
      return "accept-encoding";
    case "accept-language":
      return "accept-language";
    case "sec-fetch-mode":
      return "sec-fetch-mode";
    case "x-request-id":
      return "x-request-id";
    case "idempotency-key":
      return "idempotency-key";
    case "transfer-encoding":
      return "transfer-encoding";
    case "upgrade":
      return "upgrade";
    case "sec-websocket-key":
      return "sec-websocket-key";
    case "sec-websocket-version":
      return "sec-websocket-version";
    case "sec-websocket-extensions":
      return "sec-websocket-extensions";
    case "sec-websocket-protocol":
      return "sec-websocket-protocol";
    case "origin":
      return "origin";
    case "cookie":
      return "cookie";
    case "pragma":
      return "pragma";
    case "cache-control":
      return "cache-control";
    default:
      return undefined;
  }
}
