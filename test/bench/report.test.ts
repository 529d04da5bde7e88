import { describe, expect, it } from "vitest";
import {
  disturbance,
  mainRows,
  medianOf,
  Results,
  type Run,
  reached,
  streamRows,
  table,
} from "../../bench/report.mjs";
import { ROWS } from "../../bench/rows.mjs";
import { TARGETS } from "../../bench/targets.mjs";
import { SSE, scenarios, selectScenarios } from "../../bench/workloads.mjs";
import { madeUpRun } from "./figures.js";

const shownOf = (run: Run) => ({ ...run, results: new Results(run.runs) });

function rowOf(run: Run, label: string): string[] {
  const row = mainRows(shownOf(run)).find(([text]) => text?.includes(label));
  if (row === undefined) throw new Error(`no row ${label}`);
  return row;
}

function targetOf(run: Run, text: string) {
  const target = reached(new Results(run.runs)).find((one) => one.text.includes(text));
  if (target === undefined) throw new Error(`no target ${text}`);
  return target;
}

/** With one server's figures of a phase changed. */
function with_(server: string, scenario: string, phase: string, figures: Record<string, number>) {
  return madeUpRun((run) => {
    if (run.server !== server || run.scenario !== scenario) return;
    run.phases[phase] = { ...run.phases[phase], ...figures };
  });
}

describe("the table", () => {
  it("takes medians over the rounds, the middle of two where their number is even", () => {
    expect(medianOf([9, 1, 4])).toBe(4);
    expect(medianOf([9, 1, 4, 2])).toBe(3);
    const run = madeUpRun((one) => {
      const phase = one.phases.idle;
      if (one.server === "floor" && phase && one.round === 2) phase.bytesPerSocket = 1e9;
    });
    expect(rowOf(run, "KiB an idle joined socket, 10,000")[1]).toBe("0.10");
  });

  it("tells a server's figure and its ratio to the floor's", () => {
    const row = rowOf(madeUpRun(), "CPU µs a connect and join");
    expect(row.slice(1, 4)).toEqual(["100", "50.0 (0.50)", "50.0 (0.50)"]);
  });

  it("has no figure where the server could not bear the rate", () => {
    const run = with_("koa-ws", "steady", "rate", { kept: 0.4 });
    expect(rowOf(run, "100 pushes a second")[5]).toBe("too much");
    expect(rowOf(run, "100 pushes a second")[4]).toBe("400 (4.00)");
  });

  it("leaves out what was not measured", () => {
    const run = madeUpRun();
    const runs = run.runs.filter(({ scenario }) => scenario === "post");
    expect(mainRows(shownOf({ ...run, runs })).map(([label]) => label)).toEqual([
      "median (times the floor)",
      "POST a second, no subscriber, 32 connections (more is better)",
      "  CPU µs a POST",
    ]);
  });

  it("aligns the columns", () => {
    expect(
      table([
        ["a", "server"],
        ["longer", "1"],
      ]),
    ).toBe("a        server\nlonger        1");
    expect(table([["only", "a head"]])).toBe("");
  });

  it("compares event streams with hexpush's WebSockets", () => {
    const run = with_("hexpush", "sse-connect", "open", { cpuUs: 75, perSecond: 300 });
    const [head, ...rows] = streamRows(shownOf(run));
    // The figures of `madeUpRun` are there for all servers.
    expect(head?.slice(1, 4)).toEqual(["hexpush WebSocket", "floor", "hexpush"]);
    const row = (label: string) => rows.find(([text]) => text?.includes(label));
    expect(row("CPU µs a connect")?.slice(1, 4)).toEqual(["50.0", "100 (2.00)", "75.0 (1.50)"]);
    expect(row("connects a second")?.slice(1, 4)).toEqual(["200", "100 (0.50)", "300 (1.50)"]);
  });

  it("has a row of WebSockets for each of event streams", () => {
    for (const { websocket } of ROWS) {
      if (websocket !== undefined) expect(ROWS).toContainEqual(expect.objectContaining(websocket));
    }
  });

  it("shows every row of every workload that a run has", () => {
    const names = scenarios({ quick: false, maxSockets: 19_300 }).map(({ name }) => name);
    expect(new Set(ROWS.map(({ scenario }) => scenario))).toEqual(new Set(names));
    const shown = shownOf(madeUpRun());
    const heads = 2;
    expect(mainRows(shown).length + streamRows(shown).length).toBe(ROWS.length + heads);
  });
});

