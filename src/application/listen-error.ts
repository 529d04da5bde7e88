/** A server cannot listen where it was told to; `message` is one line for the operator. */
export class ListenError extends Error {
  override readonly name = "ListenError";
}
