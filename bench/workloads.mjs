// What is measured. What the table shows of it is in rows.mjs, what has to be reached in targets.mjs.
//
// A scenario is one fresh server and one generator; it is what the generator gets as its job. Its
// phases share the sockets. A phase is
// - a closed loop: `window` connections push, each again once its last push was answered (with one,
//   once it has arrived at everybody), `pushes` of them or for so many `seconds`;
// - or one that pushes from a thread of its own (`apart`), where deliveries may lag `lag` pushes
//   behind: as a closed loop, or `rate` pushes a second at fixed times;
// with an unmeasured one of the same kind before it (`warm`). `napMs` is how long the generator
// naps between reads, `sampleEvery` and `lazyMs` are drive.mjs's.
//
// `sse`: the subscribers are event streams (server-sent events), which are compared with hexpush's
// WebSockets in the scenario that this names;
// `servers`: those that it is for, if it is not for all; `unhurried`: left out of a quick run,
// unless it is asked for by name; `halfRateOf`: the rate of its phases is half of what that server
// bears in that scenario and phase.

const HEXPUSH_ONLY = ["hexpush", "hexpush-no-history", "hexpush-file", "hexpush-other"];
const WITH_STREAMS = ["hexpush", "hexpush-other", "nchan"];
/** `--only sse`: all scenarios of event streams, and what they are compared with. */
export const SSE = "sse";
/** More sockets would take minutes to open. */
const MOST_SOCKETS = 100_000;

