import { readFileSync } from "node:fs";
import type { Logger } from "pino";
import { allowAll } from "../adapters/auth/allow-all.js";
import { readApiKeyFile } from "../adapters/auth/api-keys/api-key-file.js";
import { ApiKeyPolicy } from "../adapters/auth/api-keys/api-keys.js";
import { HttpCalloutPolicy } from "../adapters/auth/callout/http-callout.js";
import { type JwtKeySource, JwtPolicy } from "../adapters/auth/jwt/jwt.js";
import { byQuestion, firstAllowWins, firstDenyWins } from "../application/combine-policies.js";
import { describeError } from "../application/describe-error.js";
import type { PolicyFault } from "../application/guard-policy.js";
import { publicChannelsOnly, withPublicChannels } from "../application/public-channels.js";
import { type Config, ConfigError } from "../config/config.js";
import type { AuthPolicy } from "../domain/auth-policy.js";

/** The policy that the settings describe. */
export interface ConfiguredPolicy {
  readonly policy: AuthPolicy;
  /** Warnings for the operator, logged at the start. */
  readonly notices: readonly string[];
  /**
   * Reads the file of API keys again.
   *
   * @throws {TypeError} if it is invalid; then the present keys stay.
   */
  readonly reload: (() => void) | undefined;
}

export interface PolicyContext {
  readonly config: Config;
  /** Whether the channel rules open channels to everyone; they decide which at a join. */
  readonly hasPublicRules: boolean;
  readonly log: Logger;
  /** Seconds since 1970. */
  readonly now: () => number;
}

/** @throws {ConfigError} if a setting is invalid, or two settings contradict each other. */
export function configuredPolicy(context: PolicyContext): ConfiguredPolicy {
  const { config } = context;
  const keys = apiKeyPolicy(config);
  const jwt = jwtPolicy(context);
  const callout = calloutPolicy(context);
  const combine = combination(context);
  const notices: string[] = [];

  const pushing = present([keys, config.jwtPush ? jwt : undefined, callout]);
  const operating = present([
    keys,
    config.jwtOperate ? jwt : undefined,
    config.authOperate ? callout : undefined,
  ]);
  const joining = present([jwt, callout]);
  const tokenUse = config.jwtPush ? "HEXPUSH_JWT_PUSH" : "HEXPUSH_JWT_OPERATE";
  if (
    config.authCombine === "first-deny" &&
    keys !== undefined &&
    (config.jwtPush || config.jwtOperate)
  ) {
    throw new ConfigError(
      `${tokenUse} with HEXPUSH_API_KEYS would need both a token and a key in one field: ` +
        "set HEXPUSH_AUTH_COMBINE=first-allow, so that one of them is enough",
    );
  }

  const closedToPushes = pushing.length === 0 && joining.length > 0;
  if (closedToPushes) {
    notices.push(
      "nobody may push over HTTP: tokens guard the sockets only; set HEXPUSH_API_KEYS, or HEXPUSH_JWT_PUSH=true",
    );
  }
  const pushes = pushing.length > 0 || closedToPushes ? combine(pushing) : allowAll;
  const sockets = socketPolicy(context, joining.length > 0 ? combine(joining) : undefined);
  if (sockets === undefined && keys !== undefined) {
    notices.push(
      "API keys guard pushes only: every client may connect and join every channel; " +
        "set HEXPUSH_JWT_SECRET, HEXPUSH_AUTH_URL or HEXPUSH_PUBLIC_CHANNELS",
    );
  }
  const policy =
    sockets === undefined && pushes === allowAll
      ? allowAll
      : byQuestion({
          pushes,
          operates: pushes === allowAll ? allowAll : combine(operating),
          sockets: sockets ?? allowAll,
        });
  const reload = config.apiKeysFile === undefined ? undefined : () => keys?.reload(allKeys(config));
  return { policy, notices, reload };
}

/** Logs the failures of a policy. */
export function policyFaultTo(log: Logger): PolicyFault {
  return (question, error) =>
    log.error({ err: describeError(error), question }, "auth policy failed; denied");
}

function present(policies: readonly (AuthPolicy | undefined)[]): AuthPolicy[] {
  return policies.filter((policy) => policy !== undefined);
}

