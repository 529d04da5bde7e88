/** A transaction that did not come about: nothing of it is on the disk. `message` is the system's. */
export class CommitFailed extends Error {
  override readonly name = "CommitFailed";
}
