import type { Run, ServerRun } from "../../bench/report.mjs";
import { ROWS } from "../../bench/rows.mjs";
import { scenarios } from "../../bench/workloads.mjs";

/** Times the floor, in every row; what is "more" better is less by as much. */
export const COSTS: Readonly<Record<string, number>> = {
  floor: 1,
  hexpush: 0.5,
  "hexpush-key": 0.5,
  nchan: 4,
  "koa-ws": 20,
  'a <b> & "c"': 3,
};

/** A run in which the floor's figure of each row is 100, in each of three rounds. */
export function madeUpRun(change: (run: ServerRun) => void = () => {}): Run {
  const all = scenarios({ quick: false, maxSockets: 19_300 });
  const servers = Object.keys(COSTS);
  const runs = [0, 1, 2].flatMap((round) =>
    servers.flatMap((server) =>
      all.map(({ name }) => {
        const run: ServerRun = { server, scenario: name, round, phases: {} };
        for (const { scenario, phase, metric } of ROWS) {
          if (scenario !== name) continue;
          const times = COSTS[server] ?? 1;
          const figures = { cpuUs: 100 * times, perCpuSecond: 100 / times, serverWaited: 0.01 };
          run.phases[phase] = {
            ...run.phases[phase],
            ...figures,
            [metric]: metric === "perSecond" ? 100 / times : 100 * times,
          };
        }
        change(run);
        return run;
      }),
    ),
  );
  const about = {
    date: "2026-01-31",
    commit: "abcdef0",
    cpu: "A CPU",
    cores: 2,
    virtual: true,
    memoryGiB: 8,
    kernel: "Linux 6.1",
    node: "v20.20.0",
    rounds: 3,
    quick: false,
    pinned: { server: 0, generator: 1 },
    maxSockets: 19_300,
    versions: { nchan: "1.3.6" },
  };
  return { about, scenarios: all, servers, runs, failures: [] };
}
