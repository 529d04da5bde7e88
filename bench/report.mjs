// From the runs' figures to what is printed.
import { ROWS, TARGETS } from "./workloads.mjs";

export class Results {
  #runs = [];

  add({ server, scenario, round, phases }) {
    this.#runs.push({ server, scenario, round, phases });
  }

  /** The median over the rounds, or undefined where nothing was measured. */
  median(server, { scenario, phase, metric }) {
    const figures = this.#runs
      .filter((run) => run.server === server && run.scenario === scenario)
      .map((run) => run.phases[phase]?.[metric])
      .filter((figure) => figure !== undefined)
      .sort((a, b) => a - b);
    if (figures.length === 0) return undefined;
    const middle = figures.length >> 1;
    return figures.length % 2 ? figures[middle] : (figures[middle - 1] + figures[middle]) / 2;
  }

  ratio(server, other, row) {
    const [mine, theirs] = [this.median(server, row), this.median(other, row)];
    return mine === undefined || theirs === undefined ? undefined : mine / theirs;
  }

  /** One metric of all phases of all runs, in ascending order. */
  all(metric) {
    return this.#runs
      .flatMap(({ phases }) => Object.values(phases).map((phase) => phase[metric]))
      .filter((figure) => figure !== undefined)
      .sort((a, b) => a - b);
  }

  toJSON() {
    return this.#runs;
  }
}

export function mainTable(results, scenarios, servers) {
  const rows = [["median (times the floor)", ...servers]];
  for (const row of ROWS) {
    const scenario = scenarios.find(({ name }) => name === row.scenario);
    if (!scenario) continue;
    const cells = servers.map((server) => {
      const median = results.median(server, row);
      if (median === undefined) return "-";
      const ratio = server === "floor" ? undefined : results.ratio(server, "floor", row);
      const figure = significant(median * (row.scale ?? 1));
      return ratio === undefined ? figure : `${figure} (${ratio.toFixed(2)})`;
    });
    rows.push([row.label(scenario), ...cells]);
  }
  return table(rows);
}

/** Whether the generator could have been what was measured: its own cost in the same runs. */
export function generatorTable(results, scenarios, servers) {
  const rows = [["generator: CPU µs a unit, part of the time busy", ...servers]];
  for (const { name, phases = [] } of scenarios) {
    for (const { name: phase } of phases) {
      const at = (metric) => ({ scenario: name, phase, metric });
      const cells = servers.map((server) => {
        const busy = results.median(server, at("generatorBusy"));
        const cost = results.median(server, at("generatorUs"));
        return busy === undefined ? "-" : `${significant(cost)}, ${Math.round(busy * 100)} %`;
      });
      rows.push([`${name} ${phase}`, ...cells]);
    }
  }
  return rows.length > 1 ? table(rows) : "";
}

/** A warning where others ran on the server's CPU, or nothing. */
export function disturbance(results) {
  const waited = results.all("serverWaited");
  const median = waited[waited.length >> 1] ?? 0;
  if (median < 0.05) return "";
  return (
    `The machine was busy: of the time in which it could have run, a server waited ` +
    `${Math.round(median * 100)} % for its CPU (median).\n` +
    "Rates suffer at once, CPU times a little; ratios of so disturbed a run are rough."
  );
}

export function targetLines(results) {
  return TARGETS.flatMap(({ text, row, atMost, atLeast, server = "hexpush", of }) => {
    const figure = of === undefined ? results.median(server, row) : results.ratio(server, of, row);
    if (figure === undefined) return [];
    const reached = atMost === undefined ? figure >= atLeast : figure <= atMost;
    return [`${reached ? "reached    " : "NOT reached"}  ${text}: ${significant(figure)}`];
  });
}

function significant(figure) {
  const size = Math.abs(figure);
  if (size >= 1000) return Math.round(figure).toLocaleString("en");
  return figure.toFixed(size >= 100 ? 0 : size >= 10 ? 1 : 2);
}

function table(rows) {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  return rows
    .map((row) =>
      row
        .map((cell, column) =>
          column === 0 ? cell.padEnd(widths[0]) : cell.padStart(widths[column]),
        )
        .join("   ")
        .trimEnd(),
    )
    .join("\n");
}
