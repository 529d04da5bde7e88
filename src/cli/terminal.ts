/**
 * Controls (C0, DEL, C1), line separators, and what turns the direction of writing: they could
 * move the cursor, change colours, or make a line look like another one.
 */
const CONTROLS =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g;

const SHORT: Readonly<Record<string, string>> = {
  "\b": "\\b",
  "\t": "\\t",
  "\n": "\\n",
  "\f": "\\f",
  "\r": "\\r",
};

/** Foreign text for a line on a terminal: such characters become the escapes of JSON. */
export function printable(text: string): string {
  return text.replace(
    CONTROLS,
    (control) => SHORT[control] ?? `\\u${control.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/** Why there is no connection, in words that hold nothing secret. */
export function networkFault(error: unknown): string {
  // fetch hides the reason in `cause`; of several addresses tried, the error has a code only.
  const cause = (error as { cause?: unknown }).cause ?? error;
  const { code, message } = cause as { code?: string; message?: string };
  const reasons: Readonly<Record<string, string>> = {
    ECONNREFUSED: "nothing listens there",
    ENOTFOUND: "no such host",
    ECONNRESET: "the connection was cut",
    UND_ERR_SOCKET: "the connection was cut",
  };
  return reasons[code ?? ""] ?? printable(message || code || "the connection failed");
}
