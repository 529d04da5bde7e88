import fc from "fast-check";
import { describe, expect, it, vi } from "vitest";
import { Json } from "../../../src/domain/json.js";
import { readBatch } from "../../../src/protocol/http/batch-body.js";
import { blank, jsonText } from "../../support/arbitraries.js";

describe("readBatch", () => {
  it("takes the list apart as JSON.parse does, at its limit and above it", () => {
    const values = fc.array(fc.tuple(blank, jsonText, blank), { maxLength: 6 });
    fc.assert(
      fc.property(values, fc.nat(6), (parts, max) => {
        const texts = parts.map(([, text]) => `{"data":${text}}`);
        const spaced = parts.map(([before, text, behind]) => `${before}{"data":${text}}${behind}`);
        const batch = readBatch(`{"pushes":[${spaced.join(",")}]}`, max);
        expect(batch.ok).toBe(texts.length > 0 && texts.length <= max);
        const read = batch.ok ? batch.items.map(({ input }) => input.data?.text) : [];
        expect(read).toEqual(batch.ok ? parts.map(([, text]) => text) : []);
      }),
    );
  });

  it("leaves a stranger's list of very many alone", () => {
    const read = vi.spyOn(Json, "read");
    const push = '{"data":1}';
    const batch = readBatch(`{"pushes":[${`${push},`.repeat(500_000)}${push}]}`, 100);
    expect(batch).toEqual({ ok: false, message: "pushes must not hold more than 100 pushes." });
    expect(read).toHaveBeenCalledTimes(100);
  });

  it("builds nothing of a dry_run that is nested", () => {
    const nested = "[".repeat(1000) + "]".repeat(1000);
    const batch = readBatch(`{"dry_run":${nested},"pushes":[{"dry_run":${nested}}]}`, 1);
    expect(batch).toMatchObject({ ok: true, dryRun: Json.parse(nested) });
  });
});
