import { readFileSync } from "node:fs";
import type { Logger } from "pino";
import { allowAll } from "../adapters/auth/allow-all.js";
import { readApiKeyFile } from "../adapters/auth/api-keys/api-key-file.js";
import { ApiKeyPolicy } from "../adapters/auth/api-keys/api-keys.js";
import { HttpCalloutPolicy } from "../adapters/auth/callout/http-callout.js";
import { JwtPolicy } from "../adapters/auth/jwt/jwt.js";
import { byQuestion, firstAllowWins, firstDenyWins } from "../application/combine-policies.js";
import { describeError } from "../application/describe-error.js";
import type { PolicyFault } from "../application/guard-policy.js";
import { publicChannelsOnly, withPublicChannels } from "../application/public-channels.js";
import { type Config, ConfigError } from "../config/config.js";
import type { AuthPolicy } from "../domain/auth-policy.js";

/** The policy that the settings ask for. */
export interface ConfiguredPolicy {
  readonly policy: AuthPolicy;
  /** What an operator should know of it at the start. */
  readonly notices: readonly string[];
  /**
   * Reads the file of keys again.
   *
   * @throws {TypeError} where it is wrong; the present keys stay.
   */
  readonly reload: (() => void) | undefined;
}

export interface PolicyContext {
  readonly config: Config;
  /** Whether the rules open channels to everyone; which ones is for them to say at a join. */
  readonly hasPublicRules: boolean;
  readonly log: Logger;
  /** Seconds since 1970. */
  readonly now: () => number;
}

/** @throws {ConfigError} where a setting is wrong, or two of them contradict each other. */
export function configuredPolicy(context: PolicyContext): ConfiguredPolicy {
  const { config } = context;
  const keys = apiKeyPolicy(config);
  const jwt = jwtPolicy(context);
  const callout = calloutPolicy(context);
  const combine = combination(context);
  const notices: string[] = [];

  const pushing = present([keys, config.jwtPush ? jwt : undefined, callout]);
  const joining = present([jwt, callout]);
  if (config.authCombine === "first-deny" && keys !== undefined && config.jwtPush) {
    throw new ConfigError(
      "HEXPUSH_JWT_PUSH with HEXPUSH_API_KEYS would need both a token and a key in one field: " +
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
      : byQuestion({ pushes, sockets: sockets ?? allowAll });
  const reload = config.apiKeysFile === undefined ? undefined : () => keys?.reload(allKeys(config));
  return { policy, notices, reload };
}

/** Where a policy that fails is reported. */
export function policyFaultTo(log: Logger): PolicyFault {
  return (question, error) =>
    log.error({ err: describeError(error), question }, "the auth policy failed, so it denies");
}

function present(policies: readonly (AuthPolicy | undefined)[]): AuthPolicy[] {
  return policies.filter((policy) => policy !== undefined);
}

function combination({ config, log }: PolicyContext): (policies: AuthPolicy[]) => AuthPolicy {
  const report = policyFaultTo(log);
  const all = config.authCombine === "first-deny" ? firstDenyWins : firstAllowWins;
  // One alone is asked directly, and guarded as every policy is.
  return (policies) => {
    const [only] = policies;
    return policies.length === 1 && only !== undefined ? only : all(policies, report);
  };
}

/** Undefined where everybody may connect and join. */
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
    const idle = (["jwtPush", "jwtAudience", "jwtIssuer"] as const).find((key) =>
      Boolean(config[key]),
    );
    if (idle === undefined) return undefined;
    // A limit on tokens that nobody looks at would be taken for protection.
    throw new ConfigError(`"${idle}" is set without one of ${Object.keys(sources).join(", ")}`);
  }
  if (given.length > 1) {
    throw new ConfigError(`only one of ${given.map(([name]) => name).join(", ")} can be set`);
  }
  return orConfigError(
    first[0],
    () =>
      new JwtPolicy({
        secret: config.jwtSecret,
        publicKeys: config.jwtPublicKeyFile && readText(config.jwtPublicKeyFile),
        jwksUrl: config.jwksUrl,
        audience: config.jwtAudience,
        issuer: config.jwtIssuer,
        leewaySeconds: config.jwtLeeway,
        pushes: config.jwtPush,
        now,
        onRefused: (reason) => log.debug({ reason }, "token refused"),
        onFault: (error) =>
          log.warn({ err: describeError(error) }, "the keys of tokens cannot be had"),
      }),
  );
}

function calloutPolicy({ config, log, now }: PolicyContext): HttpCalloutPolicy | undefined {
  const { authUrl: url, authSecret: secret, authTimeout } = config;
  if (url === undefined) {
    if (secret === undefined) return undefined;
    throw new ConfigError("HEXPUSH_AUTH_SECRET is set without HEXPUSH_AUTH_URL");
  }
  return orConfigError(
    "HEXPUSH_AUTH_URL",
    () =>
      new HttpCalloutPolicy({
        url,
        secret,
        timeoutMs: authTimeout * 1000,
        now: () => now() * 1000,
        onFault: (fault) => log.warn(fault, "the application could not be asked, so it is a no"),
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
