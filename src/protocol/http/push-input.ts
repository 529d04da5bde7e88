import { Json } from "../../domain/json.js";
import { JsonScanner, OPEN_BRACE, QUOTE } from "../../domain/json-scanner.js";
import type { PushInput } from "../../domain/push.js";

export type PushInputResult =
  | {
      readonly ok: true;
      readonly input: PushInput;
      /** The member `dry_run`, unchecked: the caller asks for a check only. */
      readonly dryRun?: unknown;
    }
  | { readonly ok: false; readonly message: string };

/**
 * Reads a push's members from the JSON text of a request body; `data` is kept as text, members
 * that no push has are ignored, and an empty text or a JSON value other than an object has no members.
 *
 * Not ok only if the text is not JSON.
 */
export function parsePushInput(text: string): PushInputResult {
  if (text === "") return { ok: true, input: {} };
  const scanner = new JsonScanner(text);
  try {
    scanner.skipBlanks();
    const read = new PushInputReader(scanner).read();
    scanner.end();
    return read;
  } catch {
    return { ok: false, message: "The request body is not valid JSON." };
  }
}

/** Reads pushes one after the other. A batch needs one reader for all of its pushes. */
export class PushInputReader {
  readonly #scanner: JsonScanner;
  #channel: unknown;
  #event: unknown;
  #data: Json | undefined;
  #dryRun: unknown;

  constructor(scanner: JsonScanner) {
    this.#scanner = scanner;
  }

  /** Reads the next JSON value. @throws {SyntaxError} if there is none. */
  read(): Extract<PushInputResult, { ok: true }> {
    const scanner = this.#scanner;
    if (scanner.next !== OPEN_BRACE) {
      scanner.value();
      return { ok: true, input: {} };
    }
    this.#channel = undefined;
    this.#event = undefined;
    this.#data = undefined;
    this.#dryRun = undefined;
    scanner.each(this.#readMember);
    const input = { channel: this.#channel, event: this.#event, data: this.#data };
    return { ok: true, input, dryRun: this.#dryRun };
  }

  readonly #readMember = (): void => {
    const scanner = this.#scanner;
    const key = scanner.key();
    // The first of several equal keys counts, as in PushEx.
    if (key === "channel" && this.#channel === undefined) this.#channel = readShallow(scanner);
    else if (key === "event" && this.#event === undefined) this.#event = readShallow(scanner);
    else if (key === "data" && this.#data === undefined) this.#data = Json.read(scanner);
    else if (key === "dry_run" && this.#dryRun === undefined) this.#dryRun = readShallow(scanner);
    else scanner.value();
  };
}

/** A name, a list of names, or what was sent instead. Nested values stay text: no push has them there. */
function readShallow(scanner: JsonScanner): unknown {
  if (scanner.next === QUOTE) return scanner.stringValue();
  const json = Json.read(scanner);
  return json.elements()?.map((each) => each.shallowValue()) ?? json.shallowValue();
}
