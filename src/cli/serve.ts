import { ListenError } from "../application/listen-error.js";
import { ConfigError } from "../config/config.js";
import { loadConfig } from "../config/load.js";
import { SETTINGS } from "../config/settings.js";
import { TOKENS } from "../container/tokens.js";
import { createContainer } from "../container.js";
import { BrokerError } from "../domain/broker.js";
import { fromContainer, type Hexpush } from "../hexpush.js";
import type { Command } from "./command.js";
import { parseOptions } from "./options.js";
import { CommandError, UsageError } from "./usage-error.js";

export const serve: Command = {
  usage: "hexpush serve [--config FILE]",

  help() {
    const lines = Object.entries(SETTINGS).map(([key, { variables, help, defaultValue }]) => {
      const name = variables.length > 0 ? variables.join(", ") : `"${key}" in the file`;
      return `  ${name.padEnd(30)} ${help}${defaultValue === undefined ? "" : ` [${defaultValue}]`}`;
    });
    return [
      "Runs the server until SIGTERM or SIGINT. The first signal drains, a second one stops at once.",
      "Exit codes: 0 stopped, 1 not started (standard error shows the reason), 2 usage.",
      "",
      "Environment variables, over the JSON file of --config, over the defaults in brackets:",
      ...lines,
      "",
    ].join("\n");
  },

  async run(args) {
    const { values, positionals } = parseOptions(args, { config: { type: "string" } });
    if (positionals.length > 0) throw new UsageError("serve takes no arguments");
    try {
      const config = loadConfig(serverEnvironment(process.env), values.config);
      const hexpush = fromContainer(createContainer(config));
      // Before the log line that says it listens: its reader may send a signal at once.
      stopOnSignals(hexpush);
      reloadOnSignal(hexpush);
      await hexpush.start();
    } catch (error) {
      if (
        !(
          error instanceof ConfigError ||
          error instanceof ListenError ||
          error instanceof BrokerError
        )
      )
        throw error;
      throw new CommandError(error.message);
    }
  },
};

/**
 * The environment without the variables of the other commands, which the same shell often sets.
 *
 * @throws {ConfigError} if `HEXPUSH_KEY` is set without a setting that protects pushes: whoever takes
 * it for a setting of the server would run an open server.
 */
export function serverEnvironment(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const { HEXPUSH_URL: _url, HEXPUSH_TOKEN: _token, HEXPUSH_KEY: key, ...settings } = env;
  const guards = ["HEXPUSH_API_KEYS", "HEXPUSH_API_KEYS_FILE", "HEXPUSH_AUTH_URL"];
  if (key !== undefined && guards.every((name) => settings[name] === undefined)) {
    throw new ConfigError(
      "HEXPUSH_KEY is the key that hexpush push sends, not a setting of the server: " +
        "set HEXPUSH_API_KEYS, or unset HEXPUSH_KEY",
    );
  }
  return settings;
}

/** Without a handler, SIGHUP would end the process. */
function reloadOnSignal(hexpush: Hexpush): void {
  const log = hexpush.container.get(TOKENS.log);
  process.on("SIGHUP", () => {
    try {
      hexpush.reload();
      log.info("SIGHUP: reloaded the files of the settings");
    } catch (error) {
      log.error({ reason: (error as Error).message }, "SIGHUP: the present keys stay");
    }
  });
}

/** The first signal drains; a second one stops at once. */
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
