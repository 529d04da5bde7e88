// The table's rows, in its order. A row is one metric of one phase of one scenario (workloads.mjs).
//
// - `label`: a text, or a function that makes it of the scenario as it was run;
// - `scale`: from the metric's unit to the row's;
// - `chart`: the title of the row's panel in the chart, if it has one, with `unit` after the figures;
// - `websocket`: the row of hexpush's WebSockets that event streams are compared with, in a table of
//   their own;
// - `kept`: the figure means nothing if the server could not sustain the offered rate.

const thousands = (number) => number.toLocaleString("en");
const subscribers = ({ sockets }) => `${thousands(sockets)} subscriber${sockets === 1 ? "" : "s"}`;
const channels = ({ channels: count }) => `${thousands(count)} channel${count === 1 ? "" : "s"}`;

/** CPU time per delivery or per push. */
const cpu = (scenario, phase, label, more) => ({
  scenario,
  phase,
  metric: "cpuUs",
  label,
  ...more,
});

const fanout = (scenario, size) => [
  cpu(
    scenario,
    "answered",
    (s) => `CPU µs a delivery, ${subscribers(s)}, each push once the last is answered`,
    {
      chart: `A delivery to ${size}, each push after an answer`,
      unit: "µs",
    },
  ),
  cpu(scenario, "one", "  each push once the last has arrived"),
  cpu(scenario, "x16", "  16 pushes in flight", {
    chart: `A delivery to ${size}, 16 pushes in flight`,
    unit: "µs",
  }),
];

const streams = ({ sockets }) => `${thousands(sockets)} streams`;

/** A row of event streams, compared with the same figure of WebSockets. */
const stream = (scenario, phase, label, { metric = "cpuUs", ...more } = {}) => ({
  ...{ scenario: `sse-${scenario}`, phase, metric, label, ...more },
  websocket: { scenario, phase, metric },
});

const STREAMS = [
  stream(
    "fanout-1k",
    "one",
    (s) => `CPU µs a delivery, ${streams(s)}, each push once the last has arrived`,
  ),
  stream("fanout-1k", "x16", "  16 pushes in flight"),
  stream("connect", "open", "CPU µs a connect"),
  stream("connect", "open", "  connects a second (more is better)", { metric: "perSecond" }),
  stream("memory", "open", "CPU µs of each of the first 10,000, on a fresh server"),
  stream("memory", "idle", (s) => `KiB an idle stream, ${streams(s)}`, {
    metric: "bytesPerSocket",
    scale: 1 / 1024,
  }),
];

export const ROWS = [
  ...fanout("fanout-1k", "1,000"),
  ...fanout("fanout-10k", "10,000"),
  ...["fanout-10", "fanout-100"].map((scenario) =>
    cpu(scenario, "x16", (s) => `CPU µs a delivery, ${subscribers(s)}, 16 pushes in flight`),
  ),
  cpu("steady", "rate", (s) => `CPU µs a delivery, 100 pushes a second to ${subscribers(s)}`, {
    kept: true,
    chart: "A delivery to 1,000, 100 pushes a second",
    unit: "µs",
  }),
  ...[
    ["p50Ms", "  ms from the push to the client, half of them within"],
    ["p99Ms", "  99 in 100 within"],
  ].map(([metric, label]) => ({
    ...{ scenario: "steady", phase: "rate", metric, label, kept: true },
    ...(metric === "p99Ms"
      ? { chart: "Latency at 100 pushes a second, 99 in 100 within", unit: "ms" }
      : {}),
  })),
  ...[
    [
      "p50Ms",
      (s) =>
        `ms from the push to the client at half the floor's full rate, ${subscribers(s)}, half of them within`,
    ],
    ["p99Ms", "  99 in 100 within"],
  ].map(([metric, label]) => ({ scenario: "latency", phase: "rate", metric, label, kept: true })),
  ...["channels-1k", "channels-1", "channels-100", "channels-10k"].map((scenario) =>
    cpu(scenario, "x16", (s) => `CPU µs a push, ${channels(s)} of one subscriber`, {
      ...(scenario === "channels-1k"
        ? { chart: "A push, 1,000 channels of one subscriber", unit: "µs" }
        : {}),
    }),
  ),
  {
    scenario: "post",
    phase: "x32",
    metric: "perSecond",
    label: "POST a second, no subscriber, 32 connections (more is better)",
  },
  cpu("post", "x32", "  CPU µs a POST", {
    chart: "A POST, no subscriber, 32 connections",
    unit: "µs",
  }),
  {
    scenario: "batch",
    phase: "x32",
    metric: "perSecond",
    label: ({ perRequest }) => `pushes a second, ${perRequest} in each POST (more is better)`,
  },
  cpu("batch", "x32", "  CPU µs a push"),
  {
    scenario: "post-1k",
    phase: "x32",
    metric: "perSecond",
    label: "POST a second, to one after the other of 1,000 channels (more is better)",
  },
  cpu("post-1k", "x32", "  CPU µs a POST"),
  {
    scenario: "history",
    phase: "filled",
    metric: "bytesPerChannel",
    scale: 1 / 1000,
    label: ({ messages, dataBytes }) =>
      `kB a channel that got ${messages} messages of ${dataBytes} bytes`,
  },
  ...["memory", "memory-most"].map((scenario) => ({
    scenario,
    phase: "idle",
    metric: "bytesPerSocket",
    scale: 1 / 1024,
    label: ({ sockets }) => `KiB an idle joined socket, ${thousands(sockets)} sockets`,
    ...(scenario === "memory"
      ? { chart: "Memory of an idle joined socket, 10,000 sockets", unit: "KiB" }
      : {}),
  })),
  cpu("connect", "open", "CPU µs a connect and join", { chart: "A connect and join", unit: "µs" }),
  {
    scenario: "connect",
    phase: "open",
    metric: "perSecond",
    label: "  connects and joins a second (more is better)",
  },
  cpu("memory", "open", "CPU µs of each of the first 10,000, on a fresh server"),
  ...STREAMS,
  {
    scenario: "start",
    phase: "ready",
    metric: "ms",
    label: "ms from the start of the process to its first answer",
  },
];
