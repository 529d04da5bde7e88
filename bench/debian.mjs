// Finds the peers that Debian packages: on the system, or in the folder of `npm run bench:peers`.
import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** What scripts/bench-peers.mjs unpacks packages into, and nothing else uses. */
export const UNPACKED = fileURLToPath(new URL(".peers", import.meta.url));
/** In there: which version of each package, as JSON. */
export const VERSIONS = "versions.json";
/** The path is compiled into nchan; nginx ends if it cannot create it. */
export const NCHAN_FILES = "/var/lib/nginx/body";

export const HOW_TO_GET = "run `npm run bench:peers` once, which fetches it from Debian";

/** The system's file, or the unpacked one; undefined if there is neither. */
export function locate(path) {
  return [path, join(UNPACKED, path)].find((place) => existsSync(place));
}

/** For programs that were unpacked: the libraries that came with them. */
export function libraries() {
  const usr = join(UNPACKED, "usr/lib");
  const folders = existsSync(usr) ? readdirSync(usr).filter((name) => /-linux-/.test(name)) : [];
  if (folders.length === 0) return {};
  return { LD_LIBRARY_PATH: folders.map((name) => join(usr, name)).join(":") };
}

/** A package's version as Debian writes it, such as "1:1.3.6+dfsg-2". */
export function debianVersion(name) {
  const list = join(UNPACKED, VERSIONS);
  const unpacked = existsSync(list) ? JSON.parse(readFileSync(list, "utf8"))[name] : undefined;
  if (unpacked !== undefined) return unpacked;
  try {
    return execFileSync("dpkg-query", ["-W", "-f", "$" + "{Version}", name], { encoding: "utf8" });
  } catch {
    return "unknown";
  }
}
