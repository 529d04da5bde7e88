/** A transaction that did not come about: nothing was written to disk. `message` is the system's. */
export class CommitFailed extends Error {
  override readonly name = "CommitFailed";
}
