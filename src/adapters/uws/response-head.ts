import { STATUS_CODES } from "node:http";
import type { RawResponse } from "./raw-http.js";
import type { HeaderFields } from "./response-headers.js";

/** uWebSockets.js writes these itself, from what it really sends. */
const OWN_HEADERS = new Set([
  "connection",
  "content-length",
  "date",
  "keep-alive",
  "transfer-encoding",
]);

/** Writes the status line and the handler's fields; within `cork`, and before anything else. */
export function writeResponseHead(
  raw: RawResponse,
  statusCode: number,
  statusMessage: string,
  fields: HeaderFields,
): void {
  const status = validStatus(statusCode);
  const reason = statusText(statusMessage) || STATUS_CODES[status] || "unknown";
  raw.writeStatus(`${status} ${reason}`);
  for (const [key, [name, value]] of fields) {
    if (OWN_HEADERS.has(key)) continue;
    if (typeof value === "string") raw.writeHeader(name, headerText(value));
    else if (typeof value === "number") raw.writeHeader(name, String(value));
    else for (const each of value) raw.writeHeader(name, headerText(each));
  }
}

function validStatus(status: number): number {
  const code = Number(status) | 0;
  return code >= 100 && code <= 999 ? code : 500;
}

/** Whether a `connection` field asks for the end of the connection. */
export function hasClose(connection: string): boolean {
  return connection === "close" || /(?:^|,)[ \t]*close[ \t]*(?:,|$)/i.test(connection);
}

/** Nothing if the handler set a text that could end the status line. */
function statusText(message: string): string {
  return /^[\x20-\x7e]*$/.test(message) ? message : "";
}

/** Node writes header text as Latin-1, and uWebSockets.js a string as UTF-8. */
function headerText(value: string): string | Uint8Array {
  for (let at = 0; at < value.length; at++) {
    if (value.charCodeAt(at) > 0x7f) return Buffer.from(value, "latin1");
  }
  return value;
}
