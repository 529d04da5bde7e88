/** The command line is invalid: exit code 2. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** The command failed: exit code 1. */
export class CommandError extends Error {
  override readonly name = "CommandError";
}
