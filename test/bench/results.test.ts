import { describe, expect, it } from "vitest";
import { chart } from "../../bench/chart.mjs";
import { Results } from "../../bench/report.mjs";
import { resultsPage } from "../../bench/results-page.mjs";
import { ROWS } from "../../bench/rows.mjs";
import { madeUpRun } from "./figures.js";

const run = madeUpRun(({ server, scenario, phases }) => {
  if (server === "koa-ws" && scenario === "steady") phases.rate = { cpuUs: 1, kept: 0.3 };
});
const results = new Results(run.runs);
const svg = chart({ run, results });
const page = resultsPage({ run, results, chart: "results.svg" });

/** Throws unless each element is closed in its turn and each attribute is quoted. */
function elementsOf(xml: string): { name: string; attributes: Map<string, string> }[] {
  const elements: { name: string; attributes: Map<string, string> }[] = [];
  const open: string[] = [];
  const rest = xml.replace(
    /<(\/?)([a-z]+)((?:\s+[a-zA-Z:-]+="[^"<]*")*)\s*(\/?)>/g,
    (_all, closing: string, name: string, attributes: string, closed: string) => {
      if (closing !== "") {
        expect(open.pop()).toBe(name);
        return "";
      }
      const pairs = [...attributes.matchAll(/([a-zA-Z:-]+)="([^"]*)"/g)];
      elements.push({
        name,
        attributes: new Map(pairs.map(([, key = "", value = ""]) => [key, value])),
      });
      if (closed === "") open.push(name);
      return "";
    },
  );
  expect(open).toEqual([]);
  expect(rest).not.toMatch(/[<>]|&(?!amp;|lt;|gt;)/);
  return elements;
}

describe("the chart", () => {
  const elements = elementsOf(svg);
  const panels = ROWS.filter((row) => row.chart !== undefined);
  const texts = [...svg.matchAll(/<text[^>]*>([^<]*)</g)].map(([, text = ""]) => text);
  const bars = elements.filter(
    ({ name, attributes }) => name === "rect" && attributes.get("class") !== "ground",
  );

  it("has a panel for each main row, and a bar in it for each server", () => {
    for (const { chart: title } of panels) expect(texts).toContain(title);
    for (const name of ["floor", "hexpush", "nchan", "koa-ws", 'a &lt;b&gt; &amp; "c"']) {
      expect(texts.filter((text) => text === name)).toHaveLength(panels.length);
    }
    // One could not bear the rate of a workload that has two panels.
    expect(bars).toHaveLength(panels.length * 5 - 2);
    expect(texts.filter((text) => text === "could not bear the rate")).toHaveLength(2);
  });

  it("leaves variants of hexpush out", () => {
    expect(svg).not.toContain("hexpush-key");
  });

  it("draws lengths in the figures' proportion, and tells the figures", () => {
    const [floor, hexpush, , longest] = bars.map(({ attributes }) =>
      Number(attributes.get("width")),
    );
    expect(longest).toBeGreaterThan(200);
    expect(floor).toBeCloseTo((longest ?? 0) / 20, 0);
    expect(hexpush).toBeCloseTo((longest ?? 0) / 40, 0);
    expect(texts).toContain("100 µs");
    expect(texts).toContain("2,000 µs (20.0)");
  });

  it("keeps everything inside its frame, and titles inside their column", () => {
    const height = Number(elements[0]?.attributes.get("height"));
    for (const { attributes } of elements.slice(1)) {
      expect(Number(attributes.get("x") ?? 0)).toBeLessThan(960);
      expect(Number(attributes.get("y") ?? 0)).toBeLessThan(height);
    }
    for (const { chart: title = "" } of panels) expect(title.length).toBeLessThanOrEqual(50);
  });

  it("follows the reader's colour scheme", () => {
    expect(svg).toContain("prefers-color-scheme: dark");
  });
});

describe("the results' page", () => {
  it("describes the machine and the run", () => {
    expect(page).toContain("- CPU: A CPU, 2 cores of a virtual machine");
    expect(page).toContain("- nchan: 1.3.6");
    expect(page).toContain("- pinned: the server to CPU 0, the generator to CPU 1");
    expect(page).toContain("- rounds: 3, the servers in turn");
    expect(page).toContain("Nobody disturbed the run");
  });

  it("has the table, the targets, the generator's own and the chart", () => {
    expect(page).toContain("](results.svg)");
    expect(page).toContain("| CPU µs a connect and join | 100 | 50.0 (0.50) | 400 (4.00) |");
    expect(page).toMatch(/\| ms from the start to ready: under 300 \| 50.0 \| reached \|/);
    expect(page).toContain("## The generator");
  });

  it("has tables whose rows are of one length", () => {
    for (const block of page.split("\n\n").filter((text) => text.startsWith("|"))) {
      const cells = block
        .trimEnd()
        .split("\n")
        .map((line) => line.split("|").length);
      expect(new Set(cells).size).toBe(1);
    }
  });

  it("of a disturbed run tells where the servers waited for their CPU", () => {
    const disturbed = madeUpRun(({ server, phases }) => {
      const waited = server === "floor" ? 0.5 : 0.25;
      for (const phase of Object.values(phases)) phase.serverWaited = waited;
    });
    const text = resultsPage({
      ...{ run: disturbed, chart: "c.svg" },
      results: new Results(disturbed.runs),
    });
    expect(text).toContain("a server waited 25 % for its CPU");
    expect(text).toContain("| steady rate | 50 % | 25 % |");
    expect(page).not.toContain("| steady rate | 1 % |");
  });

  it("tells failures", () => {
    const failed = { ...run, failures: ["hexpush, post, round 1: lost"] };
    expect(resultsPage({ run: failed, results, chart: "c.svg" })).toContain(
      "## Failures\n\n- hexpush, post, round 1: lost",
    );
  });

  it("of a quick run tells no targets", () => {
    const quick = { ...run, about: { ...run.about, quick: true } };
    expect(resultsPage({ run: quick, results, chart: "c.svg" })).not.toContain("## Targets");
  });
});
