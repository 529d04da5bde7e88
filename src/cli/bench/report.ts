import type { RecordableHistogram } from "node:perf_hooks";
import { printable } from "../terminal.js";
import type { BenchPlan } from "./plan.js";
import type { Result } from "./run.js";

/** If this process is busier, it limits the measurements. */
const BUSY_MAX = 0.8;
/** Shorter phases mostly measure this program's own start. */
const TELLING_SECONDS = 0.5;

const PERCENTILES = [50, 95, 99] as const;

/** What the run will do, in one line. */
export function intentOf(plan: BenchPlan): string {
  const { url, subscribers, channels, pushes, seconds, rate, inFlight } = plan;
  const pace =
    rate === undefined ? "as fast as the server accepts them" : `${figure(rate)} per second`;
  return (
    `opens ${count(subscribers, "socket")} at ${printable(url)}, joins them to ` +
    `${count(channels.length, "channel")}, and makes at most ${count(pushes, "push", "es")} in at ` +
    `most ${seconds} s, ${pace}, ${figure(inFlight)} in flight`
  );
}

export function warningsOf({ figures, joined, plan }: Result): string[] {
  const warnings: string[] = [];
  const phases = [
    ...(isBusy(joined) ? [`${percent(joined.busy)} of the time while connecting`] : []),
    ...(isBusy(figures) ? [`${percent(figures.busy)} of the time while pushing`] : []),
  ];
  if (phases.length > 0) {
    warnings.push(
      `this program itself was busy for ${phases.join(" and ")}: it, or another process on its CPU, ` +
        "was the bottleneck; the server may be faster than these figures",
    );
  }
  const { rate } = plan;
  const reached = perSecond(figures.sent, figures.seconds);
  if (rate !== undefined && figures.seconds > TELLING_SECONDS && reached < rate * 0.95) {
    warnings.push(
      `requested ${figure(rate)} pushes per second, reached ${figure(reached)}: the window was full; ` +
        "latencies count from when a push was due",
    );
  }
  return warnings;
}

export function table({ figures, joined, lost, doubled, outOfOrder }: Result): string {
  const { accepted, deliveries, seconds, latency, answers, cpu, busy } = figures;
  const rates: [name: string, count: number, seconds: number][] = [
    ["connects and joins", joined.count, joined.seconds],
    ["pushes", accepted, seconds],
    ["deliveries", deliveries, seconds],
  ];
  const heads = ["ms", ...PERCENTILES.map((percentile) => `p${percentile}`), "max"];
  return `${[
    row(["", "per second", "number", "seconds"]),
    ...rates.map(([name, number, time]) =>
      row([name, figure(perSecond(number, time)), figure(number), time.toFixed(2)]),
    ),
    "",
    row(heads),
    row(["push to client", ...milliseconds(latency)]),
    row(["push to answer", ...milliseconds(answers)]),
    "",
    `lost ${figure(lost)}, doubled ${figure(doubled)}, out of order ${figure(outOfOrder)}`,
    `this program: ${percent(cpu)} of a CPU, busy for ${percent(busy)} of the time`,
  ].join("\n")}\n`;
}

/** Rates are per second, latencies in milliseconds, `cpu` and `busy` fractions of 1. */
export function asJson(result: Result): string {
  const { plan, joined, figures, lost, doubled, outOfOrder, isInterrupted, faults } = result;
  const { url, subscribers, channels, pushes, seconds, rate, inFlight, dataBytes } = plan;
  return JSON.stringify({
    plan: {
      url,
      subscribers,
      channels: channels.length,
      pushes,
      seconds,
      rate: rate ?? null,
      in_flight: inFlight,
      data_bytes: dataBytes,
    },
    connects: { ...rateOf(joined.count, joined.seconds), busy: rounded(joined.busy) },
    pushes: rateOf(figures.accepted, figures.seconds),
    deliveries: rateOf(figures.deliveries, figures.seconds),
    latency_ms: percentiles(figures.latency),
    answer_ms: percentiles(figures.answers),
    lost,
    doubled,
    out_of_order: outOfOrder,
    generator: { cpu: rounded(figures.cpu), busy: rounded(figures.busy) },
    interrupted: isInterrupted,
    warnings: warningsOf(result),
    faults,
  });
}

function isBusy({ busy, seconds }: { readonly busy: number; readonly seconds: number }): boolean {
  return busy > BUSY_MAX && seconds > TELLING_SECONDS;
}

function rateOf(number: number, seconds: number) {
  return {
    count: number,
    seconds: rounded(seconds),
    per_second: Math.round(perSecond(number, seconds)),
  };
}

/** null if nothing was measured. */
function percentiles(histogram: RecordableHistogram) {
  if (histogram.count === 0) return null;
  const values = PERCENTILES.map((p) => [`p${p}`, histogram.percentile(p) / 1000]);
  return { ...Object.fromEntries(values), max: histogram.max / 1000 };
}

function milliseconds(histogram: RecordableHistogram): string[] {
  const values = percentiles(histogram);
  if (values === null) return ["-", "-", "-", "-"];
  return Object.values(values).map((value) => Number(value).toFixed(2));
}

function row([name = "", ...cells]: readonly string[]): string {
  return `${name.padEnd(20)}${cells.map((cell) => cell.padStart(12)).join("")}`;
}

function perSecond(number: number, seconds: number): number {
  return seconds > 0 ? number / seconds : 0;
}

function rounded(value: number): number {
  return Math.round(value * 1000) / 1000;
}

function figure(value: number): string {
  return Math.round(value).toLocaleString("en-US");
}

function percent(part: number): string {
  return `${Math.round(part * 100)} %`;
}

function count(number: number, noun: string, plural = "s"): string {
  return `${figure(number)} ${noun}${number === 1 ? "" : plural}`;
}
