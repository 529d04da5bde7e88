// `npm run test:restart`: the restart run of test/restart with as many clients as an operator has.
//   npm run test:restart -- --clients 5000 --rate 1000
//   npm run test:restart -- --unbounded     the node admits all at once; the run must fail

import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { ensure, root } from "./bootstrap.mjs";

const { values } = parseArgs({
  options: {
    clients: { type: "string", default: "5000" },
    rate: { type: "string", default: "1000" },
    unbounded: { type: "boolean", default: false },
  },
});

await ensure({ build: true });
const { status } = spawnSync(
  process.execPath,
  [join(root, "node_modules/vitest/vitest.mjs"), "run", "test/restart"],
  {
    cwd: root,
    stdio: "inherit",
    env: {
      ...process.env,
      HEXPUSH_TEST_CLIENTS: values.clients,
      HEXPUSH_TEST_RATE: values.rate,
      HEXPUSH_TEST_UNBOUNDED: values.unbounded ? "1" : "0",
    },
  },
);
process.exit(status ?? 1);
