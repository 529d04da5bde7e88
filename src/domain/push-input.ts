import { Json } from "./json.js";
import type { PushInput } from "./push.js";

export type PushInputResult =
  | { readonly ok: true; readonly input: PushInput }
  | { readonly ok: false; readonly message: string };

/**
 * Reads a push's members from the JSON text of a request body; `data` is kept as text, members
 * that no push has are ignored, and an empty text or a JSON value that is no object has none.
 *
 * Not ok only where the text is not JSON.
 */
export function parsePushInput(text: string): PushInputResult {
  if (text === "") return { ok: true, input: {} };
  let members: Map<string, Json> | undefined;
  try {
    members = Json.members(text);
  } catch {
    // The parser's own words quote the text, and payloads belong in no answer or log.
    return { ok: false, message: "The request body is not valid JSON." };
  }
  if (members === undefined) return { ok: true, input: {} };
  return {
    ok: true,
    input: {
      channel: members.get("channel")?.value(),
      event: members.get("event")?.value(),
      data: members.get("data"),
    },
  };
}
