// What hexpush has to reach. Its figure for `row` (or that of `server`) is held against a bound:
// divided by another server's (`of`), by its own for another row (`over`), or by another server's
// for another row (both), or as it is. `text` begins with blanks if it continues the one
// before.

const row = (scenario, phase, metric = "cpuUs") => ({ scenario, phase, metric });

const FLOOR = "floor";
const ONE = row("fanout-1k", "one");
const X16 = row("fanout-1k", "x16");
const POST = row("post", "x32", "perSecond");
/** The rate of a second of CPU time: what the other would be, were nobody else on the machine. */
const POST_CPU = row("post", "x32", "perCpuSecond");
const CPU_RATE =
  "a second of CPU time (where others or the generator bound the rate, believe this)";

/** Issue 5's. */
const SPEED = [
  {
    text: "CPU per delivery, 1,000 subscribers, 16 pushes in flight: at most 1.10 times the floor",
    row: X16,
    of: FLOOR,
    atMost: 1.1,
  },
  { text: "  10,000 subscribers", row: row("fanout-10k", "x16"), of: FLOOR, atMost: 1.1 },
  {
    text: "CPU per delivery, 1,000 subscribers, each push once the last is answered: at most 0.45 times the floor",
    row: row("fanout-1k", "answered"),
    of: FLOOR,
    atMost: 0.45,
  },
  { text: "  and below nchan", row: row("fanout-1k", "answered"), of: "nchan", atMost: 1 },
  {
    text: "  10,000 subscribers: at most 0.45 times the floor",
    row: row("fanout-10k", "answered"),
    of: FLOOR,
    atMost: 0.45,
  },
  { text: "  and below nchan", row: row("fanout-10k", "answered"), of: "nchan", atMost: 1 },
  {
    text: "CPU at a steady 100 pushes a second to 1,000 subscribers: below the floor",
    row: row("steady", "rate"),
    of: FLOOR,
    atMost: 1,
  },
  {
    text: "  latency, 99 in 100: no more than the floor's",
    row: row("steady", "rate", "p99Ms"),
    of: FLOOR,
    atMost: 1,
  },
  {
    text: "CPU per push, 1,000 channels of one subscriber: at most 1.15 times the floor",
    row: row("channels-1k", "x16"),
    of: FLOOR,
    atMost: 1.15,
  },
  {
    text: "POST throughput with API keys: at least 0.75 of the floor",
    row: POST,
    server: "hexpush-key",
    of: FLOOR,
    atLeast: 0.75,
  },
  { text: `  ${CPU_RATE}`, row: POST_CPU, server: "hexpush-key", of: FLOOR, atLeast: 0.75 },
  {
    text: "  at least 2 times Koa on node:http",
    row: POST,
    server: "hexpush-key",
    of: "koa-ws",
    atLeast: 2,
  },
  { text: `  ${CPU_RATE}`, row: POST_CPU, server: "hexpush-key", of: "koa-ws", atLeast: 2 },
  {
    text: "pushes a second in batches of 100: at least 5 times those of single POSTs",
    row: row("batch", "x32", "perSecond"),
    over: POST,
    atLeast: 5,
  },
  { text: `  ${CPU_RATE}`, row: row("batch", "x32", "perCpuSecond"), over: POST_CPU, atLeast: 5 },
  {
    text: "latency at half the floor's full rate, 1,000 subscribers, 99 in 100: at most 1.1 times the floor",
    row: row("latency", "rate", "p99Ms"),
    of: FLOOR,
    atMost: 1.1,
  },
  {
    text: "memory per idle joined socket, 10,000 sockets: at most 1.5 times the floor",
    row: row("memory", "idle", "bytesPerSocket"),
    of: FLOOR,
    atMost: 1.5,
  },
  {
    text: "  as many sockets as the open-file limit allows",
    row: row("memory-most", "idle", "bytesPerSocket"),
    of: FLOOR,
    atMost: 1.5,
  },
  {
    text: "  flat: that many against 10,000, at most 1.1 times",
    row: row("memory-most", "idle", "bytesPerSocket"),
    over: row("memory", "idle", "bytesPerSocket"),
    atMost: 1.1,
  },
  {
    text: "connects and joins a second of CPU time: at least 0.8 of the floor",
    row: row("connect", "open", "perCpuSecond"),
    of: FLOOR,
    atLeast: 0.8,
  },
  ...[
    ["cost per delivery does not grow: 100 subscribers against 10", "fanout-100", "fanout-10"],
    ["  1,000 against 100", "fanout-1k", "fanout-100"],
    ["  10,000 against 1,000", "fanout-10k", "fanout-1k"],
    ["cost per push does not grow: 1,000 channels against 100", "channels-1k", "channels-100"],
    ["  10,000 against 1,000", "channels-10k", "channels-1k"],
  ].map(([text, more, less]) => ({
    text: `${text}, at most 1.1 times, or as the floor's`,
    row: row(more, "x16"),
    over: row(less, "x16"),
    orAs: FLOOR,
    atMost: 1.1,
  })),
  {
    text: "ms from the start to ready: under 300",
    row: row("start", "ready", "ms"),
    atMost: 300,
  },
];

