export type { ApiKeySetting } from "./kinds.js";

import type { SETTINGS } from "./settings.js";

type Settings = typeof SETTINGS;

/** The checked value of every setting, by its key in the table of settings. */
export type Config = {
  readonly [Key in keyof Settings]: Settings[Key]["defaultValue"];
};

export type LogLevel = Config["logLevel"];

/** A setting is invalid. `message` is one line that names it, without its value if it is secret. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
}
