import { createRequire } from "node:module";
import type * as Ws from "ws";

const require = createRequire(import.meta.url);

/** Loads `ws`: not by an `import`, so that a server on uWebSockets.js starts without it. */
export function loadWs(): typeof Ws {
  return require("ws") as typeof Ws;
}
