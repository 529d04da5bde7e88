import { Json } from "./json.js";
import type { PushInput } from "./push.js";

export type PushInputResult =
  | {
      readonly ok: true;
      readonly input: PushInput;
      /** The member `dry_run`, whatever it is: the caller asks for a check only. */
      readonly dryRun?: unknown;
    }
  | { readonly ok: false; readonly message: string };

const MEMBERS = ["channel", "data", "event", "dry_run"] as const;

/**
 * Reads a push's members from the JSON text of a request body; `data` is kept as text, members
 * that no push has are ignored, and an empty text or a JSON value that is no object has none.
 *
 * Not ok only where the text is not JSON.
 */
export function parsePushInput(text: string): PushInputResult {
  if (text === "") return { ok: true, input: {} };
  let members: Map<(typeof MEMBERS)[number], Json> | undefined;
  try {
    members = Json.members(text, MEMBERS);
  } catch {
    return { ok: false, message: "The request body is not valid JSON." };
  }
  if (members === undefined) return { ok: true, input: {} };
  return {
    ok: true,
    input: {
      channel: shallowValue(members.get("channel")),
      event: shallowValue(members.get("event")),
      data: members.get("data"),
    },
    ...(members.has("dry_run") && { dryRun: shallowValue(members.get("dry_run")) }),
  };
}

/** A name, a list of names, or what stands in their place; no push is made of what is nested there. */
function shallowValue(json: Json | undefined): unknown {
  return json?.elements()?.map((each) => each.shallowValue()) ?? json?.shallowValue();
}