function combination({ config, log }: PolicyContext): (policies: AuthPolicy[]) => AuthPolicy {
  const report = policyFaultTo(log);
  const all = config.authCombine === "first-deny" ? firstDenyWins : firstAllowWins;
  // A single policy is used directly: the guard around the whole policy covers it.
  return (policies) => {
    const [only] = policies;
    return policies.length === 1 && only !== undefined ? only : all(policies, report);
  };
}

/** Undefined if everyone may connect and join. */
function socketPolicy(
  { config, hasPublicRules }: PolicyContext,
  asked: AuthPolicy | undefined,
): AuthPolicy | undefined {
  const { publicChannels } = config;
  if (asked === undefined) return publicChannels && publicChannelsOnly(publicChannels);
  if (publicChannels === undefined && !hasPublicRules) return asked;
  return withPublicChannels(asked, publicChannels ?? []);
}

function apiKeyPolicy(config: Config): ApiKeyPolicy | undefined {
  if (config.apiKeys === undefined && config.apiKeysFile === undefined) return undefined;
  const keys = orConfigError("HEXPUSH_API_KEYS_FILE", () => allKeys(config));
  return orConfigError("HEXPUSH_API_KEYS", () => new ApiKeyPolicy(keys));
}

function allKeys({ apiKeys = [], apiKeysFile }: Config) {
  return [...apiKeys, ...(apiKeysFile === undefined ? [] : readApiKeyFile(apiKeysFile))];
}

function jwtPolicy({ config, log, now }: PolicyContext): JwtPolicy | undefined {
  const sources = {
    HEXPUSH_JWT_SECRET: config.jwtSecret,
    HEXPUSH_JWT_PUBLIC_KEY_FILE: config.jwtPublicKeyFile,
    HEXPUSH_JWKS_URL: config.jwksUrl,
  };
  const given = Object.entries(sources).filter(([, value]) => value !== undefined);
  const [first] = given;
  if (first === undefined) {
    const idle = (["jwtPush", "jwtOperate", "jwtAudience", "jwtIssuer"] as const).find((key) =>
      Boolean(config[key]),
    );
    if (idle === undefined) return undefined;
    // Without keys no token is checked, so the operator would rely on a limit that does nothing.
    throw new ConfigError(`"${idle}" is set without one of ${Object.keys(sources).join(", ")}`);
  }
  if (given.length > 1) {
    throw new ConfigError(`only one of ${given.map(([name]) => name).join(", ")} can be set`);
  }
  return orConfigError(
    first[0],
    () =>
      new JwtPolicy({
        ...keySource(config),
        audience: config.jwtAudience,
        issuer: config.jwtIssuer,
        leewaySeconds: config.jwtLeeway,
        pushes: config.jwtPush,
        operates: config.jwtOperate,
        now,
        onRefused: (reason) => log.debug({ reason }, "token refused"),
        onFault: (error) =>
          log.warn({ err: describeError(error) }, "the keys that verify tokens are not available"),
      }),
  );
}

/** One of the three settings is given. */
function keySource({ jwtSecret, jwtPublicKeyFile, jwksUrl }: Config): JwtKeySource {
  if (jwtSecret !== undefined) return { secret: jwtSecret };
  if (jwtPublicKeyFile !== undefined) return { publicKeys: readText(jwtPublicKeyFile) };
  return { jwksUrl: jwksUrl as string };
}

function calloutPolicy({ config, log, now }: PolicyContext): HttpCalloutPolicy | undefined {
  const { authUrl: url, authSecret: secret, authTimeout, authOperate: operates } = config;
  if (url === undefined) {
    if (secret !== undefined) {
      throw new ConfigError("HEXPUSH_AUTH_SECRET is set without HEXPUSH_AUTH_URL");
    }
    if (operates) throw new ConfigError("HEXPUSH_AUTH_OPERATE is set without HEXPUSH_AUTH_URL");
    return undefined;
  }
  return orConfigError(
    "HEXPUSH_AUTH_URL",
    () =>
      new HttpCalloutPolicy({
        url,
        secret,
        operates,
        timeoutMs: authTimeout * 1000,
        now: () => now() * 1000,
        onFault: (fault) => log.warn(fault, "auth callout failed; denied"),
      }),
  );
}

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    const { code = "unknown error" } = error as NodeJS.ErrnoException;
    throw new TypeError(`cannot read ${path} (${code})`);
  }
}

function orConfigError<T>(setting: string, make: () => T): T {
  try {
    return make();
  } catch (error) {
    throw new ConfigError(`${setting}: ${(error as Error).message}`);
  }
}
