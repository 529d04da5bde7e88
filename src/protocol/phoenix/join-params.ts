import { Json } from "../../domain/json.js";

/** What no broker gives as an id. */
const INVALID_ID = "";

/**
 * The join parameter `last_event_id`: undefined if it is missing or null, as of a client that has no
 * message yet, and an empty string if it is not a string.
 */
export function lastEventId(params: Json): string | undefined {
  // Most joins have none, and need no parsing.
  if (!params.text.includes("last_event_id")) return undefined;
  const member = Json.members(params.text, ["last_event_id"])?.get("last_event_id");
  if (member === undefined || member.text === "null") return undefined;
  // A number or an object is not parsed: it may be nested a million times deep.
  return member.text.startsWith('"') ? String(member.value()) : INVALID_ID;
}

/**
 * The reply's response: the policy's own, with `id` on a channel that keeps history and `recovered`
 * if the client has asked for what it has missed. A policy's response that is not an object stays
 * as it is.
 */
export function joinResponse(
  response: Json | undefined,
  position: string | undefined,
  recovered: boolean | undefined,
): Json {
  const own = response ?? Json.emptyObject;
  if (!own.text.startsWith("{")) return own;
  const members: string[] = [];
  if (position !== undefined) members.push(`"id":${JSON.stringify(position)}`);
  if (recovered !== undefined) members.push(`"recovered":${recovered}`);
  if (members.length === 0) return own;
  // At the end: of a name that comes twice, JavaScript takes the last one.
  const before = own.text === "{}" ? "{" : `${own.text.slice(0, -1)},`;
  return Json.parse(`${before}${members.join(",")}}`);
}
