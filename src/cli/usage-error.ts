/** The command line itself is wrong: exit code 2. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** The command was understood and did not succeed: exit code 1. */
export class CommandError extends Error {
  override readonly name = "CommandError";
}
