import { Json } from "../domain/json.js";
import type { Command } from "./command.js";
import { fromEnvironment } from "./environment.js";
import { headerValue, parseOptions, secondsOf, serverUrl } from "./options.js";
import { networkFault, printable } from "./terminal.js";
import { CommandError, UsageError } from "./usage-error.js";

const DEFAULT_TIMEOUT = "10";

const HELP = `Pushes one event. DATA is JSON and is sent exactly as written. "-" reads DATA from standard input.
Put "--" before DATA that begins with a minus sign.

  --channel CHANNEL      one more channel; may be repeated
  --text                 DATA is a plain text, sent as a JSON string
  --dry-run              checks the push without delivering it
  --explain              shows what happened to the push
  --idempotency-key KEY  repeats with the same key are delivered once
  --key KEY              an API key of the server [HEXPUSH_KEY]; other users of this machine can see
                         the option in the process list, but not the variable
  --url URL              the server [HEXPUSH_URL, else http://127.0.0.1:4004]
  --timeout SECONDS      how long to wait for the answer [${DEFAULT_TIMEOUT}]
  --json                 prints the server's answer on one line, with the push's id as "push_id"

Exit codes: 0 accepted, 1 refused or failed (standard error says why), 2 usage.
`;

const OPTIONS = {
  channel: { type: "string", multiple: true },
  text: { type: "boolean" },
  "dry-run": { type: "boolean" },
  explain: { type: "boolean" },
  "idempotency-key": { type: "string" },
  key: { type: "string" },
  url: { type: "string" },
  timeout: { type: "string" },
  json: { type: "boolean" },
} as const;

export const push: Command = {
  usage: "hexpush push CHANNEL EVENT DATA [--channel CHANNEL]… [options]",
  help: () => HELP,

  async run(args) {
    const { values, positionals } = parseOptions(args, OPTIONS);
    const [channel, event, data] = positionals;
    if (channel === undefined || event === undefined || data === undefined) {
      throw new UsageError("CHANNEL, EVENT and DATA are needed");
    }
    if (positionals.length > 3) {
      throw new UsageError(`too many arguments: quote DATA for the shell, as in '{"any": "JSON"}'`);
    }
    const url = new URL(`${serverUrl(values.url, "http")}/api/push`);
    if (values["dry-run"] === true) url.searchParams.set("dry_run", "true");
    if (values.explain === true) url.searchParams.set("explain", "1");
    const seconds = secondsOf("--timeout", values.timeout ?? DEFAULT_TIMEOUT);
    const headers = headersOf(values.key, values["idempotency-key"]);
    const channels = [channel, ...(values.channel ?? [])];
    const json = await dataOf(data, values.text === true);

    const body = `{"channel":${JSON.stringify(channels)},"event":${JSON.stringify(event)},"data":${json.text}}`;
    const answer = await send(url, { method: "POST", headers, body }, seconds);
    if (values.json === true && answer.json !== undefined) {
      process.stdout.write(`${withPushId(answer.json, answer.pushId)}\n`);
    }
    if (!answer.ok) throw new CommandError(refusal(answer));
    if (answer.json === undefined) throw new CommandError("the answer is not from hexpush");
    if (values.json === true) return;
    process.stdout.write(summary(answer.json, { event, channels }, answer.pushId, url));
  },
};

/** @throws {UsageError} if a key is not valid in a header field. */
export function headersOf(key: string | undefined, idempotencyKey?: string) {
  const headers: Record<string, string> = { "content-type": "application/json" };
  const variable = key === undefined ? fromEnvironment("HEXPUSH_KEY") : undefined;
  const secret = key ?? variable;
  if (secret !== undefined) {
    const name = key === undefined ? "HEXPUSH_KEY" : "--key";
    headers.authorization = `Bearer ${headerValue(name, secret)}`;
  }
  if (idempotencyKey !== undefined) {
    headers["idempotency-key"] = headerValue("--idempotency-key", idempotencyKey);
  }
  return headers;
}

