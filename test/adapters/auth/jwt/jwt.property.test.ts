import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ChannelPattern } from "../../../../src/domain/channel-pattern.js";
import { Json } from "../../../../src/domain/json.js";
import {
  connect,
  makeToken,
  NOW,
  PAIR_OF,
  PAIRS,
  pem,
  pushTo,
  SECRET,
  signature,
  signingInput,
  watched,
} from "./jwt-tokens.js";

/** How a token is signed: with which key, in which way, and what its header says of it. */
interface Signing {
  readonly key: "secret" | "other secret" | "public text" | "stranger" | keyof typeof PAIRS;
  readonly really: string;
  readonly said: string;
}

const TRUSTED = ["rsa", "p256", "ed25519"] as const;
const PUBLIC_TEXT = TRUSTED.map((name) => pem(PAIRS[name].publicKey)).join("");
const KEYS = {
  secret: SECRET,
  "other secret": `${SECRET}!`,
  "public text": PUBLIC_TEXT,
  stranger: PAIRS.p384.privateKey,
} as const;
const HMAC = ["HS256", "HS384", "HS512"];
const ALL = [...HMAC, ...Object.keys(PAIR_OF)];

const signing: fc.Arbitrary<Signing> = fc
  .oneof(
    fc.record({
      key: fc.constantFrom<Signing["key"][]>("secret", "other secret", "public text"),
      really: fc.constantFrom(...HMAC),
    }),
    fc
      .constantFrom(...Object.entries(PAIR_OF))
      .map(([really, pair]): { key: Signing["key"]; really: string } => ({ key: pair, really })),
  )
  .chain((signed) =>
    fc
      .oneof(
        { weight: 4, arbitrary: fc.constant(signed.really) },
        fc.constantFrom(...ALL, "none", "hs256", ""),
      )
      .map((said) => ({ ...signed, said })),
  );

const odd = fc.constantFrom<unknown[]>(null, true, 0, "", {}, [], [1], "text");
const rarely = <T>(usual: fc.Arbitrary<T>) =>
  fc.oneof({ weight: 12, arbitrary: usual as fc.Arbitrary<unknown> }, odd);
const around = fc.integer({ min: -8, max: 8 }).map((off) => NOW + off);
const patterns = fc.array(fc.constantFrom("a", "b", "a*", "*b", "**", ""), { maxLength: 3 });

const claims = fc.record(
  {
    sub: rarely(fc.constantFrom("ann", "bob")),
    aud: rarely(fc.constantFrom<unknown[]>("hexpush", ["x", "hexpush"], "x")),
    exp: rarely(fc.oneof(around, fc.constant(NOW + 60))),
    nbf: rarely(fc.oneof(around, fc.constant(NOW - 60))),
    iat: rarely(fc.constant(NOW)),
    jti: rarely(fc.constant("1")),
    channels: rarely(fc.oneof(patterns, fc.constantFrom("a", "*"))),
    push: rarely(fc.oneof(patterns, fc.constantFrom("a", "*"))),
  },
  { requiredKeys: [] },
);
type Claims = Record<string, unknown>;

const LEEWAY = 5;

/** The rules of the guide, written again. */
function isGood(claims: Claims, audience: string | undefined): boolean {
  const has = (name: string) => Object.hasOwn(claims, name);
  const times = ["exp", "nbf", "iat"].every(
    (name) => !has(name) || typeof claims[name] === "number",
  );
  const names = ["sub", "jti"].every(
    (name) => !has(name) || (typeof claims[name] === "string" && claims[name] !== ""),
  );
  const lists = ["channels", "push"].every((name) => !has(name) || listed(claims[name]) !== null);
  if (!times || !names || !lists) return false;
  if (has("exp") && NOW >= (claims.exp as number) + LEEWAY) return false;
  if (has("nbf") && NOW < (claims.nbf as number) - LEEWAY) return false;
  if (audience === undefined) return true;
  return Array.isArray(claims.aud) ? claims.aud.includes(audience) : claims.aud === audience;
}

function listed(value: unknown): string[] | null {
  const list = typeof value === "string" ? [value] : value;
  return Array.isArray(list) && list.every((each) => typeof each === "string") ? list : null;
}

function isMatched(value: unknown, channel: string): boolean {
  return (listed(value) ?? []).some((pattern) => new ChannelPattern(pattern).matches(channel));
}

