// Builds the browser's client: `node scripts/build-client.mjs [folder]`, by default dist/client.
// ES modules with types, and hexpush.min.js for a script tag.

import { spawnSync } from "node:child_process";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const folder = resolve(process.argv[2] || join(root, "dist", "client"));

const tsc = join(root, "node_modules", "typescript", "bin", "tsc");
const { status } = spawnSync(
  process.execPath,
  [tsc, "-p", join(root, "client", "tsconfig.json"), "--outDir", folder, "--noEmitOnError"],
  { stdio: "inherit" },
);
if (status !== 0) process.exit(1);

await build({
  entryPoints: [join(root, "client", "src", "script.ts")],
  outfile: join(folder, "hexpush.min.js"),
  bundle: true,
  minify: true,
  sourcemap: true,
  format: "iife",
  target: "es2022",
  logLevel: "warning",
});
