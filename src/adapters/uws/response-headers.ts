import { validateHeaderName, validateHeaderValue } from "node:http";
import { Writable } from "node:stream";

/** Name in lower case → the name as it was set, and the value. */
export type HeaderFields = Map<string, [name: string, value: HeaderValue]>;

export type HeaderValue = string | number | readonly string[];
type HeaderRecord = Readonly<Record<string, HeaderValue>>;

/** The header methods of `http.ServerResponse`. */
export abstract class ResponseWithHeaders extends Writable {
  statusCode = 200;
  statusMessage = "";
  sendDate = true;
  protected readonly fields: HeaderFields = new Map();
  #isHeadWritten = false;

  /** True from `writeHead` on, as with Node, whether or not a byte has left. */
  get headersSent(): boolean {
    return this.#isHeadWritten;
  }

  setHeader(name: string, value: HeaderValue): this {
    this.#assertNotSent("set");
    validateHeaderName(name);
    if (Array.isArray(value)) for (const each of value) validateHeaderValue(name, each);
    else validateHeaderValue(name, value as string);
    this.fields.set(name.toLowerCase(), [name, value]);
    return this;
  }

  setHeaders(headers: Iterable<readonly [string, HeaderValue]>): this {
    for (const [name, value] of headers) this.setHeader(name, value);
    return this;
  }

  appendHeader(name: string, value: string | readonly string[]): this {
    const before = this.getHeader(name);
    const values = before === undefined ? [] : Array.isArray(before) ? before : [String(before)];
    return this.setHeader(name, [...values, ...(typeof value === "string" ? [value] : value)]);
  }

  getHeader(name: string): HeaderValue | undefined {
    return this.fields.get(name.toLowerCase())?.[1];
  }

  getHeaders(): Record<string, HeaderValue> {
    const headers: Record<string, HeaderValue> = Object.create(null);
    for (const [name, [, value]] of this.fields) headers[name] = value;
    return headers;
  }

  getHeaderNames(): string[] {
    return [...this.fields.keys()];
  }

  hasHeader(name: string): boolean {
    return this.fields.has(name.toLowerCase());
  }

  removeHeader(name: string): void {
    this.#assertNotSent("remove");
    this.fields.delete(name.toLowerCase());
  }

  /** @param headers as a record, or as an array of names and values in turn. */
  writeHead(status: number, message?: string, headers?: HeaderRecord | readonly string[]): this;
  writeHead(status: number, headers?: HeaderRecord | readonly string[]): this;
  writeHead(
    status: number,
    second?: string | HeaderRecord | readonly string[],
    third?: HeaderRecord | readonly string[],
  ): this {
    this.#assertNotSent("write");
    if (!Number.isInteger(status) || status < 100 || status > 999) {
      throw Object.assign(new RangeError(`Invalid status code: ${status}`), {
        code: "ERR_HTTP_INVALID_STATUS_CODE",
      });
    }
    this.statusCode = status;
    if (typeof second === "string") this.statusMessage = second;
    const headers = typeof second === "string" ? third : second;
    if (Array.isArray(headers)) this.#setInTurn(headers);
    else for (const [name, value] of Object.entries(headers ?? {})) this.setHeader(name, value);
    this.markHeadWritten();
    return this;
  }

  protected markHeadWritten(): void {
    this.#isHeadWritten = true;
  }

  /** A name that comes twice has two values; what was set before gives way. */
  #setInTurn(namesAndValues: readonly string[]): void {
    const given = new Set<string>();
    for (let at = 0; at + 1 < namesAndValues.length; at += 2) {
      const [name = "", value = ""] = namesAndValues.slice(at, at + 2);
      if (given.has(name.toLowerCase())) this.appendHeader(name, value);
      else this.setHeader(name, value);
      given.add(name.toLowerCase());
    }
  }

  #assertNotSent(verb: string): void {
    if (!this.#isHeadWritten) return;
    throw Object.assign(new Error(`Cannot ${verb} headers after they are sent to the client`), {
      code: "ERR_HTTP_HEADERS_SENT",
    });
  }
}
