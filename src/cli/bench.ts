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
/** The product of both is at most the default send buffer of a slow socket, 1 MiB. */
const IN_FLIGHT_MAX = 64;
const DATA_BYTES_MAX = 16_384;

const PATIENCE_MS = 5_000;

const HELP = `Loads your own server: opens sockets, joins them to new channels (bench:RANDOM), pushes, checks that
each subscriber gets each push once, and prints rates and latencies. It ends after --pushes or
--seconds, whichever comes first; SIGINT ends it earlier.

  --subscribers N      sockets [100, at most ${SUBSCRIBERS_MAX}]
  --channels N         subscribers and pushes are spread evenly over them [1, at most
                       ${CHANNELS_MAX}, and no more than subscribers]
  --pushes N           [10000, at most ${PUSHES_MAX}]
  --seconds SECONDS    [10, at most ${SECONDS_MAX}]
  --in-flight N        pushes at a time that are not answered or not fully delivered [16, at most ${IN_FLIGHT_MAX}]
  --rate N             pushes per second, evenly [as many as --in-flight allows; at most ${RATE_MAX}]
  --data-bytes N       JSON in each push [100, from ${DATA_BYTES_MIN} to ${DATA_BYTES_MAX}]
  --key KEY            an API key of the server [HEXPUSH_KEY]
  --token TOKEN        the token for the server's socket policy [HEXPUSH_TOKEN]; not sent in the URL.
                       Other users of this machine can see both options in the process list, but not
                       the variables
  --param NAME=VALUE   one more connect parameter of the sockets; may be repeated
  --yes                confirms that you may load a server on another machine
  --json               prints one JSON object

Exit codes: 0 all arrived, 1 something was lost or refused (standard error shows what), 2 usage.
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
    // No variable and no default: a server is loaded only if it was named explicitly.
    if (url === undefined) throw new UsageError("the URL of a server is needed");
    if (positionals.length > 1) throw new UsageError("bench takes one URL");
    const plan = planOf(url, values);

    // Imported here, so that other commands and the list of usages do not load it.
    const { intentOf, warningsOf, table, asJson } = await import("./bench/report.js");
    const intent = intentOf(plan);
    if (values.yes !== true && !isThisMachine(plan.url)) {
      throw new UsageError(
        `${new URL(plan.url).hostname} is not this machine, and this command ${intent}: ` +
          "use --yes if it is your own server",
      );
    }
    process.stderr.write(`${intent}\n`);
    const { runBench } = await import("./bench/run.js");
    const stop = new AbortController();
    // The handlers run once: a second signal ends the process.
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

/** Random names, so that concurrent or successive runs do not interfere. */
function channelNames(count: number): string[] {
  const name = `bench:${randomBytes(6).toString("hex")}`;
  return count === 1 ? [name] : Array.from({ length: count }, (_, i) => `${name}:${i + 1}`);
}

/** The error message does not show the value: it may be secret. */
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
