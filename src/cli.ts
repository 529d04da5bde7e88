import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { ListenError } from "./application/listen-error.js";
import { ConfigError, loadConfig, SETTINGS } from "./config.js";
import { createContainer } from "./container.js";
import { fromContainer, type Hexpush } from "./hexpush.js";

const USAGE = "usage: hexpush serve [--config FILE] | hexpush --help | hexpush --version";

/** Runs the command line; sets the exit code and never throws for what the user did. */
export async function main(args: readonly string[]): Promise<void> {
  try {
    await run(args);
  } catch (error) {
    if (
      !(error instanceof ConfigError || error instanceof ListenError || error instanceof UsageError)
    ) {
      throw error;
    }
    process.stderr.write(`hexpush: ${error.message}\n`);
    process.exitCode = error instanceof UsageError ? 2 : 1;
  }
}

class UsageError extends Error {}

async function run(args: readonly string[]): Promise<void> {
  const { values, positionals } = parse(args);
  if (values.help === true) {
    process.stdout.write(help());
  } else if (values.version === true) {
    process.stdout.write(`${version()}\n`);
  } else if (positionals.length === 1 && positionals[0] === "serve") {
    await serve(values.config);
  } else {
    throw new UsageError(USAGE);
  }
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        config: { type: "string" },
        help: { type: "boolean", short: "h" },
        version: { type: "boolean", short: "v" },
      },
    });
  } catch (error) {
    throw new UsageError(`${(error as Error).message}\n${USAGE}`);
  }
}

async function serve(configFile: string | undefined): Promise<void> {
  const config = loadConfig(process.env, configFile);
  const hexpush = fromContainer(createContainer(config));
  await hexpush.start();
  stopOnSignals(hexpush);
}

/** The first signal drains; a second one does not wait. */
function stopOnSignals(hexpush: Hexpush): void {
  let stopping = false;
  const stop = (): void => {
    if (stopping) process.exit(1);
    stopping = true;
    hexpush.stop().then(
      () => process.exit(0),
      (error: unknown) => {
        process.stderr.write(`hexpush: ${error instanceof Error ? error.stack : String(error)}\n`);
        process.exit(1);
      },
    );
  };
  process.on("SIGTERM", stop);
  process.on("SIGINT", stop);
}

function help(): string {
  const lines = Object.values(SETTINGS).map(
    ({ env, help: text, fallback }) =>
      `  ${env.join(", ").padEnd(30)} ${text}${fallback === undefined ? "" : ` [${fallback}]`}`,
  );
  return [
    USAGE,
    "",
    "Environment variables, over the JSON file of --config, over the defaults in brackets:",
    ...lines,
    "",
  ].join("\n");
}

function version(): string {
  const file = new URL("../package.json", import.meta.url);
  return (JSON.parse(readFileSync(file, "utf8")) as { version: string }).version;
}
