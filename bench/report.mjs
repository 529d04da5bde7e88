// From the runs' figures to what is printed. Everything here is a pure function of `Run` (below), so
// that a run that was saved (--json) can be reported again (--from).
//
// Run: { about, scenarios, servers, runs }: the machine (machine.mjs), the scenarios as they were
// run, the servers' names in the table's order, and of each fresh server its figures.
import { ROWS } from "./rows.mjs";
import { TARGETS } from "./targets.mjs";

export class Results {
  #runs;

  constructor(runs = []) {
    this.#runs = [...runs];
  }

  add({ server, scenario, round, phases }) {
    this.#runs.push({ server, scenario, round, phases });
  }

  /** The median over the rounds (or the figure of one), or undefined if nothing was measured. */
  median(server, { scenario, phase, metric, round }) {
    const figures = this.#runs
      .filter((run) => run.server === server && run.scenario === scenario)
      .filter((run) => round === undefined || run.round === round)
      .map((run) => run.phases[phase]?.[metric])
      .filter((figure) => typeof figure === "number");
    return figures.length === 0 ? undefined : medianOf(figures);
  }

  /** One server's figure divided by another's, optionally of another row. */
  ratio(server, other, row, otherRow = row) {
    const [mine, theirs] = [this.median(server, row), this.median(other, otherRow)];
    return mine === undefined || theirs === undefined ? undefined : mine / theirs;
  }

  /** Whether a server sustained the offered rate; true if no rate was offered. */
  kept(server, row) {
    return (this.median(server, { ...row, metric: "kept" }) ?? 1) >= KEPT;
  }

  /** One metric of all phases of all runs, in ascending order. */
  all(metric) {
    return this.#runs
      .flatMap(({ phases }) => Object.values(phases).map((phase) => phase[metric]))
      .filter((figure) => typeof figure === "number")
      .sort((a, b) => a - b);
  }

  toJSON() {
    return this.#runs;
  }
}

/** Of so many parts of the offered pushes all but 2 in 100 went out: the rest is the machine's. */
const KEPT = 0.98;

