/** A request that cannot be read; `message` is for the caller and holds nothing of the body. */
export class MalformedRequest extends Error {
  override readonly name = "MalformedRequest";
  readonly status = 400;
  readonly expose = true;
}
