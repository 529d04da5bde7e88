/**
 * The parts of an error that a log may hold. Its other members are left out: they can carry a body
 * or header fields.
 */
export interface DescribedError {
  /** The error's name; for a thrown value that is not an Error, its `typeof`. */
  readonly type: string;
  readonly message: string;
  readonly stack?: string | undefined;
}

export function describeError(error: unknown): DescribedError {
  const { name, message, stack } =
    error instanceof Error
      ? error
      : { name: typeof error, message: "the thrown value is not an Error", stack: undefined };
  // pino's standard serializer overwrites `type` with the name of the object's constructor. Only
  // without a constructor does it take `name`, which is hidden so that it is not logged twice.
  return Object.create(null, {
    type: { value: name, enumerable: true },
    message: { value: message, enumerable: true },
    stack: { value: stack, enumerable: stack !== undefined },
    name: { value: name },
  }) as DescribedError;
}
