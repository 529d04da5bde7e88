import type { RawResponse } from "./raw-http.js";

/*
 * An answer that is whole for the client while the request stays pending for uWebSockets.js: should
 * more bytes of the same read follow, it closes the connection, where after `end(body, true)` it
 * would go on with them. It is written as the text of a header field; uWebSockets.js ends each of
 * those with CRLF, which is the last line break that the answer needs.
 *
 * Each of these is the last thing to be written, within `cork` and after a field of its own.
 */

/** Ends the head; no body follows. */
export function writeEndOfHead(raw: RawResponse): void {
  raw.writeHeader("connection", "close\r\n");
}

/** The body to the byte, as one chunk. */
export function writeWholeBody(raw: RawResponse, body: Uint8Array): void {
  raw.writeHeader("connection", "close");
  const size = body.length.toString(16);
  const chunk = body.length === 0 ? [] : [Buffer.from(`${size}\r\n`), body, Buffer.from("\r\n")];
  raw.writeHeader(
    "transfer-encoding",
    Buffer.concat([Buffer.from("chunked\r\n\r\n"), ...chunk, Buffer.from("0\r\n")]),
  );
}

/** Ends a body that uWebSockets.js writes in chunks, by a trailer field: there is no other line to end. */
export function writeEndOfChunks(raw: RawResponse): void {
  raw.writeHeader("\r\n0\r\nx-end", "1\r\n");
}

/** JSON, whose end a line break may follow: so its length can be told. */
export function writeJsonBody(raw: RawResponse, json: string): void {
  raw.writeHeader("content-type", "application/json; charset=utf-8");
  raw.writeHeader("connection", "close");
  raw.writeHeader("content-length", `${Buffer.byteLength(json) + 2}\r\n\r\n${json}`);
}
