import { UsageError } from "./usage-error.js";

/** What the commands other than `serve` read; the last one is a setting of the server's too. */
export const COMMAND_VARIABLES = [
  "HEXPUSH_URL",
  "HEXPUSH_KEY",
  "HEXPUSH_TOKEN",
  "HEXPUSH_JWT_SECRET",
] as const;

export type CommandVariable = (typeof COMMAND_VARIABLES)[number];

/** @throws {UsageError} where it is set to nothing: most often another variable was not set. */
export function fromEnvironment(name: CommandVariable): string | undefined {
  const value = process.env[name];
  if (value === "") throw new UsageError(`${name} is empty: unset it, or give it a value`);
  return value;
}
