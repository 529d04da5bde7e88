import { randomBytes } from "node:crypto";

/** A random epoch: 80 bits, so never one that was used before. */
export function newEpoch(): string {
  return BigInt(`0x${randomBytes(10).toString("hex")}`).toString(36);
}
