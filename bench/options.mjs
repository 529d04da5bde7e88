// The command line of `npm run bench`.
import { mkdirSync } from "node:fs";
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { SERVERS } from "./servers.mjs";
import { SSE, scenarios } from "./workloads.mjs";

const HERE = fileURLToPath(new URL(".", import.meta.url));

const WORKLOADS = [...scenarios({ quick: false, maxSockets: 1 }).map(({ name }) => name), SSE];

const USAGE = `npm run bench -- [options]
  --quick              few iterations, fewer sockets, one round: does it run at all?
  --only NAME,...      these workloads only: ${WORKLOADS.join(", ")}
                       (${SSE}: the three of event streams, and hexpush's WebSockets beside them)
  --servers NAME,...   these servers only: ${Object.keys(SERVERS).join(", ")}
  --other DIRECTORY    hexpush as built there too, as hexpush-other: another version of it
  --rounds N           interleaved rounds, 3 unless told
  --json FILE          every single figure, for a closer look
  --from FILE          reports the figures of an earlier run (its --json), and measures nothing
  --results DIRECTORY  writes RESULTS.md and results.svg there; a whole run does so in bench/`;

/** Ends the process if an option is invalid (code 2) or help was requested (0). */
export function readOptions() {
  let values;
  try {
    ({ values } = parseArgs({
      options: {
        quick: { type: "boolean", default: false },
        only: { type: "string" },
        servers: { type: "string" },
        other: { type: "string" },
        rounds: { type: "string" },
        json: { type: "string" },
        from: { type: "string" },
        results: { type: "string" },
        help: { type: "boolean", default: false },
      },
    }));
  } catch (error) {
    stopWith(`${error.message}\n${USAGE}`);
  }
  if (values.help) {
    console.log(USAGE);
    process.exit(0);
  }
  const rounds = Number(values.rounds ?? (values.quick ? 1 : 3));
  if (!Number.isInteger(rounds) || rounds < 1) stopWith(`--rounds takes a number from 1\n${USAGE}`);
  const other = SERVERS["hexpush-other"];
  if (values.other !== undefined) other.args[0] = resolve(values.other, "dist/main.js");
  const all = Object.keys(SERVERS).filter((name) => values.other || SERVERS[name] !== other);
  const servers = values.servers?.split(",") ?? all;
  const only = values.only?.split(",");
  for (const [list, known] of [
    [servers, Object.keys(SERVERS)],
    [only ?? [], WORKLOADS],
  ]) {
    const unknown = list.find((name) => !known.includes(name));
    if (unknown !== undefined) stopWith(`"${unknown}" is not one of ${known.join(", ")}\n${USAGE}`);
  }
  const whole = !values.quick && only === undefined && values.servers === undefined;
  const results = values.results ?? (whole && !values.from ? HERE : undefined);
  // Now, and not after twenty minutes, is the time to find out that it cannot be.
  if (results !== undefined) mkdirSync(results, { recursive: true });
  return { ...values, rounds, servers, only, results };
}

export function stopWith(message) {
  console.error(message);
  process.exit(2);
}
