import { Json } from "../../domain/json.js";
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
  const found = pushes?.elements(pushesMax + 1);
  if (found === undefined) {
    return { ok: false, message: 'A batch is an object with an array "pushes".' };
  }
  if (found.length === 0) return { ok: false, message: "pushes must hold at least one push." };
  if (found.length > pushesMax) {
    return { ok: false, message: `pushes must not hold more than ${pushesMax} pushes.` };
  }
  return { ok: true, items: found.map(readItem), dryRun: members?.get("dry_run")?.shallowValue() };
}

function membersOf(text: string): Map<"pushes" | "dry_run", Json> | undefined {
  try {
    return text === "" ? undefined : Json.members(text, ["pushes", "dry_run"]);
  } catch {
    throw new MalformedRequest("The request body is not valid JSON.");
  }
}

function readItem({ text }: Json): BatchItem {
  const result = parsePushInput(text);
  if (!result.ok) throw new MalformedRequest(result.message);
  return result;
}
