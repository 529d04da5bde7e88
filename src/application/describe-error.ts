/**
 * What a log may hold of an error: not its further members, which can carry what belongs in no log
 * (a body, header fields).
 */
export interface DescribedError {
  readonly type: string;
  readonly message: string;
  readonly stack?: string | undefined;
}

export function describeError(error: unknown): DescribedError {
  if (!(error instanceof Error)) return { type: typeof error, message: "no Error was thrown" };
  return { type: error.name, message: error.message, stack: error.stack };
}
