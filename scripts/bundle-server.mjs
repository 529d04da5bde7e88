// Bundles the server that `hexpush serve` runs into one file, which replaces the compiler's
// dist/cli/serve.js: `node scripts/bundle-server.mjs [folder]`, by default dist. To find, read and
// link several hundred small files takes Node longer than anything else at a start
// (docs/adr/0022-start.md). All that a host imports stays as the compiler wrote it.

import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const folder = resolve(process.argv[2] || join(root, "dist"));

/**
 * What becomes part of the file, with what it depends on: packages of many files that read nothing
 * from the network. All others are loaded from node_modules, so that an update of one of them (or
 * a host's own uWebSockets.js) takes effect without a new hexpush.
 */
const BUNDLED = new Set(["inversify", "zod"]);

const { metafile } = await build({
  entryPoints: [join(root, "src", "cli", "serve.ts")],
  outfile: join(folder, "cli", "serve.js"),
  absWorkingDir: root,
  bundle: true,
  format: "esm",
  platform: "node",
  target: "node20",
  legalComments: "eof",
  sourcemap: true,
  sourcesContent: false,
  metafile: true,
  logLevel: "warning",
  plugins: [{ name: "what stays outside", setup: leaveOutside }],
});
escapeBeyondAscii(join(folder, "cli", "serve.js"));
writeFileSync(join(folder, "THIRD-PARTY-NOTICES.txt"), notices(packagesIn(metafile)));

/**
 * V8 keeps a file's text for as long as the process lives, and with two bytes for each character if
 * a single one of them needs two. They are in comments only; esbuild writes strings like this anyway.
 */
function escapeBeyondAscii(file) {
  const text = readFileSync(file, "utf8");
  const escaped = (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`;
  writeFileSync(file, text.replace(/[^\0-\x7f]/g, escaped));
}

function leaveOutside({ onResolve }) {
  onResolve({ filter: /^[^./]/ }, ({ path, importer, kind }) => {
    if (kind === "entry-point" || !isOwn(importer)) return undefined;
    return BUNDLED.has(path) ? undefined : { path, external: true };
  });
  // The command line's own files: its errors are told by their classes, of which there must be one.
  onResolve({ filter: /^\.\// }, ({ path, importer }) =>
    dirname(importer) === join(root, "src", "cli") ? { path, external: true } : undefined,
  );
}

function isOwn(path) {
  return path.startsWith(join(root, "src"));
}

/** The folders of the bundled packages, sorted. */
function packagesIn({ inputs }) {
  const folders = Object.keys(inputs).map(
    (path) => /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(path)?.[0],
  );
  return [...new Set(folders.filter((each) => each !== undefined))].sort();
}

/** The licences require their texts in every copy. */
function notices(packages) {
  const parts = packages.map((each) => {
    const { name, version, license } = JSON.parse(
      readFileSync(join(root, each, "package.json"), "utf8"),
    );
    const texts = readdirSync(join(root, each))
      .filter((file) => /^(?:licen[cs]e|notice|copyright)/i.test(file))
      .map((file) => readFileSync(join(root, each, file), "utf8").trim());
    if (texts.length === 0) throw new Error(`${name} is bundled and has no licence text`);
    return [`${name} ${version} (${license})`, ...texts].join("\n\n");
  });
  const head = "dist/cli/serve.js holds code of these packages.";
  return `${[head, ...parts].join(`\n\n${"-".repeat(80)}\n\n`)}\n`;
}
