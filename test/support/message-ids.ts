import { expect } from "vitest";
import { parseMessageId } from "../../src/domain/message-id.js";

/** A message's id, for `toEqual`: which one it is changes with each start of a server. */
export const anId: unknown = expect.stringMatching(/^[0-9a-z]{1,32}-(?:0|[1-9]\d*)$/);

/** The ids of one channel: one epoch, and each id after the one before it. */
export function expectRising(ids: readonly (string | undefined)[]): void {
  const parsed = ids.map((id) => parseMessageId(id ?? ""));
  expect(parsed).not.toContain(undefined);
  expect(new Set(parsed.map((id) => id?.epoch)).size).toBeLessThanOrEqual(1);
  const sequence = parsed.map((id) => id?.sequence ?? 0);
  expect(sequence).toEqual([...new Set(sequence)].sort((a, b) => a - b));
}

/** JSON text with each message's id in it as `…`; what else it holds stays to the byte. */
export function withoutIds(text: string): string {
  return text.replaceAll(/(?<=[,{]"id":")[0-9a-z]{1,32}-\d+(?="[,}])/g, "…");
}
