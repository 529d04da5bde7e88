import { Json } from "../../domain/json.js";
import { CLOSE_BRACKET, JsonScanner, OPEN_BRACKET } from "../../domain/json-scanner.js";
import { type PushInputResult, parsePushInput } from "../../domain/push-input.js";
import { MalformedRequest } from "./malformed-request.js";

export type BatchItem = Extract<PushInputResult, { ok: true }>;

export type Batch =
  | {
      readonly ok: true;
      readonly items: readonly BatchItem[];
      /** The member `dry_run`, for all of them. */
      readonly dryRun: unknown;
    }
  /** JSON and no batch; `message` is for the caller. */
  | { readonly ok: false; readonly message: string };

/** @throws {MalformedRequest} where the text is not JSON. */
export function readBatch(text: string, pushesMax: number): Batch {
  const members = membersOf(text);
  const pushes = members?.get("pushes");
  const texts = pushes && elementTexts(pushes, pushesMax + 1);
  if (texts === undefined) {
    return { ok: false, message: 'A batch is an object with an array "pushes".' };
  }
  if (texts.length === 0) return { ok: false, message: "pushes must hold at least one push." };
  if (texts.length > pushesMax) {
    return { ok: false, message: `pushes must not hold more than ${pushesMax} pushes.` };
  }
  const dryRun = members?.get("dry_run");
  // An array or an object stays Json, which is neither yes nor no: to build one could take seconds.
  const isNested = dryRun !== undefined && /^[[{]/.test(dryRun.text);
  return { ok: true, items: texts.map(readItem), dryRun: isNested ? dryRun : dryRun?.value() };
}

function membersOf(text: string): Map<"pushes" | "dry_run", Json> | undefined {
  try {
    return text === "" ? undefined : Json.members(text, ["pushes", "dry_run"]);
  } catch {
    throw new MalformedRequest("The request body is not valid JSON.");
  }
}

/** @param max no more are taken out: a stranger's list can have millions */
function elementTexts({ text }: Json, max: number): string[] | undefined {
  const scanner = new JsonScanner(text);
  if (scanner.next !== OPEN_BRACKET) return undefined;
  const isAtEnd = (): boolean => scanner.next === CLOSE_BRACKET;
  const texts: string[] = [];
  // The text is JSON without blanks, so that each element has one character before it.
  while (texts.length < max && !isAtEnd()) {
    scanner.at++;
    if (isAtEnd()) break;
    const start = scanner.at;
    scanner.value();
    texts.push(text.slice(start, scanner.at));
  }
  return texts;
}

function readItem(text: string): BatchItem {
  const result = parsePushInput(text);
  if (!result.ok) throw new MalformedRequest(result.message);
  return result;
}