describe("JwtPolicy", () => {
  it("allows a token exactly where an independent check does", async () => {
    let allowed = 0;
    let denied = 0;
    const channel = fc.constantFrom("a", "b", "ab", "c", "");
    const setup = fc.record({
      source: fc.constantFrom("secret", "keys"),
      audience: fc.constantFrom(undefined, "hexpush"),
    });
    await fc.assert(
      fc.asyncProperty(setup, signing, claims, channel, async (options, signed, said, name) => {
        const keys = options.source === "secret" ? { secret: SECRET } : { publicKeys: PUBLIC_TEXT };
        const audience = options.audience === undefined ? {} : { audience: [options.audience] };
        const { policy, faults } = watched({ ...keys, ...audience, pushes: true });
        const key =
          signed.key in KEYS
            ? KEYS[signed.key as keyof typeof KEYS]
            : PAIRS[signed.key as keyof typeof PAIRS].privateKey;
        const input = signingInput(said, { alg: signed.said });
        const token = `${input}.${signature(signed.really, key, input).toString("base64url")}`;

        const trusted =
          options.source === "secret"
            ? signed.key === "secret"
            : (TRUSTED as readonly string[]).includes(signed.key);
        // EdDSA and Ed25519 are two names of one algorithm (RFC 9864).
        const same = signed.said.replace("Ed25519", "EdDSA");
        const signedRight = trusted && same === signed.really.replace("Ed25519", "EdDSA");
        const good = signedRight && isGood(said, options.audience);

        const identity = await connect(policy, token);
        expect(identity !== undefined).toBe(good);
        if (identity !== undefined) {
          const join = policy.authorizeJoin({ channel: name, params: Json.null, identity });
          expect(join.allow).toBe(isMatched(said.channels, name));
          expect(identity.socketId).toBe(said.sub);
        }
        const push = await pushTo(policy, token, name);
        expect(push.allow).toBe(good && isMatched(said.push, name));
        expect(faults).toEqual([]);
        if (good) allowed++;
        else denied++;
      }),
      { numRuns: 600 },
    );
    expect(Math.min(allowed, denied)).toBeGreaterThan(30);
  });

  it("accepts no token with a changed character, wherever it is", async () => {
    const { p256, ed25519, rsa } = PAIRS;
    const said = { sub: "ann", channels: ["*"], exp: NOW + 60 };
    const cases = [
      { policy: watched().policy, token: makeToken(said) },
      ...Object.entries({ ES256: p256, EdDSA: ed25519, RS256: rsa }).map(([alg, pair]) => ({
        policy: watched({ publicKeys: pem(pair.publicKey) }).policy,
        token: makeToken(said, { alg, key: pair.privateKey }),
      })),
    ];
    for (const { policy, token } of cases) expect(await connect(policy, token)).toBeDefined();

    const character = fc.oneof(
      fc.constantFrom(...Array.from("ABCDwxyz0189-_.=+/ \n%é")),
      fc.integer({ min: 0, max: 0x7f }).map((code) => String.fromCharCode(code)),
    );
    const change = fc.constantFrom("replace", "insert", "delete", "bit of the last");
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...cases),
        fc.double({ min: 0, max: 1, noNaN: true }),
        character,
        change,
        async ({ policy, token }, where, with_, how) => {
          let at = Math.min(token.length - 1, Math.floor(where * token.length));
          let put = with_;
          if (how === "bit of the last") {
            // The last character of a part may hold bits that decoders ignore.
            const ends = [token.indexOf("."), token.lastIndexOf("."), token.length];
            at = (ends[Math.floor(where * 2.99)] as number) - 1;
            const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
            put = alphabet[alphabet.indexOf(token[at] as string) ^ 1] as string;
          }
          const kept = how === "insert" ? 0 : 1;
          const changed =
            token.slice(0, at) + (how === "delete" ? "" : put) + token.slice(at + kept);
          fc.pre(changed !== token);
          expect(await connect(policy, changed)).toBeUndefined();
        },
      ),
      { numRuns: 800 },
    );
  });

  it("takes exp and nbf with the leeway, to the second", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 0, max: 300 }),
        fc.constantFrom("exp", "nbf"),
        fc.integer({ min: -2, max: 2 }),
        fc.double({ min: 0, max: 0.999, noNaN: true }),
        async (leewaySeconds, claim, off, fraction) => {
          const edge = claim === "exp" ? NOW - leewaySeconds : NOW + leewaySeconds;
          const { policy } = watched({
            secret: SECRET,
            leewaySeconds,
            now: () => NOW + fraction,
          });
          const identity = await connect(policy, makeToken({ [claim]: edge + off }));
          expect(identity !== undefined).toBe(claim === "exp" ? off > 0 : off <= 0);
        },
      ),
    );
  });

  it("ends a join exactly where it would end a connect", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 0, max: 300 }),
        fc.integer({ min: -2000, max: 2000 }),
        async (leewaySeconds, ms) => {
          let now = NOW - 1000;
          const { policy } = watched({ secret: SECRET, leewaySeconds, now: () => now });
          const token = makeToken({ channels: "*", exp: NOW - leewaySeconds });
          const identity = await connect(policy, token);
          now = NOW + ms / 1000;
          const again = await connect(policy, token);
          if (identity === undefined) throw new Error("refused");
          const join = policy.authorizeJoin({ channel: "a", params: Json.null, identity });
          expect(join.allow).toBe(again !== undefined);
          expect(join.allow).toBe(ms < 0);
        },
      ),
    );
  });
});
