import { Json } from "../../../domain/json.js";

/** What a join says about where its client left off. */
export type ResumePoint =
  | { readonly kind: "none" }
  /** `id` is undefined where the client sent something that is no id. */
  | { readonly kind: "since"; readonly id: string | undefined };

const NONE: ResumePoint = { kind: "none" };

/** The join parameter `last_event_id`; null is none, as of a client that has no message yet. */
export function resumePointOf(params: Json): ResumePoint {
  // What most joins are like needs no parsing.
  if (!params.text.includes("last_event_id")) return NONE;
  const member = Json.members(params.text, ["last_event_id"])?.get("last_event_id");
  if (member === undefined || member.text === "null") return NONE;
  // A number or an object is not made a value of: it may be nested a million times deep.
  const id = member.text.startsWith('"') ? String(member.value()) : undefined;
  return { kind: "since", id };
}

/**
 * The reply's response with where the channel stands: `id` on a channel that keeps history, and
 * `recovered` where the client asked for what it has missed. A policy's own response keeps its
 * other members; one that is no object stays as it is.
 */
export function joinResponse(
  response: Json | undefined,
  position: string | undefined,
  recovered: boolean | undefined,
): Json {
  const own = response ?? Json.emptyObject;
  if (own === Json.emptyObject && position !== undefined && recovered === undefined) {
    if (position !== plain.position) plain = { position, response: withMembers(own, position) };
    return plain.response;
  }
  return withMembers(own, position, recovered);
}

/** What most joins are answered with; between two pushes it is the same, so it is made once. */
let plain = { position: "", response: Json.emptyObject };

function withMembers(own: Json, position: string | undefined, recovered?: boolean): Json {
  if (!own.text.startsWith("{")) return own;
  const members: string[] = [];
  if (position !== undefined) members.push(`"id":${JSON.stringify(position)}`);
  if (recovered !== undefined) members.push(`"recovered":${recovered}`);
  if (members.length === 0) return own;
  // Behind: of a name that comes twice, JavaScript takes the last one.
  const before = own.text === "{}" ? "{" : `${own.text.slice(0, -1)},`;
  return Json.parse(`${before}${members.join(",")}}`);
}
