// RESULTS.md, of a run.
import {
  disturbance,
  generatorRows,
  lagRows,
  mainRows,
  reached,
  streamRows,
  waitRows,
} from "./report.mjs";

/** `failures` are sentences; `chart` is the chart's file, as the page links it. */
export function resultsPage({ run, results, chart }) {
  const { about, scenarios, servers, failures } = run;
  // Variants of hexpush are held against hexpush, the others against the floor.
  const peers = servers.filter((name) => !name.startsWith("hexpush-"));
  const variants = servers.filter((name) => name === "floor" || name.startsWith("hexpush"));
  const sections = [
    "# Results",
    "Written by `npm run bench`; [what is measured and how to read it](README.md), [how to measure on your own machine](../docs/guides/performance.md).",
    machine(about),
    `![CPU time, latency and memory of each server](${chart})`,
    "CPU time is the server's, from the operating system. In brackets: how many times the floor's. `too much`: the server could not bear the rate that it was offered.",
    markdownTable(mainRows({ results, scenarios, servers: peers })),
  ];
  const streams = streamRows({ results, scenarios, servers });
  if (streams.length > 1) {
    sections.push(
      "## Event streams (SSE)",
      "In brackets: how many times the figure of hexpush's WebSockets.",
      markdownTable(streams),
    );
  }
  // So few iterations say nothing about a target.
  const targets = about.quick ? [] : reached(results);
  if (targets.length > 0) sections.push("## Targets", targetTable(targets));
  if (variants.some((name) => name.startsWith("hexpush-"))) {
    const rows = mainRows({ results, scenarios, servers: variants });
    sections.push(
      "## hexpush with keys, without history, on the disk",
      markdownTable(rows.filter((row, index) => index === 0 || measured(row, variants))),
    );
  }
  sections.push(
    "## The generator",
    "Its CPU time a unit (a delivery, a push or a POST) and the part of the time in which it had work. Where it is near 100 %, the rate is the generator's; CPU times of the server do not depend on it.",
    markdownTable(generatorRows({ results, scenarios, servers })),
  );
  const lag = lagRows({ results, scenarios, servers });
  if (lag.length > 1) sections.push("What it adds to the latencies:", markdownTable(lag));
  const disturbed = disturbance(results);
  sections.push(
    disturbed === ""
      ? "Nobody disturbed the run: the servers hardly waited for their CPU."
      : disturbed.replaceAll("\n", " "),
  );
  if (disturbed !== "") sections.push(markdownTable(waitRows({ results, scenarios, servers })));
  if (failures.length > 0) {
    sections.push("## Failures", failures.map((failure) => `- ${failure}`).join("\n"));
  }
  return `${sections.join("\n\n")}\n`;
}

/** Whether the row has a figure of a variant, and not only hexpush's own. */
function measured(row, servers) {
  return servers.some((name, index) => name.startsWith("hexpush-") && row[index + 1] !== "-");
}

function machine(about) {
  const lines = [
    ["date", about.date],
    ["hexpush", about.commit ?? "not of a repository"],
    ["CPU", `${about.cpu}, ${about.cores} cores${about.virtual ? " of a virtual machine" : ""}`],
    ["memory", `${about.memoryGiB} GiB`],
    ["kernel", about.kernel],
    ["Node", about.node],
    ...Object.entries(about.versions),
    [
      "pinned",
      about.pinned === undefined
        ? "nothing"
        : `the server to CPU ${about.pinned.server}, the generator to CPU ${about.pinned.generator}`,
    ],
    ["open files", `enough for ${about.maxSockets.toLocaleString("en")} sockets`],
    [
      "rounds",
      `${about.rounds}, the servers in turn${about.quick ? "; quick: the figures mean little" : ""}`,
    ],
  ];
  return lines.map(([name, text]) => `- ${name}: ${text}`).join("\n");
}

function targetTable(targets) {
  const rows = targets.map(({ ok, text, figure }) => [
    text,
    figure,
    ok ? "reached" : "**not reached**",
  ]);
  return markdownTable([["target", "measured", ""], ...rows]);
}

/** The first column to the left, the others to the right. */
export function markdownTable([head, ...rows]) {
  const line = (cells) => `| ${cells.map((cell) => cell.trim()).join(" | ")} |`;
  const rule = `|${head.map((_, column) => (column === 0 ? "---" : "---:")).join("|")}|`;
  // A row's blanks say that it goes on from the one before: Markdown would swallow them.
  const shown = rows.map(([label, ...cells]) => [
    label.startsWith("  ") ? `… ${label.trim()}` : label,
    ...cells,
  ]);
  return [line(head), rule, ...shown.map(line)].join("\n");
}
