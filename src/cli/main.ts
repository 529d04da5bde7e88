import { readFileSync } from "node:fs";
import type { Command } from "./command.js";
import { CommandError, UsageError } from "./usage-error.js";

/** Each command is loaded on use: a push must not wait for the server's libraries. */
const COMMANDS: ReadonlyMap<string, () => Promise<Command>> = new Map([
  ["serve", async () => (await import("./serve.js")).serve],
  ["push", async () => (await import("./push.js")).push],
  ["listen", async () => (await import("./listen.js")).listen],
  ["token", async () => (await import("./token.js")).token],
  ["bench", async () => (await import("./bench.js")).bench],
]);

/** Runs the command line. Sets the exit code; does not throw on errors of the user. */
export async function main(args: readonly string[]): Promise<void> {
  // The reader of the output has ended, as `head` does.
  process.stdout.on("error", () => process.exit());
  try {
    await run(args);
  } catch (error) {
    if (!(error instanceof CommandError || error instanceof UsageError)) throw error;
    process.stderr.write(`hexpush: ${error.message}\n`);
    process.exitCode = error instanceof UsageError ? 2 : 1;
  }
}

async function run([first, ...rest]: readonly string[]): Promise<void> {
  if (first === "--help" || first === "-h") {
    process.stdout.write(await help());
  } else if (first === "--version" || first === "-v") {
    process.stdout.write(`${version()}\n`);
  } else {
    await runCommand(first, rest);
  }
}

async function runCommand(name: string | undefined, args: readonly string[]): Promise<void> {
  const command = await COMMANDS.get(name ?? "")?.();
  if (command === undefined) {
    const fault = name === undefined ? "a command is missing" : `"${name}" is not a command`;
    throw new UsageError(`${fault}\n${await usages()}`);
  }
  if (asksForHelp(args)) {
    process.stdout.write(`usage: ${command.usage}\n\n${command.help()}`);
    return;
  }
  try {
    await command.run(args);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    throw new UsageError(`${error.message}\nusage: ${command.usage}`);
  }
}

/** Arguments after "--" are not options. */
function asksForHelp(args: readonly string[]): boolean {
  const end = args.indexOf("--");
  const options = end === -1 ? args : args.slice(0, end);
  return options.includes("--help") || options.includes("-h");
}

async function usages(): Promise<string> {
  const commands = await Promise.all([...COMMANDS.values()].map((load) => load()));
  const lines = commands.map(({ usage }) => usage);
  lines.push("hexpush [COMMAND] --help | hexpush --version");
  return lines.map((line, index) => `${index === 0 ? "usage: " : "       "}${line}`).join("\n");
}

async function help(): Promise<string> {
  const serve = await COMMANDS.get("serve")?.();
  return `${await usages()}\n\nhexpush serve:\n${serve?.help()}`;
}

function version(): string {
  const file = new URL("../../package.json", import.meta.url);
  return (JSON.parse(readFileSync(file, "utf8")) as { version: string }).version;
}
