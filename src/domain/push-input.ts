import { Json } from "./json.js";
import { type Cut, JsonScanner, OPEN_BRACE, QUOTE } from "./json-scanner.js";
import type { PushInput } from "./push.js";

export type PushInputResult =
  | {
      readonly ok: true;
      readonly input: PushInput;
      /** The member `dry_run`, whatever it is: the caller asks for a check only. */
      readonly dryRun?: unknown;
    }
  | { readonly ok: false; readonly message: string };

/**
 * Reads a push's members from the JSON text of a request body; `data` is kept as text, members
 * that no push has are ignored, and an empty text or a JSON value that is no object has none.
 *
 * Not ok only where the text is not JSON.
 *
 * @param cut as `JsonScanner` takes it
 */
export function parsePushInput(text: string, cut?: Cut): PushInputResult {
  if (text === "") return { ok: true, input: {} };
  const scanner = new JsonScanner(text, cut);
  try {
    scanner.skipBlanks();
    const read = readPushInput(scanner);
    scanner.end();
    return read;
  } catch {
    return { ok: false, message: "The request body is not valid JSON." };
  }
}

/** Of the JSON value that comes next. @throws {SyntaxError} where none does. */
export function readPushInput(scanner: JsonScanner): Extract<PushInputResult, { ok: true }> {
  if (scanner.next !== OPEN_BRACE) {
    scanner.value();
    return { ok: true, input: {} };
  }
  let channel: unknown;
  let event: unknown;
  let data: Json | undefined;
  let dryRun: unknown;
  scanner.each(() => {
    const key = scanner.key();
    // Of duplicate keys the first counts, as with PushEx.
    if (key === "channel" && channel === undefined) channel = readShallow(scanner);
    else if (key === "event" && event === undefined) event = readShallow(scanner);
    else if (key === "data" && data === undefined) data = Json.read(scanner);
    else if (key === "dry_run" && dryRun === undefined) dryRun = readShallow(scanner);
    else scanner.value();
  });
  return { ok: true, input: { channel, event, data }, dryRun };
}

/** A name, a list of names, or what stands in their place; no push is made of what is nested there. */
function readShallow(scanner: JsonScanner): unknown {
  if (scanner.next === QUOTE) return scanner.stringValue();
  const json = Json.read(scanner);
  return json.elements()?.map((each) => each.shallowValue()) ?? json.shallowValue();
}
