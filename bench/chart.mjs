// results.svg: one panel for each row that has a chart's title, a bar for each server. The bars are
// linear and begin at 0, so that their lengths may be compared; the figure stands behind each. The
// file has its own ground and follows the reader's colour scheme.
import { significant } from "./report.mjs";
import { ROWS } from "./rows.mjs";

const WIDTH = 960;
const MARGIN = 24;
const GAP = 32;
const COLUMNS = 2;
const PANEL = (WIDTH - 2 * MARGIN - (COLUMNS - 1) * GAP) / COLUMNS;
const NAMES = 86;
/** For the figure behind the longest bar. */
const FIGURES = 128;
const BAR = 18;
const STEP = 24;
const HEAD = 92;
const TITLE = 26;
const FOOT = 34;

const STYLE = `
  text { font-family: system-ui, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; font-size: 13px; fill: #24292f; }
  .ground { fill: #ffffff; }
  .title { font-size: 20px; font-weight: 600; }
  .panel { font-weight: 600; }
  .quiet { fill: #59636e; }
  .bar { fill: #afb8c1; }
  .floor { fill: #6e7781; }
  .hexpush { fill: #0969da; }
  .mine { font-weight: 600; }
  .axis { stroke: #d1d9e0; }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3; }
    .ground { fill: #0d1117; }
    .quiet { fill: #9198a1; }
    .bar { fill: #4b535d; }
    .floor { fill: #8b949e; }
    .hexpush { fill: #4493f8; }
    .axis { stroke: #3d444d; }
  }`;

/** SVG text. `titles` are what the servers are called, by name. */
export function chart({ run, results, titles = {} }) {
  const servers = run.servers.filter((name) => !name.startsWith("hexpush-"));
  const panels = ROWS.filter((row) => row.chart !== undefined).flatMap((row) => {
    const bars = servers.map((server) => ({
      server,
      name: titles[server] ?? server,
      figure: scaled(results.median(server, row), row),
      ratio: results.ratio(server, "floor", row),
      tooMuch: row.kept === true && !results.kept(server, row),
    }));
    return bars.some(({ figure }) => figure !== undefined) ? [{ row, bars }] : [];
  });
  const height = TITLE + servers.length * STEP + 22;
  const lines = Math.ceil(panels.length / COLUMNS);
  const total = HEAD + lines * height + FOOT;
  const { about } = run;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${total}" viewBox="0 0 ${WIDTH} ${total}" role="img" aria-labelledby="title">`,
    `<title id="title">CPU time, latency and memory of each server; less is better</title>`,
    `<style>${STYLE}\n</style>`,
    `<rect class="ground" width="${WIDTH}" height="${total}"/>`,
    text(MARGIN, 38, "What a push server costs", "title"),
    text(
      MARGIN,
      62,
      "CPU time of the server on one core, latency, memory: less is better. In brackets: times a bare uWebSockets.js server (floor).",
      "quiet",
    ),
    ...panels.map((panel, index) =>
      panelOf(panel, {
        x: MARGIN + (index % COLUMNS) * (PANEL + GAP),
        y: HEAD + Math.floor(index / COLUMNS) * height,
      }),
    ),
    text(
      MARGIN,
      total - 16,
      `npm run bench, ${about.date}: ${about.cpu}, ${about.cores} cores, Node ${about.node}, medians of ${about.rounds} interleaved ${about.rounds === 1 ? "round" : "rounds"}${about.quick ? "; quick, so they mean little" : ""}`,
      "quiet",
    ),
    "</svg>\n",
  ].join("\n");
}

const scaled = (figure, { scale = 1 }) => (figure === undefined ? undefined : figure * scale);

function panelOf({ row, bars }, { x, y }) {
  const longest = Math.max(...bars.map(({ figure, tooMuch }) => (tooMuch ? 0 : (figure ?? 0))));
  const room = PANEL - NAMES - FIGURES;
  const from = x + NAMES;
  const parts = [text(x, y + 14, row.chart, "panel")];
  bars.forEach(({ server, name, figure, ratio, tooMuch }, index) => {
    const top = y + TITLE + index * STEP;
    const middle = top + BAR / 2 + 4.5;
    const mine = server === "hexpush" ? "mine" : "";
    parts.push(text(from - 8, middle, name, mine, "end"));
    if (figure === undefined || tooMuch) {
      parts.push(
        text(from + 6, middle, tooMuch ? "could not bear the rate" : "not measured", "quiet"),
      );
      return;
    }
    const length = Math.max(1, (figure / longest) * room);
    const kind = server === "floor" || server === "hexpush" ? server : "bar";
    parts.push(
      `<rect class="${kind}" x="${from}" y="${top}" width="${length.toFixed(1)}" height="${BAR}"/>`,
    );
    const times = ratio === undefined || server === "floor" ? "" : ` (${significant(ratio)})`;
    parts.push(text(from + length + 6, middle, `${significant(figure)} ${row.unit}${times}`, mine));
  });
  const bottom = y + TITLE + bars.length * STEP - 4;
  parts.push(`<path class="axis" d="M${from} ${y + TITLE - 2}V${bottom}"/>`);
  return `<g>\n${parts.join("\n")}\n</g>`;
}

function text(x, y, content, kind = "", anchor = "start") {
  const attributes = [
    `x="${x.toFixed(1)}"`,
    `y="${y.toFixed(1)}"`,
    ...(kind === "" ? [] : [`class="${kind}"`]),
    ...(anchor === "start" ? [] : [`text-anchor="${anchor}"`]),
  ];
  return `<text ${attributes.join(" ")}>${escaped(content)}</text>`;
}

function escaped(content) {
  return content.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
