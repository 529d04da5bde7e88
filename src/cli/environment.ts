import type { CLIENT_VARIABLES } from "../config.js";
import { UsageError } from "./usage-error.js";

/** What the commands other than `serve` read; the last one is a setting of the server's too. */
export type CommandVariable = (typeof CLIENT_VARIABLES)[number] | "HEXPUSH_JWT_SECRET";

/** @throws {UsageError} where it is set to nothing: most often another variable was not set. */
export function fromEnvironment(name: CommandVariable): string | undefined {
  const value = process.env[name];
  if (value === "") throw new UsageError(`${name} is empty: unset it, or give it a value`);
  return value;
}
