import { createRequire } from "node:module";
import { loadUws } from "../adapters/uws/library.js";
import { ConfigError } from "../config/config.js";

const require = createRequire(import.meta.url);

/** The library that serves WebSockets. */
export interface WebSocketLibrary {
  readonly name: "uws" | "ws";
  /** `NAME@VERSION` of the package. uWebSockets.js comes from a package with another name. */
  readonly package: string;
  /** Why uWebSockets.js did not load, in one line; undefined if it did, or was not requested. */
  readonly reason: string | undefined;
}

/**
 * @param load loads uWebSockets.js, or throws.
 * @throws {ConfigError} if `setting` is `uws` and uWebSockets.js does not load.
 */
export function webSocketLibrary(
  setting: "auto" | "uws" | "ws",
  load: () => unknown = loadUws,
): WebSocketLibrary {
  const reason = setting === "ws" ? undefined : faultOf(load);
  if (setting === "uws" && reason !== undefined) {
    throw new ConfigError(`HEXPUSH_WEBSOCKETS=uws: uWebSockets.js does not load: ${reason}`);
  }
  const name = setting === "ws" || reason !== undefined ? "ws" : "uws";
  return { name, package: packageOf(name === "ws" ? "ws" : "uWebSockets.js"), reason };
}

/** Why the library does not load, in one line; undefined if it loads. */
function faultOf(load: () => unknown): string | undefined {
  try {
    load();
    return undefined;
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    // The message of uWebSockets.js begins with the supported systems; the cause follows.
    return (/^Error: (.+)$/m.exec(message)?.[1] ?? message.split("\n", 1)[0])?.trim();
  }
}

function packageOf(name: string): string {
  const { name: published, version } = require(`${name}/package.json`) as {
    name: string;
    version: string;
  };
  return `${published}@${version}`;
}
