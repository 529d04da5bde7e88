// `npm start`: the server from this checkout, as `hexpush serve`. It runs in this process, so
// that the signals which npm passes on reach it.

import { ensure } from "./bootstrap.mjs";

async function start() {
  await ensure({ build: true });
  const { main } = await import("../dist/cli/main.js");
  await main(["serve", ...process.argv.slice(2)]);
}

void start();
