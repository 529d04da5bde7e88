import type * as Uws from "uWebSockets.js";
import { createRequire } from "node:module";

const require = createRequire(import.meta.url);

/**
 * Loads the native module: not by an `import`, because on many systems none of its builds loads, and
 * the server then runs without it.
 *
 * @throws {Error} if it does not load. Its message may have several lines.
 */
export function loadUws(): typeof Uws {
  return require("uWebSockets.js") as typeof Uws;
}
