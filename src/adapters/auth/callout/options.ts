/** @see HttpCalloutPolicy */
export interface HttpCalloutOptions {
  /** The application's URL: http or https, without user, password and fragment. */
  readonly url: string;
  /** Signs each question (`x-hexpush-signature`). @defaultValue questions are not signed */
  readonly secret?: string | undefined;
  /** How long one attempt may take, in milliseconds; there are at most two. @defaultValue 2000 */
  readonly timeoutMs?: number | undefined;
  /**
   * The header fields of a caller that the application sees.
   * @defaultValue ["authorization", "cookie", "origin", "user-agent", "x-forwarded-for"]
   */
  readonly forwardHeaders?: readonly string[] | undefined;
  /** Whether the application sees a push's data. @defaultValue false */
  readonly sendData?: boolean | undefined;
  /**
   * Whether the application is asked about operators; otherwise they are denied without asking.
   * @defaultValue false
   */
  readonly operates?: boolean | undefined;
  /** Most answers that are kept; 0 keeps none. @defaultValue 10_000 */
  readonly cacheEntriesMax?: number | undefined;
  /** Longest answer, in bytes. @defaultValue 65_536 */
  readonly answerBytesMax?: number | undefined;
  /** Most calls at one time; further questions are denied at once. @defaultValue 1000 */
  readonly inFlightMax?: number | undefined;
  /** The time in milliseconds since 1970. @defaultValue Date.now */
  readonly now?: (() => number) | undefined;
  /** Called for each question without a usable answer, for the log; the message contains no secret. */
  readonly onFault?: ((fault: CalloutFaultReport) => void) | undefined;
}

export type Question = "push" | "connect" | "join" | "operate";

export interface CalloutFaultReport {
  readonly question: Question;
  readonly message: string;
}

/** The options with their defaults, checked. */
export interface CalloutSettings {
  readonly url: URL;
  readonly secret: string | undefined;
  readonly timeoutMs: number;
  readonly forwardHeaders: readonly string[];
  readonly sendData: boolean;
  readonly operates: boolean;
  readonly cacheEntriesMax: number;
  readonly answerBytesMax: number;
  readonly inFlightMax: number;
  readonly now: () => number;
  readonly onFault: (fault: CalloutFaultReport) => void;
}

const FORWARD_HEADERS = ["authorization", "cookie", "origin", "user-agent", "x-forwarded-for"];

/** A field's name (RFC 9110, section 5.6.2). */
const TOKEN = /^[\w!#$%&'*+.^`|~-]+$/;

/** @throws {TypeError} one line that names the invalid option; it quotes neither url nor secret. */
export function checkCalloutOptions(options: HttpCalloutOptions): CalloutSettings {
  const { secret, forwardHeaders = FORWARD_HEADERS } = options;
  const { sendData = false, operates = false } = options;
  const { now = Date.now, onFault = () => {} } = options;
  if (secret !== undefined && (typeof secret !== "string" || secret === "")) {
    throw new TypeError("secret must be a string that is not empty");
  }
  const isNames = Array.isArray(forwardHeaders) && forwardHeaders.every(isFieldName);
  if (!isNames) throw new TypeError("forwardHeaders must be an array of header field names");
  if (typeof sendData !== "boolean") throw new TypeError("sendData must be a boolean");
  if (typeof operates !== "boolean") throw new TypeError("operates must be a boolean");
  if (typeof now !== "function") throw new TypeError("now must be a function");
  if (typeof onFault !== "function") throw new TypeError("onFault must be a function");
  const { timeoutMs = 2000 } = options;
  if (!(typeof timeoutMs === "number" && timeoutMs >= 1 && timeoutMs <= 60_000)) {
    throw new TypeError("timeoutMs must be a number from 1 to 60000");
  }
  return {
    url: checkUrl(options.url),
    secret,
    timeoutMs,
    forwardHeaders: [...new Set(forwardHeaders.map((name) => name.toLowerCase()))],
    sendData,
    operates,
    cacheEntriesMax: wholeNumber("cacheEntriesMax", options.cacheEntriesMax ?? 10_000, 0),
    answerBytesMax: wholeNumber("answerBytesMax", options.answerBytesMax ?? 65_536, 1),
    inFlightMax: wholeNumber("inFlightMax", options.inFlightMax ?? 1000, 1),
    now,
    onFault,
  };
}

function isFieldName(name: unknown): boolean {
  return typeof name === "string" && TOKEN.test(name);
}

function checkUrl(text: string): URL {
  const url = typeof text === "string" && URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol)) {
    throw new TypeError("url must be an http or https URL");
  }
  if (url.username !== "" || url.password !== "" || url.hash !== "") {
    throw new TypeError("url must have no user, no password and no fragment");
  }
  return url;
}

function wholeNumber(name: string, value: number, min: number): number {
  if (Number.isSafeInteger(value) && value >= min && value <= 1e9) return value;
  throw new TypeError(`${name} must be a whole number from ${min} to 1000000000`);
}