describe("the targets", () => {
  it("are about rows of the table, or a second of CPU time of them", () => {
    const key = ({ scenario, phase, metric }: (typeof ROWS)[number]) =>
      [scenario, phase, metric === "perCpuSecond" ? "cpuUs" : metric].join();
    const rows = ROWS.map(key);
    for (const { row, over = row } of TARGETS) {
      expect(rows).toContain(key(row));
      expect(rows).toContain(key(over));
    }
  });

  it("are reached at their bound, and not beyond", () => {
    const sixteen = "1,000 subscribers, 16 pushes in flight: at most 1.10";
    const at = (cpuUs: number) => with_("hexpush", "fanout-1k", "x16", { cpuUs });
    expect(targetOf(at(110), sixteen)).toMatchObject({ ok: true, figure: "1.10" });
    expect(targetOf(at(111), sixteen)).toMatchObject({ ok: false, figure: "1.11" });
  });

  it("hold a rate from below", () => {
    const koa = "at least 2 times Koa on node:http";
    const at = (perSecond: number) => with_("hexpush-key", "post", "x32", { perSecond });
    expect(targetOf(at(10), koa).ok).toBe(true);
    expect(targetOf(at(9.9), koa).ok).toBe(false);
  });

  it("hold a row against another row of hexpush", () => {
    const batch = "pushes a second in batches";
    const at = (perSecond: number) => with_("hexpush", "batch", "x32", { perSecond });
    expect(targetOf(at(1000), batch)).toMatchObject({ ok: true, figure: "5.00" });
    expect(targetOf(at(990), batch).ok).toBe(false);
  });

  it("hold event streams against hexpush's WebSockets, and against nchan's", () => {
    const text = "event streams: CPU per delivery, 1,000 streams, one push at a time";
    const at = (cpuUs: number) => with_("hexpush", "sse-fanout-1k", "one", { cpuUs });
    expect(targetOf(at(75), text)).toMatchObject({ ok: true, figure: "1.50" });
    expect(targetOf(at(76), text)).toMatchObject({ ok: false, figure: "1.52" });
    const nchan = reached(new Results(at(401).runs)).find((one) => one.text === "  below nchan");
    expect(nchan).toMatchObject({ ok: false, figure: "1.00" });
  });

  it("let a cost grow as the floor's does", () => {
    const grows = "10,000 against 1,000";
    const hexpush = with_("hexpush", "fanout-10k", "x16", { cpuUs: 60 });
    expect(targetOf(hexpush, grows)).toMatchObject({ ok: false });
    const both = {
      ...hexpush,
      runs: hexpush.runs.map((run) =>
        run.server === "floor" && run.scenario === "fanout-10k"
          ? { ...run, phases: { x16: { cpuUs: 120 } } }
          : run,
      ),
    };
    expect(targetOf(both, grows)).toMatchObject({ ok: true, figure: "1.20; the floor's 1.20" });
  });

  it("are not reached at a rate that was too much", () => {
    const run = with_("hexpush", "latency", "rate", { kept: 0.5 });
    expect(targetOf(run, "latency at half").ok).toBe(false);
    expect(targetOf(madeUpRun(), "latency at half").ok).toBe(true);
  });

  it("say where the generator was the bound", () => {
    const run = with_("floor", "post", "x32", { generatorBusy: 0.99 });
    expect(targetOf(run, "with API keys: at least 0.75").figure).toBe(
      "2.00; the generator bounds floor",
    );
  });

  it("without a figure are left out", () => {
    const run = madeUpRun();
    const runs = run.runs.filter(({ server }) => server !== "nchan");
    const texts = reached(new Results(runs)).map(({ text }) => text);
    expect(texts.some((text) => text.includes("nchan"))).toBe(false);
    expect(texts.length).toBeGreaterThan(20);
  });
});

it("a disturbed run says so", () => {
  const disturbed = madeUpRun(({ phases }) => {
    for (const phase of Object.values(phases)) phase.serverWaited = 0.2;
  });
  expect(disturbance(new Results(disturbed.runs))).toContain("waited 20 %");
  expect(disturbance(new Results(madeUpRun().runs))).toBe("");
});

describe("the workloads of a run", () => {
  const all = scenarios({ quick: false, maxSockets: 19_300 });
  const select = (only: readonly string[] | undefined, quick = false) =>
    selectScenarios(all, { only, quick });
  const names = (only: readonly string[] | undefined, quick = false) =>
    select(only, quick).map(({ name }) => name);

  it("are all, or those that are named", () => {
    expect(select(undefined)).toEqual(all);
    expect(names(["post", "fanout-10"], true)).toEqual(["fanout-10", "post"]);
    expect(names(undefined, true)).not.toContain("fanout-10");
  });

  it("are those of event streams for sse, and hexpush's WebSockets beside them", () => {
    const selected = select([SSE]);
    expect(selected.map(({ name, servers }) => [name, servers])).toEqual([
      ...["fanout-1k", "memory", "connect"].map((name) => [name, ["hexpush", "hexpush-other"]]),
      ...["sse-fanout-1k", "sse-memory", "sse-connect"].map((name) => [
        name,
        ["hexpush", "hexpush-other", "nchan"],
      ]),
    ]);
    const memory = all.find(({ name }) => name === "memory");
    expect(select([SSE, "memory"])).toContainEqual(memory);
  });
});
