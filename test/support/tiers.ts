import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve, sep } from "node:path";

/**
 * What a test file needs, from the cheapest tier to the dearest. It is derived from the file and
 * from the test modules that it uses; a comment `// @tier NAME: reason` overrides that.
 * - `quick`: nothing but the sources. `npm run test:quick` runs this tier.
 * - `slow`: other processes, connections, whole servers (`*.e2e.test.ts`), or much time.
 * - `built`: the build in dist/.
 * - `browser`: the build, and Chromium.
 */
export const TIERS = ["quick", "slow", "built", "browser"] as const;

export type Tier = (typeof TIERS)[number];

/** Comment in a test file that names its tier, for instance because it takes much time. */
const EXPLICIT = /^\/\/ @tier (\w+): \S/m;
const PROCESSES = /["']node:(?:child_process|cluster)["']/;
const NETWORK = /["'](?:node:(?:net|http|https|tls)|ws|koa)["']|\bfetch\(/;
const END_TO_END = /\.e2e\.test\.ts$/;
/** A path into dist/, or the package by its own name, whose exports are in dist/. */
const BUILD = /["'`/]dist\/|(?:from|import|import\()\s*["']hexpush(?:\/\w+)?["']/;
const BROWSER = /["']playwright-core["']/;
/** A module that is imported, or a program that is started by its path. */
const SCRIPT = /["'`]([\w./-]+\.[cm]?[jt]s)["'`]/g;

/** The tier of each test file below `root`/test, by its path relative to `root`. */
export function tiersOf(root: string): Map<string, Tier> {
  const tests = readdirSync(join(root, "test"), { recursive: true, encoding: "utf8" })
    .filter((path) => path.endsWith(".test.ts"))
    .map((path) => join("test", path).split(sep).join("/"))
    .sort();
  const read = reader();
  return new Map(tests.map((path) => [path, tierOf(join(root, path), root, read)]));
}

function tierOf(test: string, root: string, read: (path: string) => SourceFile): Tier {
  const explicit = EXPLICIT.exec(read(test).text)?.[1];
  if (explicit !== undefined) {
    const tier = TIERS.find((name) => name === explicit);
    if (tier === undefined) throw new Error(`${test}: unknown tier ${explicit}`);
    return tier;
  }
  const texts: string[] = [];
  const seen = new Set<string>();
  const waiting = [test];
  for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
    if (seen.has(path)) continue;
    seen.add(path);
    const { text, imports } = read(path);
    texts.push(text);
    // The sources need nothing to run, and what is in dist/ is the build itself.
    waiting.push(...imports.filter((file) => !/^(?:src|dist)\b/.test(relative(root, file))));
  }
  const matches = (pattern: RegExp): boolean => texts.some((text) => pattern.test(text));
  if (matches(BROWSER)) return "browser";
  if (matches(BUILD)) return "built";
  return matches(PROCESSES) || matches(NETWORK) || END_TO_END.test(test) ? "slow" : "quick";
}

interface SourceFile {
  readonly text: string;
  /** Paths of the existing files that it names by a relative path. */
  readonly imports: readonly string[];
}

/** Support modules are shared by most tests, so each file is read once. */
function reader(): (path: string) => SourceFile {
  const files = new Map<string, SourceFile>();
  return (path) => {
    let file = files.get(path);
    if (file === undefined) {
      const text = readFileSync(path, "utf8");
      const imports = [...text.matchAll(SCRIPT)].flatMap(([, specifier = ""]) => {
        const target = resolve(dirname(path), specifier);
        // TypeScript files import each other by the name of the compiled file.
        return [target.replace(/js$/, "ts"), target].filter(existsSync).slice(0, 1);
      });
      file = { text, imports };
      files.set(path, file);
    }
    return file;
  };
}
