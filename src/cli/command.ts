/** A subcommand of `hexpush`. */
export interface Command {
  /** One line, beginning with "hexpush". */
  readonly usage: string;
  /** What `hexpush COMMAND --help` prints below the usage. */
  help(): string;
  /**
   * @param args the arguments after the command's name
   * @throws {UsageError} for exit code 2. @throws {CommandError} for exit code 1.
   */
  run(args: readonly string[]): Promise<void>;
}
