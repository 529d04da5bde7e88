import { Json } from "../../../domain/json.js";
import { CalloutFault } from "./fault.js";
import type { Question } from "./options.js";

/** An answer whose known members have the right types. */
export interface Answer {
  readonly allow: boolean;
  /** Undefined if the answer has no such member. */
  text(name: string): string | undefined;
  number(name: string): number | undefined;
  json(name: string): Json | undefined;
}

interface Kind {
  readonly words: string;
  accepts(json: Json): boolean;
}

/** The year 5138: a later time is one in milliseconds, which would never pass. */
const TIME_MAX = 1e11;

const BOOLEAN: Kind = {
  words: "true or false",
  accepts: ({ text }) => text === "true" || text === "false",
};
const ANYTHING: Kind = { words: "JSON", accepts: () => true };
const TEXT: Kind = { words: "a string", accepts: isText };
const NAMES: Kind = {
  words: "a string or an array of strings",
  accepts: (json) => isText(json) || json.elements()?.every(isText) === true,
};
const STATUS: Kind = {
  words: "a whole number from 400 to 599",
  accepts: ({ text }) => /^[45]\d\d$/.test(text),
};
const TIME: Kind = {
  words: "a time in seconds since 1970",
  accepts: ({ text }) => /^[-\d]/.test(text) && Math.abs(Number(text)) < TIME_MAX,
};

const KINDS: Readonly<Record<Question, Readonly<Record<string, Kind>>>> = {
  push: {
    allow: BOOLEAN,
    channel: NAMES,
    event: TEXT,
    data: ANYTHING,
    by: TEXT,
    status: STATUS,
    body: ANYTHING,
  },
  connect: {
    allow: BOOLEAN,
    socket_id: TEXT,
    claims: ANYTHING,
    expires_at: TIME,
    presence_id: TEXT,
  },
  join: { allow: BOOLEAN, response: ANYTHING, reason: TEXT },
  operate: { allow: BOOLEAN, by: TEXT, status: STATUS, body: ANYTHING },
};

/**
 * Reads the body of an answer. Members that are not known are ignored.
 *
 * @throws {CalloutFault} if it is not a JSON object, a known member has another type or comes
 *   twice (RFC 8259, section 4: which one counts is anybody's guess), or `allow` is missing.
 */
export function readAnswer(question: Question, text: string): Answer {
  const kinds = KINDS[question];
  const members = readMembers(text, Object.keys(kinds));
  for (const [name, json] of members) {
    const kind = kinds[name];
    if (kind?.accepts(json) === false) {
      throw new CalloutFault(`the answer's "${name}" must be ${kind.words}`);
    }
  }
  const allow = members.get("allow");
  if (allow === undefined) throw new CalloutFault('the answer has no "allow"');
  return {
    allow: allow.text === "true",
    text: (name) => members.get(name)?.value() as string | undefined,
    number: (name) => members.get(name)?.value() as number | undefined,
    json: (name) => members.get(name),
  };
}

function isText(json: Json): boolean {
  return json.text.startsWith('"');
}

function readMembers(text: string, wanted: readonly string[]): ReadonlyMap<string, Json> {
  let members: ReadonlyMap<string, Json> | undefined;
  try {
    members = Json.members(text, wanted);
  } catch {
    throw new CalloutFault("the answer is not JSON");
  }
  if (members === undefined) throw new CalloutFault("the answer is not a JSON object");
  const twice = Json.repeatedMember(text, wanted);
  if (twice !== undefined) throw new CalloutFault(`the answer's "${twice}" comes twice`);
  return members;
}
