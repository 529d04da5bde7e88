import { expect } from "vitest";
import type { Answer } from "./hosts.js";

/**
 * What every error answer of ours is: JSON `{"error": text}` with the usual headers, never a stack.
 *
 * @returns the text.
 */
export function expectError({ text, headers }: Pick<Answer, "text" | "headers">): string {
  const parsed = JSON.parse(text) as { error: string };
  expect(Object.keys(parsed)).toEqual(["error"]);
  expect(parsed.error).toMatch(/./);
  expect(parsed.error).not.toMatch(/\bat .*:\d+|node_modules|Error:/);
  expect(headers).toMatchObject({
    "content-type": "application/json; charset=utf-8",
    "cache-control": "max-age=0, private, must-revalidate",
    "x-request-id": expect.stringMatching(/^.{20,200}$/),
  });
  return parsed.error;
}
