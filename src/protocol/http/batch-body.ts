import { Json } from "../../domain/json.js";
import { JsonScanner, OPEN_BRACE, OPEN_BRACKET } from "../../domain/json-scanner.js";
import { MalformedRequest } from "./errors.js";
import { PushInputReader, type PushInputResult } from "./push-input.js";

export type BatchItem = Extract<PushInputResult, { ok: true }>;

export type Batch =
  | {
      readonly ok: true;
      readonly items: readonly BatchItem[];
      /** The member `dry_run`, for all of them. */
      readonly dryRun: unknown;
    }
  /** JSON, but not a batch; `message` is for the caller. */
  | { readonly ok: false; readonly message: string };

/** @throws {MalformedRequest} if the text is not JSON. */
export function readBatch(text: string, pushesMax: number): Batch {
  const { pushes, count, dryRun } = membersOf(text, pushesMax);
  if (pushes === undefined) {
    return { ok: false, message: 'A batch is an object with an array "pushes".' };
  }
  if (count === 0) return { ok: false, message: "pushes must hold at least one push." };
  if (count > pushesMax) {
    return { ok: false, message: `pushes must not hold more than ${pushesMax} pushes.` };
  }
  return { ok: true, items: pushes, dryRun };
}

interface BatchMembers {
  /** At most as many as a batch may hold; undefined if there is no array. */
  pushes?: BatchItem[] | undefined;
  count: number;
  dryRun?: unknown;
}

function membersOf(text: string, pushesMax: number): BatchMembers {
  const members: BatchMembers = { count: 0 };
  if (text === "") return members;
  const scanner = new JsonScanner(text);
  const seen = new Set<string>();
  try {
    scanner.skipBlanks();
    if (scanner.next === OPEN_BRACE) {
      scanner.each(() => {
        const key = scanner.key();
        const isFirst = !seen.has(key);
        if (isFirst && (key === "pushes" || key === "dry_run")) seen.add(key);
        if (isFirst && key === "pushes" && scanner.next === OPEN_BRACKET) {
          readItems(scanner, pushesMax, members);
        } else if (isFirst && key === "dry_run") {
          members.dryRun = Json.read(scanner).shallowValue();
        } else {
          scanner.value();
        }
      });
    } else {
      scanner.value();
    }
    scanner.end();
  } catch {
    throw new MalformedRequest("The request body is not valid JSON.");
  }
  return members;
}

/** Stores nothing beyond the limit: a stranger's array can have millions of elements. */
function readItems(scanner: JsonScanner, pushesMax: number, members: BatchMembers): void {
  const items: BatchItem[] = [];
  const reader = new PushInputReader(scanner);
  members.pushes = items;
  scanner.each(() => {
    if (members.count++ < pushesMax) items.push(reader.read());
    else scanner.value();
  });
}
