/**
 * Control characters (C0, DEL, C1), line separators, and characters that change the direction of
 * text. They could move the cursor, change colours, or disguise a line.
 */
const CONTROLS =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the pattern finds control characters
  /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g;

const SHORT: Readonly<Record<string, string>> = {
  "\b": "\\b",
  "\t": "\\t",
  "\n": "\\n",
  "\f": "\\f",
  "\r": "\\r",
};

/** Makes foreign text safe for a terminal: control characters become JSON escapes. */
export function printable(text: string): string {
  return text.replace(
    CONTROLS,
    (control) => SHORT[control] ?? `\\u${control.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/** Why a connection failed, as text without secrets. */
export function networkFault(error: unknown): string {
  // fetch puts the reason into `cause`. If it tried several addresses, the error has only a code.
  const cause = (error as { cause?: unknown }).cause ?? error;
  const { code, message } = cause as { code?: string; message?: string };
  const reasons: Readonly<Record<string, string>> = {
    ECONNREFUSED: "connection refused",
    ENOTFOUND: "no such host",
    ECONNRESET: "the connection was lost",
    UND_ERR_SOCKET: "the connection was lost",
  };
  return reasons[code ?? ""] ?? printable(message || code || "the connection failed");
}