export function medianOf(figures) {
  const sorted = [...figures].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** Rows of cells, the servers' names first; rows without a figure of these servers are left out. */
export function mainRows({ results, scenarios, servers }) {
  const rows = ROWS.filter(({ websocket }) => websocket === undefined);
  const cells = (row) => servers.map((server) => cell(results, server, row));
  return [["median (times the floor)", ...servers], ...labelled(rows, scenarios, cells)];
}

/** The same of event streams: hexpush's WebSockets first, then each server that has streams. */
export function streamRows({ results, scenarios, servers }) {
  const rows = ROWS.filter(({ websocket }) => websocket !== undefined);
  const withStreams = servers.filter((server) =>
    rows.some((row) => results.median(server, row) !== undefined),
  );
  const cells = (row) => [
    cell(results, HEXPUSH, row.websocket, { scale: row.scale, of: HEXPUSH }),
    ...withStreams.map((server) =>
      cell(results, server, row, { of: HEXPUSH, ofRow: row.websocket }),
    ),
  ];
  return [
    ["event streams: median (times hexpush's WebSocket)", "hexpush WebSocket", ...withStreams],
    ...labelled(rows, scenarios, cells),
  ];
}

/** Without the rows that have no figure. */
function labelled(rows, scenarios, cellsOf) {
  return rows.flatMap((row) => {
    const scenario = scenarios.find(({ name }) => name === row.scenario);
    if (!scenario) return [];
    const cells = cellsOf(row);
    return cells.every((text) => text === NOTHING) ? [] : [[labelOf(row, scenario), ...cells]];
  });
}

const HEXPUSH = "hexpush";

const NOTHING = "-";

/** `of`: the server, and `ofRow` the row, of the figure that it is divided by. */
function cell(results, server, row, { scale = row.scale ?? 1, of = "floor", ofRow = row } = {}) {
  const median = results.median(server, row);
  if (median === undefined) return NOTHING;
  if (row.kept && !results.kept(server, row)) return "too much";
  const isItself = server === of && row === ofRow;
  const ratio = isItself ? undefined : results.ratio(server, of, row, ofRow);
  const figure = significant(median * scale);
  return ratio === undefined ? figure : `${figure} (${ratio.toFixed(2)})`;
}

export function labelOf(row, scenario) {
  return typeof row.label === "function" ? row.label(scenario) : row.label;
}

/** Whether the generator could have been what was measured: its own cost in the same runs. */
export function generatorRows(shown) {
  return phaseRows(shown, "generator: CPU µs a unit, part of the time busy", (median) => {
    const busy = median("generatorBusy");
    return busy === undefined ? NOTHING : `${significant(median("generatorUs"))}, ${percent(busy)}`;
  });
}

/** What the generator itself adds to a latency, if latencies were measured. */
export function lagRows(shown) {
  return phaseRows(shown, "ms from a frame's arrival to its reading: mean, 99 in 100", (median) => {
    const mean = median("lagMeanMs");
    return mean === undefined
      ? NOTHING
      : `${significant(mean)}, ${significant(median("lagP99Ms"))}`;
  });
}

/** Of the time in which a server could have run, the part in which others had its CPU. */
export function waitRows(shown) {
  return phaseRows(shown, "part of the time that a server waited for its CPU", (median) => {
    const waited = median("serverWaited");
    return waited === undefined ? NOTHING : percent(waited);
  });
}

/** A row for each phase in which a server has a cell; `cellOf` gets its medians by metric. */
function phaseRows({ results, scenarios, servers }, title, cellOf) {
  const rows = [[title, ...servers]];
  for (const { name, phases = [] } of scenarios) {
    for (const { name: phase } of phases) {
      const cells = servers.map((server) =>
        cellOf((metric) => results.median(server, { scenario: name, phase, metric })),
      );
      if (cells.some((text) => text !== NOTHING)) rows.push([`${name} ${phase}`, ...cells]);
    }
  }
  return rows;
}

/** A warning if other processes ran on the server's CPU, or nothing. */
export function disturbance(results) {
  const waited = results.all("serverWaited");
  const median = waited[waited.length >> 1] ?? 0;
  if (median < 0.05) return "";
  return (
    `The machine was busy: of the time in which it could have run, a server waited ` +
    `${percent(median)} for its CPU (median).\n` +
    "Rates and latencies suffer at once, CPU times a little; ratios of so disturbed a run are rough.\n" +
    "At a fixed rate CPU times mislead: a server that is kept waiting merges what has come meanwhile."
  );
}

/** What hexpush had to reach and what it did; targets without a figure in this run are left out. */
export function reached(results) {
  return TARGETS.flatMap((target) => {
    const { text, row, atMost, atLeast, server = "hexpush", of, over, orAs } = target;
    const share = (name) => results.ratio(name, of ?? name, row, over);
    const figure = of || over ? share(server) : results.median(server, row);
    if (figure === undefined) return [];
    const against = orAs === undefined ? undefined : share(orAs);
    const most = Math.max(atMost ?? Number.POSITIVE_INFINITY, against ?? 0);
    const bore = results.kept(server, row);
    const ok = bore && (atLeast === undefined ? figure <= most : figure >= atLeast);
    const notes = [];
    if (against !== undefined) notes.push(`the floor's ${significant(against)}`);
    if (!bore) notes.push("it could not bear the rate");
    if (row.metric === "perSecond") notes.push(...boundBy(results, row, [server, of ?? server]));
    return [{ ok, text, figure: [significant(figure), ...notes].join("; ") }];
  });
}

/** A rate at which the generator had hardly any time left is the generator's. */
function boundBy(results, row, servers) {
  const bound = servers.filter(
    (server) => (results.median(server, { ...row, metric: "generatorBusy" }) ?? 0) > 0.95,
  );
  return bound.length === 0 ? [] : [`the generator bounds ${[...new Set(bound)].join(" and ")}`];
}

export function targetLines(results) {
  return reached(results).map(
    ({ ok, text, figure }) => `${ok ? "reached    " : "NOT reached"}  ${text}: ${figure}`,
  );
}

const percent = (part) => `${Math.round(part * 100)} %`;

export function significant(figure) {
  const size = Math.abs(figure);
  if (size >= 1000) return Math.round(figure).toLocaleString("en");
  return figure.toFixed(size >= 100 ? 0 : size >= 10 ? 1 : 2);
}

/** A table for a terminal; nothing if it has no rows. */
export function table(rows) {
  if (rows.length < 2) return "";
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
