import { randomBytes } from "node:crypto";
import { type BenchPlan, DATA_BYTES_MIN } from "./bench/plan.js";
import type { Command } from "./command.js";
import { fromEnvironment } from "./environment.js";
import { parseOptions, secondsOf, serverUrl, wholeNumberOf } from "./options.js";
import { headersOf } from "./push.js";
import { CommandError, UsageError } from "./usage-error.js";

const SUBSCRIBERS_MAX = 25_000;
const CHANNELS_MAX = 10_000;
const PUSHES_MAX = 1_000_000;
const SECONDS_MAX = 300;
const RATE_MAX = 10_000;
/** Both together are no more than what a server keeps for a slow socket by default, 1 MiB. */
const IN_FLIGHT_MAX = 64;
const DATA_BYTES_MAX = 16_384;

const PATIENCE_MS = 5_000;

const HELP = `Loads a server of your own: opens sockets, joins them to channels of its own that nobody else
uses (bench:RANDOM), pushes, checks that each push comes to each subscriber once, and prints rates
and latencies. It ends after --pushes or --seconds, whichever comes first; SIGINT ends it earlier.

  --subscribers N      sockets [100, at most ${SUBSCRIBERS_MAX}]
  --channels N         the subscribers are spread over them, the pushes take turns [1, at most
                       ${CHANNELS_MAX}, and no more than subscribers]
  --pushes N           [10000, at most ${PUSHES_MAX}]
  --seconds SECONDS    [10, at most ${SECONDS_MAX}]
  --in-flight N        pushes that are not answered, or not at everybody's, at a time [16, at most ${IN_FLIGHT_MAX}]
  --rate N             pushes a second, evenly [as many as --in-flight lets out; at most ${RATE_MAX}]
  --data-bytes N       JSON in each push [100, from ${DATA_BYTES_MIN} to ${DATA_BYTES_MAX}]
  --key KEY            what the server's HEXPUSH_API_KEYS asks for [HEXPUSH_KEY]
  --token TOKEN        what the server's policy for sockets asks for [HEXPUSH_TOKEN]; sent beside
                       the URL. Other users of this machine may see both options in the list of
                       processes, not so the variables
  --param NAME=VALUE   one more parameter of the sockets' connect; may be repeated
  --yes                URL is not this machine, and still a server that I may load
  --json               prints one JSON object

Exit codes: 0 all arrived, 1 something was lost or refused (standard error says what), 2 usage.
`;

const OPTIONS = {
  subscribers: { type: "string", default: "100" },
  channels: { type: "string", default: "1" },
  pushes: { type: "string", default: "10000" },
  seconds: { type: "string", default: "10" },
  "in-flight": { type: "string", default: "16" },
  rate: { type: "string" },
  "data-bytes": { type: "string", default: "100" },
  key: { type: "string" },
  token: { type: "string" },
  param: { type: "string", multiple: true },
  yes: { type: "boolean" },
  json: { type: "boolean" },
} as const;

type Values = ReturnType<typeof parseOptions<typeof OPTIONS>>["values"];

export const bench: Command = {
  usage: "hexpush bench URL [options]",
  help: () => HELP,

  async run(args) {
    const { values, positionals } = parseOptions(args, OPTIONS);
    const [url] = positionals;
    // No variable and no default: nobody should load a server without having named it.
    if (url === undefined) throw new UsageError("the URL of a server is needed");
    if (positionals.length > 1) throw new UsageError("bench takes one URL");
    const plan = planOf(url, values);

    // What follows is not for the other commands' start, nor for the list of usages.
    const { intentOf, warningsOf, table, asJson } = await import("./bench/report.js");
    const intent = intentOf(plan);
    if (values.yes !== true && !isThisMachine(plan.url)) {
      throw new UsageError(
        `${new URL(plan.url).hostname} is not this machine, and this command ${intent}: ` +
          "do so to a server of your own only, with --yes",
      );
    }
    process.stderr.write(`${intent}\n`);
    const { runBench } = await import("./bench/run.js");
    const stop = new AbortController();
    // The second signal ends it as if nobody listened for it.
    process.once("SIGINT", () => stop.abort());
    process.once("SIGTERM", () => stop.abort());
    const result = await runBench(plan, stop.signal);
    process.stdout.write(values.json === true ? `${asJson(result)}\n` : table(result));
    for (const warning of warningsOf(result)) process.stderr.write(`warning: ${warning}\n`);
    if (result.faults.length > 0) throw new CommandError(result.faults.join("; "));
  },
};

function planOf(address: string, values: Values): BenchPlan {
  const subscribers = wholeNumberOf("--subscribers", values.subscribers, SUBSCRIBERS_MAX);
  const channels = wholeNumberOf("--channels", values.channels, CHANNELS_MAX);
  if (channels > subscribers) throw new UsageError("--channels must not exceed --subscribers");
  const { rate, "data-bytes": dataBytes, token } = values;
  return {
    url: serverUrl(address, "http", "URL"),
    socketUrl: `${serverUrl(address, "ws", "URL")}/push_socket/websocket?${connectParams(values.param)}`,
    headers: headersOf(values.key),
    token: token ?? fromEnvironment("HEXPUSH_TOKEN"),
    subscribers,
    channels: channelNames(channels),
    pushes: wholeNumberOf("--pushes", values.pushes, PUSHES_MAX),
    seconds: secondsOf("--seconds", values.seconds, SECONDS_MAX),
    rate: rate === undefined ? undefined : wholeNumberOf("--rate", rate, RATE_MAX),
    inFlight: wholeNumberOf("--in-flight", values["in-flight"], IN_FLIGHT_MAX),
    dataBytes: wholeNumberOf("--data-bytes", dataBytes, DATA_BYTES_MAX, DATA_BYTES_MIN),
    patienceMs: PATIENCE_MS,
  };
}

/** Two runs at a time, or one behind the other, do not meet. */
function channelNames(count: number): string[] {
  const name = `bench:${randomBytes(6).toString("hex")}`;
  return count === 1 ? [name] : Array.from({ length: count }, (_, i) => `${name}:${i + 1}`);
}

/** The message does not show what was given: it may be a secret. */
function connectParams(params: readonly string[] = []): string {
  const query = new URLSearchParams({ vsn: "2.0.0" });
  for (const param of params) {
    const equals = param.indexOf("=");
    if (equals < 1) throw new UsageError("--param must be NAME=VALUE");
    query.set(param.slice(0, equals), param.slice(equals + 1));
  }
  return query.toString();
}

function isThisMachine(url: string): boolean {
  const { hostname } = new URL(url);
  return /^(?:127(?:\.\d+){3}|\[::1\]|(?:.+\.)?localhost)$/.test(hostname);
}
