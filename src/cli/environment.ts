import { UsageError } from "./usage-error.js";

/** Variables that commands other than `serve` read. The last one is also a setting of the server. */
export const COMMAND_VARIABLES = [
  "HEXPUSH_URL",
  "HEXPUSH_KEY",
  "HEXPUSH_TOKEN",
  "HEXPUSH_JWT_SECRET",
] as const;

export type CommandVariable = (typeof COMMAND_VARIABLES)[number];

/** @throws {UsageError} if it is empty, which usually means that another variable was not set. */
export function fromEnvironment(name: CommandVariable): string | undefined {
  const value = process.env[name];
  if (value === "") throw new UsageError(`${name} is empty: unset it, or give it a value`);
  return value;
}