export function scenarios({ quick, maxSockets }) {
  const sockets = (count) => Math.min(quick ? Math.ceil(count / 10) : count, maxSockets);
  const most = Math.min(maxSockets, MOST_SOCKETS);
  const few = (count, part) => (quick ? Math.ceil(count / part) : count);
  const phase = (name, window, pushes, seconds, warmPushes, napMs) => ({
    name,
    window,
    pushes: few(pushes, 20),
    seconds,
    // Enough for V8 to have compiled the hot paths, on both sides.
    warm: { pushes: few(warmPushes, 10), seconds: 4 },
    napMs,
  });
  // Nobody waits for what is read here, so many frames are read together.
  const answered = (pushes, seconds, warmPushes) => ({
    ...phase("answered", 1, pushes, seconds, warmPushes, 15),
    apart: true,
    lag: 64,
  });
  const warmRoute = { pushes: few(8_000, 16), seconds: 4 };
  const fanout = (count, phases, more = {}) => ({
    name: `fanout-${short(count)}`,
    sockets: sockets(count),
    channels: 1,
    warmRoute,
    phases,
    ...more,
  });
  const spread = (count, more = {}) => ({
    name: `channels-${short(count)}`,
    sockets: sockets(count),
    channels: sockets(count),
    warmRoute,
    phases: [phase("x16", 16, 40_000, 2, 5_000, 0)],
    ...more,
  });
  /** Pushes at fixed times; latencies are taken from every twentieth socket. */
  const atRate = (rate, seconds, window, more = {}) => ({
    name: "rate",
    apart: true,
    rate,
    window,
    lag: 100,
    seconds: quick ? 1 : seconds,
    warm: { seconds: quick ? 0.5 : 1.5 },
    napMs: 0.1,
    sampleEvery: 20,
    ...more,
  });
  // Others at another size; not needed to see whether the benchmark runs.
  const scale = { servers: ["floor", "hexpush"], unhurried: true };
  const posts = { sockets: 0, channels: 1, warmRoute };
  const memory = (size) => ({
    kind: "memory",
    collectable: true,
    channels: 1,
    before: quick ? 100 : 500,
    steadyLooks: quick ? 3 : 10,
    ...size,
  });
  const connect = {
    name: "connect",
    kind: "connect",
    channels: 1,
    before: quick ? 500 : 5_000,
    sockets: sockets(10_000),
  };
  return [
    fanout(1_000, [
      phase("one", 1, 200, 2, 30, 0.5),
      answered(4_000, 2, 100),
      phase("x16", 16, 3_200, 2, 160, 0.5),
    ]),
    fanout(10_000, [
      phase("one", 1, 30, 2.5, 4, 0.5),
      answered(500, 2.5, 10),
      phase("x16", 16, 320, 2, 16, 0.5),
    ]),
    fanout(10, [phase("x16", 16, 100_000, 1.5, 5_000, 0)], { ...scale, sockets: 10 }),
    fanout(100, [phase("x16", 16, 32_000, 1.5, 1_600, 0.5)], scale),
    {
      name: "steady",
      sockets: sockets(1_000),
      channels: 1,
      warmRoute,
      phases: [atRate(100, 4, 16)],
    },
    {
      name: "latency",
      sockets: sockets(1_000),
      channels: 1,
      warmRoute,
      phases: [atRate(undefined, 3, 32, { lazyMs: 20 })],
      halfRateOf: { server: "floor", scenario: "fanout-1k", phase: "x16" },
    },
    spread(1_000),
    ...[1, 100, 10_000].map((count) =>
      spread(count, {
        ...scale,
        ...(count < 1_000 ? { sockets: count, channels: count } : {}),
      }),
    ),
    { name: "post", ...posts, phases: [phase("x32", 32, 100_000, 2, 8_000, 0)] },
    {
      name: "batch",
      servers: ["hexpush", "hexpush-other"],
      ...posts,
      perRequest: 100,
      warmRoute: { pushes: few(300, 16), seconds: 4 },
      phases: [phase("x32", 32, 10_000, 2, 500, 0)],
    },
    {
      name: "post-1k",
      servers: HEXPUSH_ONLY,
      ...posts,
      channels: 1_000,
      // Above the size of a history, and above the size at which the file broker trims it.
      fill: quick ? 2 : 150,
      phases: [phase("x32", 32, 100_000, 2, 8_000, 0)],
    },
    {
      name: "history",
      servers: ["hexpush", "hexpush-no-history"],
      kind: "history",
      collectable: true,
      channels: quick ? 50 : 500,
      messages: 100,
      dataBytes: 200,
      before: quick ? 10 : 200,
      seconds: 60,
      steadyLooks: quick ? 3 : 10,
    },
    memory({ name: "memory", sockets: sockets(10_000) }),
    memory({ name: "memory-most", sockets: quick ? Math.ceil(most / 10) : most, ...scale }),
    connect,
    // As on WebSockets, so that the ratio tells only of the transport.
    ...[
      fanout(1_000, [phase("one", 1, 200, 2, 30, 0.5), phase("x16", 16, 3_200, 2, 160, 0.5)]),
      memory({ name: "memory", sockets: sockets(10_000) }),
      connect,
    ].map((scenario) => ({
      ...scenario,
      name: `sse-${scenario.name}`,
      sse: scenario.name,
      servers: WITH_STREAMS,
    })),
    { name: "start", kind: "start", starts: quick ? 1 : 5 },
  ];
}

/**
 * The scenarios of a run. `only` are names, and SSE, which brings the WebSocket scenarios that event
 * streams are compared with: those are measured on the builds of hexpush alone, unless they are
 * named too.
 */
export function selectScenarios(all, { only, quick }) {
  if (only === undefined) return all.filter(({ unhurried }) => !(quick && unhurried));
  const streams = only.includes(SSE) ? all.filter(({ sse }) => sse !== undefined) : [];
  return all.flatMap((scenario) => {
    if (only.includes(scenario.name) || streams.includes(scenario)) return [scenario];
    const isCompared = streams.some(({ sse }) => sse === scenario.name);
    return isCompared ? [{ ...scenario, servers: ["hexpush", "hexpush-other"] }] : [];
  });
}

/** The scenario with the rate of its phases told, in pushes a second. */
export function withRate(scenario, rate) {
  const phases = scenario.phases.map((phase) => {
    const known = { ...phase, rate: phase.rate ?? rate };
    const pushes = (seconds) => Math.max(1, Math.round(known.rate * seconds));
    const warm = { ...phase.warm, pushes: pushes(phase.warm.seconds) };
    return { ...known, pushes: pushes(phase.seconds), warm };
  });
  return { ...scenario, phases };
}

const short = (count) => (count < 1_000 ? String(count) : `${count / 1_000}k`);
