// What is measured, what the table shows of it, and what hexpush has to reach.

/** A scenario is one fresh server and one generator; its phases share the sockets. */
export function scenarios({ quick, maxSockets }) {
  const sockets = (count) => Math.min(quick ? Math.ceil(count / 10) : count, maxSockets);
  const phase = (name, window, pushes, seconds, warmPushes, napMs) => ({
    name,
    window,
    pushes: quick ? Math.ceil(pushes / 20) : pushes,
    seconds,
    // Enough for V8 to have compiled the hot paths, on both sides.
    warm: { pushes: quick ? Math.ceil(warmPushes / 10) : warmPushes, seconds: 4 },
    napMs,
  });
  const warmRoute = { pushes: quick ? 500 : 8_000, seconds: 4 };
  return [
    {
      name: "fanout-1k",
      sockets: sockets(1_000),
      channels: 1,
      warmRoute,
      phases: [phase("one", 1, 200, 2, 30, 0.5), phase("x16", 16, 3_200, 2, 160, 0.5)],
    },
    {
      name: "fanout-10k",
      sockets: sockets(10_000),
      channels: 1,
      warmRoute,
      phases: [phase("one", 1, 30, 2.5, 4, 0.5), phase("x16", 16, 320, 2, 16, 0.5)],
    },
    {
      name: "channels-1k",
      sockets: sockets(1_000),
      channels: sockets(1_000),
      warmRoute,
      phases: [phase("x16", 16, 40_000, 2, 5_000, 0)],
    },
    {
      name: "post",
      sockets: 0,
      channels: 1,
      warmRoute,
      phases: [phase("x32", 32, 100_000, 2, 8_000, 0)],
    },
    {
      name: "post-1k",
      servers: ["hexpush", "hexpush-file"],
      sockets: 0,
      channels: 1_000,
      warmRoute,
      phases: [phase("x32", 32, 100_000, 2, 8_000, 0)],
    },
    {
      name: "memory",
      memory: true,
      collectable: true,
      sockets: sockets(10_000),
      channels: 1,
      before: quick ? 100 : 500,
      steadyLooks: quick ? 3 : 10,
    },
  ];
}

const thousands = (number) => number.toLocaleString("en");

/** The table's rows. `better` tells which way the ratio to the floor is to be read. */
export const ROWS = [
  {
    scenario: "fanout-1k",
    phase: "one",
    metric: "cpuUs",
    label: ({ sockets }) =>
      `CPU µs a delivery, ${thousands(sockets)} subscribers, one push at a time`,
  },
  {
    scenario: "fanout-1k",
    phase: "x16",
    metric: "cpuUs",
    label: () => "  the same, 16 pushes in flight",
  },
  {
    scenario: "fanout-10k",
    phase: "one",
    metric: "cpuUs",
    label: ({ sockets }) =>
      `CPU µs a delivery, ${thousands(sockets)} subscribers, one push at a time`,
  },
  {
    scenario: "fanout-10k",
    phase: "x16",
    metric: "cpuUs",
    label: () => "  the same, 16 pushes in flight",
  },
  {
    scenario: "channels-1k",
    phase: "x16",
    metric: "cpuUs",
    label: ({ channels }) => `CPU µs a push, ${thousands(channels)} channels of one subscriber`,
  },
  {
    scenario: "post",
    phase: "x32",
    metric: "perSecond",
    label: () => "POST a second, no subscriber, 32 connections (more is better)",
  },
  { scenario: "post", phase: "x32", metric: "cpuUs", label: () => "  CPU µs a POST" },
  {
    scenario: "post-1k",
    phase: "x32",
    metric: "perSecond",
    label: () => "POST a second, to one after the other of 1,000 channels",
  },
  {
    scenario: "memory",
    phase: "idle",
    metric: "bytesPerSocket",
    scale: 1 / 1024,
    label: ({ sockets }) => `KiB an idle joined socket, ${thousands(sockets)} sockets`,
  },
  { scenario: "memory", phase: "open", metric: "cpuUs", label: () => "CPU µs a connect and join" },
];

/** hexpush's figure (or that of `server`) is held against another server's, times a factor. */
export const TARGETS = [
  {
    text: "CPU per delivery at 1,000 subscribers at most 1.25 times the floor",
    row: { scenario: "fanout-1k", phase: "one", metric: "cpuUs" },
    atMost: 1.25,
    of: "floor",
  },
  {
    text: "  the same with 16 pushes in flight",
    row: { scenario: "fanout-1k", phase: "x16", metric: "cpuUs" },
    atMost: 1.25,
    of: "floor",
  },
  {
    text: "POST throughput at least that of Koa on node:http",
    row: { scenario: "post", phase: "x32", metric: "perSecond" },
    atLeast: 1,
    of: "koa-ws",
  },
  {
    text: "  the same a second of CPU time (on a busy machine, the one to believe)",
    row: { scenario: "post", phase: "x32", metric: "perCpuSecond" },
    atLeast: 1,
    of: "koa-ws",
  },
  {
    text: "CPU per POST with API keys at most 1.05 times that without",
    row: { scenario: "post", phase: "x32", metric: "cpuUs" },
    atMost: 1.05,
    server: "hexpush-key",
    of: "hexpush",
  },
  {
    text: "CPU per delivery at 1,000 subscribers with history at most 1.1 times that without",
    row: { scenario: "fanout-1k", phase: "one", metric: "cpuUs" },
    atMost: 1.1,
    of: "hexpush-no-history",
  },
  {
    text: "  the same with 16 pushes in flight",
    row: { scenario: "fanout-1k", phase: "x16", metric: "cpuUs" },
    atMost: 1.1,
    of: "hexpush-no-history",
  },
  {
    text: "POST throughput on the file broker at least half of that in memory",
    row: { scenario: "post", phase: "x32", metric: "perSecond" },
    atLeast: 0.5,
    server: "hexpush-file",
    of: "hexpush",
  },
  {
    text: "  the same over 1,000 channels",
    row: { scenario: "post-1k", phase: "x32", metric: "perSecond" },
    atLeast: 0.5,
    server: "hexpush-file",
    of: "hexpush",
  },
  {
    text: "memory per idle joined socket at most 3 times the floor",
    row: { scenario: "memory", phase: "idle", metric: "bytesPerSocket" },
    atMost: 3,
    of: "floor",
  },
];
