import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";

/**
 * What each figure was when its bound was set, and the bound: some 1.5 times that, so that noise
 * passes and a doubling does not. `node test/performance/costs.mjs` prints the present figures, and
 * bench/README.md says when a bound is to move.
 */
const BOUNDS: Record<
  Kind,
  Record<string, { readonly measured: number; readonly bound: number }>
> = {
  allocations: {
    "bytes a POST, no subscriber": { measured: 4_350, bound: 6_500 },
    "bytes a push to a channel of one": { measured: 4_950, bound: 7_400 },
    // None of its own: a share of what the push and its turns take. An object for each: 24 more.
    "bytes a delivery, 500 subscribers": { measured: 3.4, bound: 9 },
    "bytes a connect and join": { measured: 5_000, bound: 7_000 },
  },
  calls: {
    "uWebSockets.js calls a POST, no subscriber": { measured: 6, bound: 9 },
    "uWebSockets.js calls a push to a channel of one": { measured: 7, bound: 10 },
    "uWebSockets.js calls a push to 500 subscribers": { measured: 10, bound: 15 },
    // Exact: each is one that the connect or the join needs.
    "uWebSockets.js calls a connect and join": { measured: 8, bound: 8 },
  },
  cpu: {
    "CPU a POST, over the floor's": { measured: 1.25, bound: 1.9 },
    "CPU a push to a channel of one, over the floor's": { measured: 1.3, bound: 1.95 },
    "CPU a push to 500, over the floor's": { measured: 0.7, bound: 1.1 },
  },
};

type Kind = "allocations" | "calls" | "cpu";
type Figures = Readonly<Record<string, number>>;

const SCRIPT = fileURLToPath(new URL("costs.mjs", import.meta.url));
const run = promisify(execFile);

async function measure(kind: Kind): Promise<Figures> {
  const { stdout } = await run(process.execPath, [SCRIPT, kind], { timeout: 140_000 });
  return JSON.parse(stdout) as Figures;
}

/** The figures above their bounds, in words; also one that has no bound, or is not measured. */
function excesses(kind: Kind, figures: Figures): string[] {
  const bounds = BOUNDS[kind];
  const names = new Set([...Object.keys(bounds), ...Object.keys(figures)]);
  return [...names].flatMap((name) => {
    const { measured, bound } = bounds[name] ?? {};
    const figure = figures[name];
    // None at all is a measurement that has lost its object.
    if (figure !== undefined && bound !== undefined && figure > 0 && figure <= bound) return [];
    return [`${name}: ${figure?.toFixed(2)}, bound ${bound} (it was ${measured})`];
  });
}

describe("a push and a connect cost no more than they did", { timeout: 150_000 }, () => {
  it("in bytes allocated", async () => {
    expect(excesses("allocations", await measure("allocations"))).toEqual([]);
  });

  it("in calls of the native library, however many subscribers there are", async () => {
    expect(excesses("calls", await measure("calls"))).toEqual([]);
  });

  it.skipIf(!existsSync("/proc/self/schedstat"))(
    "in CPU time, held against a bare server's",
    async () => {
      let figures = await measure("cpu");
      // Others on the machine make a figure worse by chance. What costs twice as much does so each
      // time: only a figure that was in its bound once has passed.
      for (let more = 0; more < 2 && excesses("cpu", figures).length > 0; more++) {
        const again = await measure("cpu");
        const least = Object.entries(again).map(([name, figure]): [string, number] => [
          name,
          Math.min(figure, figures[name] ?? Number.POSITIVE_INFINITY),
        ]);
        figures = Object.fromEntries(least);
      }
      expect(excesses("cpu", figures)).toEqual([]);
    },
  );
});
