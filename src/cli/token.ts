import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { SignJWT } from "jose";
import type { Command } from "./command.js";
import { fromEnvironment } from "./environment.js";
import { parseOptions, wholeNumberOf } from "./options.js";
import { CommandError, UsageError } from "./usage-error.js";

/** RFC 7518, section 3.2: a key for HS256 is at least as long as its hash. */
const SECRET_BYTES_MIN = 32;
const DEFAULT_EXPIRES = "3600";
const EXPIRES_MAX = 10 * 365 * 86_400;

const HELP = `Prints a token (JWT, HS256) for development, signed with the server's HEXPUSH_JWT_SECRET. There is
no option for the secret itself, because other users of this machine could see it in the process
list.

  --sub NAME          the subject of the token
  --channels PATTERN  channels that it may join, separated by commas; "*" matches any characters
  --push PATTERN      channels that it may push to, in the same form
  --expires SECONDS   how long it is valid [${DEFAULT_EXPIRES}]
  --audience NAME     the claim aud
  --issuer NAME       the claim iss
  --claims JSON       an object with further claims
  --secret-file FILE  the file of the secret, in place of HEXPUSH_JWT_SECRET; a final line end is ignored
  --json              prints {"token":…,"claims":…}

Exit codes: 0 printed, 1 no secret, or a secret shorter than ${SECRET_BYTES_MIN} bytes, 2 usage.
`;

const OPTIONS = {
  sub: { type: "string" },
  channels: { type: "string", multiple: true },
  push: { type: "string", multiple: true },
  expires: { type: "string" },
  audience: { type: "string" },
  issuer: { type: "string" },
  claims: { type: "string" },
  "secret-file": { type: "string" },
  json: { type: "boolean" },
} as const;

export const token: Command = {
  usage: "hexpush token --sub NAME --channels PATTERN[,…] [--push PATTERN[,…]] [options]",
  help: () => HELP,

  async run(args) {
    const { values, positionals } = parseOptions(args, OPTIONS);
    if (positionals.length > 0) throw new UsageError("token takes options only");
    const { sub, channels, push, audience, issuer } = values;
    if (sub === undefined || sub === "") throw new UsageError("--sub is needed");
    if (channels === undefined && push === undefined) {
      throw new UsageError("--channels or --push is needed");
    }
    const iat = Math.floor(Date.now() / 1000);
    const own = {
      sub,
      channels: patternsOf("--channels", channels ?? []),
      ...(push === undefined ? {} : { push: patternsOf("--push", push) }),
      ...(audience === undefined ? {} : { aud: audience }),
      ...(issuer === undefined ? {} : { iss: issuer }),
      iat,
      exp: iat + wholeNumberOf("--expires", values.expires ?? DEFAULT_EXPIRES, EXPIRES_MAX),
      jti: randomUUID(),
    };
    const claims = { ...furtherClaims(values.claims, own), ...own };
    const jwt = await new SignJWT(claims)
      .setProtectedHeader({ alg: "HS256", typ: "JWT" })
      .sign(readSecret(values["secret-file"]));
    process.stdout.write(
      `${values.json === true ? JSON.stringify({ token: jwt, claims }) : jwt}\n`,
    );
  },
};

function patternsOf(option: string, lists: readonly string[]): string[] {
  const patterns = lists.flatMap((list) => list.split(","));
  if (patterns.includes("")) throw new UsageError(`${option} contains an empty pattern`);
  return patterns;
}

function furtherClaims(text: string | undefined, own: object): Record<string, unknown> {
  if (text === undefined) return {};
  let claims: unknown;
  try {
    claims = JSON.parse(text);
  } catch {
    claims = undefined;
  }
  if (typeof claims !== "object" || claims === null || Array.isArray(claims)) {
    throw new UsageError(
      `--claims must be a JSON object, quoted for the shell: '{"role": "admin"}'`,
    );
  }
  const taken = Object.keys(claims).find((claim) => Object.hasOwn(own, claim));
  if (taken !== undefined) throw new UsageError(`--claims must not contain "${taken}"`);
  return claims as Record<string, unknown>;
}

function readSecret(file: string | undefined): Uint8Array {
  const text = file === undefined ? fromEnvironment("HEXPUSH_JWT_SECRET") : readSecretFile(file);
  if (text === undefined) {
    throw new CommandError("no secret: set HEXPUSH_JWT_SECRET, or give --secret-file");
  }
  const secret = new TextEncoder().encode(text);
  if (secret.length >= SECRET_BYTES_MIN) return secret;
  const name = file === undefined ? "HEXPUSH_JWT_SECRET" : "the secret";
  throw new CommandError(
    `${name} has ${secret.length} bytes and needs ${SECRET_BYTES_MIN}: openssl rand -hex 32 makes one`,
  );
}

function readSecretFile(file: string): string {
  try {
    return readFileSync(file, "utf8").replace(/\r?\n$/, "");
  } catch (error) {
    throw new CommandError(`cannot read the secret: ${(error as Error).message}`);
  }
}