/** The error message does not show the value: it may be secret. */
async function dataOf(argument: string, isText: boolean): Promise<Json> {
  const text = argument === "-" ? await standardInput() : argument;
  if (isText) return Json.of(text);
  try {
    return Json.parse(text);
  } catch {
    throw new UsageError(
      'DATA is not valid JSON: quote it for the shell, as in \'{"any": "JSON"}\' or \'"text"\', ' +
        "or send it as a string with --text",
    );
  }
}

async function standardInput(): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of process.stdin) chunks.push(chunk as Buffer);
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(Buffer.concat(chunks));
  } catch {
    throw new UsageError("standard input is not UTF-8");
  }
}

export interface Answer {
  readonly ok: boolean;
  readonly status: number;
  /** Undefined if the body is not a JSON object. */
  readonly json: Json | undefined;
  readonly pushId: string | undefined;
  readonly retryAfter: string | undefined;
}

export type Refusal = Pick<Answer, "status" | "json" | "retryAfter">;

/** @throws {CommandError} if there is no answer; the message gives the reason. */
export async function send(url: URL, request: RequestInit, seconds: number): Promise<Answer> {
  try {
    const response = await fetch(url, {
      ...request,
      // A redirect would send the push elsewhere; on the same host, the key too.
      redirect: "manual",
      signal: AbortSignal.timeout(seconds * 1000),
    });
    return {
      ok: response.ok,
      status: response.status,
      json: objectOf(await response.text()),
      pushId: response.headers.get("x-push-id") ?? undefined,
      retryAfter: response.headers.get("retry-after") ?? undefined,
    };
  } catch (error) {
    if ((error as Error).name === "TimeoutError") {
      throw new CommandError(`no answer for ${seconds} s; the push may have been accepted`);
    }
    throw new CommandError(`cannot push to ${url.origin}: ${networkFault(error)}`);
  }
}

export function objectOf(text: string): Json | undefined {
  try {
    const json = Json.parse(text);
    return json.text.startsWith("{") ? json : undefined;
  } catch {
    return undefined;
  }
}

/** Inserts the id as text: parsing and serializing the answer would lose digits. */
function withPushId(answer: Json, pushId: string | undefined): string {
  if (pushId === undefined || Json.members(answer.text, ["push_id"])?.has("push_id") === true) {
    return answer.text;
  }
  const comma = answer.text === "{}" ? "" : ",";
  return `${answer.text.slice(0, -1)}${comma}"push_id":${JSON.stringify(pushId)}}`;
}

export function refusal({ status, json, retryAfter }: Refusal): string {
  const { error } = (json?.value() ?? {}) as { error?: unknown };
  const reason = typeof error === "string" ? `: ${printable(error)}` : "";
  const again = retryAfter === undefined ? "" : ` (try again after ${printable(retryAfter)} s)`;
  return `refused with ${status}${reason}${again}`;
}

/** One line, followed by the answer's other members as JSON, if it has any. */
function summary(
  answer: Json,
  sent: { readonly event: string; readonly channels: readonly string[] },
  pushId: string | undefined,
  url: URL,
): string {
  const {
    channel,
    event: _event,
    data: _data,
    ...more
  } = answer.value() as Record<string, unknown>;
  const names = Array.isArray(channel) ? channel.map(String) : sent.channels;
  const verb = url.searchParams.has("dry_run") ? "would push" : "pushed";
  const id = pushId === undefined ? "" : ` (${pushId})`;
  const line = printable(`${verb} ${sent.event} to ${names.join(", ")}${id}`);
  const rest = Object.keys(more).length === 0 ? "" : `${JSON.stringify(more, null, 2)}\n`;
  // Line ends inside the JSON strings are already escaped.
  return `${line}\n${rest.split("\n").map(printable).join("\n")}`;
}