/** Of keys, history and the file broker. */
const FEATURES = [
  {
    text: "CPU per POST with API keys: at most 1.05 times that without",
    row: row("post", "x32"),
    atMost: 1.05,
    server: "hexpush-key",
    of: "hexpush",
  },
  {
    text: "CPU per delivery, 1,000 subscribers, with history: at most 1.1 times that without",
    row: ONE,
    atMost: 1.1,
    of: "hexpush-no-history",
  },
  { text: "  16 pushes in flight", row: X16, atMost: 1.1, of: "hexpush-no-history" },
  {
    text: "bytes of memory that a history of 100 messages of 200 bytes costs: at most 60,000",
    row: row("history", "filled", "bytesPerChannel"),
    atMost: 60_000,
  },
  ...[
    ["POST throughput on the file broker: at least half of that in memory", POST],
    [`  ${CPU_RATE}`, POST_CPU],
    ["  over 1,000 channels", row("post-1k", "x32", "perSecond")],
    [`  ${CPU_RATE}`, row("post-1k", "x32", "perCpuSecond")],
  ].map(([text, figure]) => ({
    text,
    row: figure,
    atLeast: 0.5,
    server: "hexpush-file",
    of: "hexpush",
  })),
];

/** Issue 12's, of event streams. Another server's figure for another row is `of` with `over`. */
const STREAMS = [
  {
    text: "event streams: CPU per delivery, 1,000 streams, one push at a time: at most 1.5 times hexpush's WebSockets",
    row: row("sse-fanout-1k", "one"),
    over: ONE,
    atMost: 1.5,
  },
  { text: "  below nchan", row: row("sse-fanout-1k", "one"), of: "nchan", atMost: 1 },
  {
    text: "  16 pushes in flight: at most 1.5 times",
    row: row("sse-fanout-1k", "x16"),
    over: X16,
    atMost: 1.5,
  },
  { text: "  below nchan", row: row("sse-fanout-1k", "x16"), of: "nchan", atMost: 1 },
  {
    text: "event streams: CPU per connect: at most 1.5 times hexpush's WebSockets",
    row: row("sse-connect", "open"),
    over: row("connect", "open"),
    atMost: 1.5,
  },
  {
    text: "event streams: bytes of memory per idle stream: at most 3,072",
    row: row("sse-memory", "idle", "bytesPerSocket"),
    atMost: 3_072,
  },
];

/** Issue 12's, if another build is in the run (`--other`). */
const OTHER = [
  ["fanout-1k", "one", "cpuUs", "against the other build: CPU per delivery: at most 1.05 times"],
  ["fanout-1k", "answered", "cpuUs", "  each push once the last is answered"],
  ["fanout-1k", "x16", "cpuUs", "  16 pushes in flight"],
  ["channels-1k", "x16", "cpuUs", "  CPU per push, 1,000 channels of one subscriber"],
  ["post", "x32", "cpuUs", "  CPU per POST"],
  ["post-1k", "x32", "cpuUs", "  CPU per POST, over 1,000 channels"],
  ["batch", "x32", "cpuUs", "  CPU per push in batches of 100"],
  ["memory", "idle", "bytesPerSocket", "  memory per idle joined socket"],
  ["connect", "open", "cpuUs", "  CPU per connect and join"],
  ["sse-fanout-1k", "one", "cpuUs", "  CPU per delivery to event streams, one push at a time"],
  ["sse-fanout-1k", "x16", "cpuUs", "  16 pushes in flight"],
  ["sse-connect", "open", "cpuUs", "  CPU per connect of an event stream"],
  ["sse-memory", "idle", "bytesPerSocket", "  memory per idle event stream"],
].map(([scenario, phase, metric, text]) => ({
  text,
  row: row(scenario, phase, metric),
  atMost: 1.05,
  of: "hexpush-other",
}));

export const TARGETS = [...SPEED, ...FEATURES, ...STREAMS, ...OTHER];
