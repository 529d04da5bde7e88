/**
 * The application gave no answer that can be used. The message is for the operator, and holds
 * nothing of what was asked or answered.
 */
export class CalloutFault extends Error {
  override readonly name = "CalloutFault";

  constructor(
    message: string,
    /** Whether asking again may help: nobody has answered yet. */
    readonly retry = false,
  ) {
    super(message);
  }
}
