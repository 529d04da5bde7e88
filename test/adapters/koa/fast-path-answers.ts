import { type AuthPolicy, Json } from "../../../src/index.js";
import { RawHttp } from "../../support/raw-http.js";

/** A policy of each kind of answer, at once or later, as the field `x-word` asks for. */
export const wordPolicy: AuthPolicy = {
  authorizePush({ headers, input, method, path, remoteAddress }) {
    const words = headers["x-word"] ?? "";
    if (words.includes("seen")) {
      const seen = { method, path, remoteAddress, channel: input.channel };
      return { allow: false, answer: { status: 418, body: Json.of(seen) } };
    }
    if (words.includes("throw")) throw new Error("a secret");
    const isDenied = words.includes("deny") || (words.includes("some") && input.channel === "x");
    const decision = isDenied ? { allow: false } : { allow: true, by: "me" };
    return words.includes("late") ? Promise.resolve(decision) : decision;
  },
  authorizeConnect: () => ({ allow: true }),
  authorizeJoin: () => ({ allow: true }),
};

export const WORDS = ["deny", "late", "late deny", "some", "late some", "throw", "seen"] as const;

export interface Post {
  readonly path: string;
  readonly body: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** The head, with a length and a request id. */
export function headOf({ path, body, headers }: Post): string {
  const fields = Object.entries({ ...headers, "x-request-id": "i".repeat(20) });
  const lines = fields.map(([name, value]) => `${name}: ${value}\r\n`).join("");
  return `POST ${path} HTTP/1.1\r\nhost: a\r\n${lines}content-length: ${Buffer.byteLength(body)}\r\n\r\n`;
}

/** Status, fields in their order, body; without what differs from one answer to the next. */
export async function plainAnswer(port: number, post: Post) {
  const client = await RawHttp.connect(port);
  client.write(Buffer.from(`${headOf(post)}${post.body}`));
  const { status, reason, headers, body } = await client.answer();
  client.destroy();
  return {
    status,
    reason,
    headers: headers
      .filter(([name]) => name !== "date")
      .map(([name, value]) => [name, name === "x-push-id" ? withoutId(value) : value]),
    body: body.replaceAll(/"id":"[\w-]{20}"/g, '"id":"ID"'),
  };
}

function withoutId(value: string): string {
  return value.replace(/^[\w-]{20}$/, "ID");
}
