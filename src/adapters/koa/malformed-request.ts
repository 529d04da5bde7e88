/** A request that cannot be read; `message` is for the caller and holds nothing of the body. */
export class MalformedRequest extends Error {
  override readonly name = "MalformedRequest";
  readonly status = 400;
  readonly expose = true;
}

/** A request that can be read and asks for what there is not; `message` is for the caller. */
export class InvalidOption extends Error {
  override readonly name = "InvalidOption";
  readonly status = 422;
  readonly expose = true;
}
