// `npm run test:resume`: checks that clients on bad connections get all accepted messages.
// test/resume/README.md describes it.
import { randomInt } from "node:crypto";
import { parseArgs } from "node:util";
import { ensure } from "./bootstrap.mjs";

const BROKERS = ["memory", "file"];
const DEFAULTS = {
  clients: "200",
  messages: "100000",
  channels: "20",
  rate: "2000",
  kills: "5",
};

await ensure({ build: true });
const { PROTECTIONS, run } = await import("../test/resume/run.mjs");
const { faultsFound, report } = await import("../test/resume/report.mjs");

const options = readOptions();
const given = process.argv.slice(2).filter((word, at, all) => !isSeed(word, at, all));
const again = ["npm run test:resume --", ...given, `--seed ${options.seed}`].join(" ");
console.log(
  `${options.clients} clients, ${options.messages} messages (a push counts once for each of its ` +
    `channels), ${options.channels} channels`,
);
console.log(`seed ${options.seed}; the same draws: ${again}`);
if (options.without !== undefined) {
  console.log(`Without ${options.without}: ${PROTECTIONS[options.without]}. This has to fail.`);
}

let isSound = true;
for (const broker of options.brokers) {
  const say = (line) => console.log(`${broker}: ${line}`);
  const kills = broker === "file" ? options.kills : 0;
  try {
    const outcome = await run({ ...options, broker, kills, say });
    const found = faultsFound(outcome);
    console.log(`\n${report(outcome).join("\n")}`);
    for (const fault of found) console.log(`  FAILED: ${fault}`);
    console.log("");
    if (found.length > 0) isSound = false;
  } catch (error) {
    console.log(`FAILED: ${broker} broker: ${error.stack}`);
    isSound = false;
  }
}
process.exit(isSound ? 0 : 1);

function readOptions() {
  const usage = `npm run test:resume -- [options]
  --clients N        ${DEFAULTS.clients} unless told
  --messages N       ${DEFAULTS.messages} unless told; a push to three channels is three
  --channels N       ${DEFAULTS.channels} unless told
  --rate N           messages a second, at most; ${DEFAULTS.rate} unless told
  --broker NAME      memory, file, or both, which is the default
  --kills N          SIGKILLs of a server on the file broker; ${DEFAULTS.kills} unless told
  --seed N           draws of an earlier run; when they fall due differs
  --without NAME     turn a protection off, to see the check fail:
${Object.entries(PROTECTIONS)
  .map(([name, what]) => `    ${name.padEnd(15)}  ${what}`)
  .join("\n")}`;
  let values;
  try {
    ({ values } = parseArgs({
      options: {
        ...Object.fromEntries(
          Object.entries(DEFAULTS).map(([name, value]) => [
            name,
            { type: "string", default: value },
          ]),
        ),
        broker: { type: "string" },
        seed: { type: "string", default: `${randomInt(2 ** 31)}` },
        without: { type: "string" },
        help: { type: "boolean", default: false },
      },
    }));
  } catch (error) {
    stopWith(`${error.message}\n${usage}`);
  }
  if (values.help) {
    console.log(usage);
    process.exit(0);
  }
  const { without } = values;
  if (without !== undefined && !Object.hasOwn(PROTECTIONS, without)) {
    stopWith(`--without takes one of ${Object.keys(PROTECTIONS).join(", ")}`);
  }
  const broker = values.broker ?? (without === "disk" ? "file" : "both");
  if (broker !== "both" && !BROKERS.includes(broker)) {
    stopWith("--broker takes memory, file or both");
  }
  const numbers = {};
  for (const name of [...Object.keys(DEFAULTS), "seed"]) {
    numbers[name] = Number(values[name]);
    const least = name === "kills" || name === "seed" ? 0 : 1;
    if (!Number.isSafeInteger(numbers[name]) || numbers[name] < least) {
      stopWith(`--${name} takes a whole number from ${least}`);
    }
  }
  return { ...numbers, without, brokers: broker === "both" ? BROKERS : [broker] };
}

function isSeed(word, at, all) {
  return word === "--seed" || word.startsWith("--seed=") || all[at - 1] === "--seed";
}

function stopWith(message) {
  console.error(message);
  process.exit(2);
}
