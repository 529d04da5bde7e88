import { generateKeyPairSync } from "node:crypto";
import { describe, expect, it } from "vitest";
import { JwtPolicy } from "../../../../src/adapters/auth/jwt/jwt.js";
import {
  connect,
  jwk,
  makeToken,
  PAIR_OF,
  PAIRS,
  pem,
  SECRET,
  signature,
  watched,
  withParts,
} from "./jwt-tokens.js";

const { rsa, p256, p384, ed25519 } = PAIRS;

/** Made by openssl for the test; the token is signed with its key, which nobody has kept. */
const CERTIFICATE = `-----BEGIN CERTIFICATE-----
MIIBRDCB96ADAgECAhR6vh6M5hFPcPS8lzKcvC2IRl4nnTAFBgMrZXAwFzEVMBMG
A1UEAwwMaGV4cHVzaC10ZXN0MCAXDTI2MTEyNDA3NTYyMFoYDzIxMjYxMDMxMDc1
NjIwWjAXMRUwEwYDVQQDDAxoZXhwdXNoLXRlc3QwKjAFBgMrZXADIQCi8GtOX8Ov
1ceIRDZnFRx62dTlOoWxWAvYiuSpZxICw6NTMFEwHQYDVR0OBBYEFI37Y4J6PjDs
eULAB2pdMrtKnxl0MB8GA1UdIwQYMBaAFI37Y4J6PjDseULAB2pdMrtKnxl0MA8G
A1UdEwEB/wQFMAMBAf8wBQYDK2VwA0EAX4NJ/cx1H5LNoBNq7TKpxBSQdogu1xO6
vwINQYdl2K4Hb0BK4VfztkPFLe77Z5GXRfecwRBk1WKLQjWDL9DADg==
-----END CERTIFICATE-----`;
const CERTIFIED =
  "eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJhbm4ifQ.rsq5WaNavERT4M5d3CQ4_hhMHbtMj2DI6Xyz7JB4bkmrsC3HRbrwgDwnnyfT67PjSrsVwp31pOuiQTOUJD0CBQ";

describe("a token's algorithm", () => {
  it.each(["HS256", "HS384", "HS512"])("may be %s with a secret", async (alg) => {
    const { policy } = watched();
    expect(await connect(policy, makeToken({}, { alg }))).toBeDefined();
    expect(await connect(policy, makeToken({}, { alg, key: `${SECRET}!` }))).toBeUndefined();
  });

  it("must be one that the secret is long enough for (RFC 7518, section 3.2)", async () => {
    const secret = "x".repeat(47);
    const { policy, refusals } = watched({ secret });
    expect(await connect(policy, makeToken({}, { alg: "HS256", key: secret }))).toBeDefined();
    expect(await connect(policy, makeToken({}, { alg: "HS384", key: secret }))).toBeUndefined();
    expect(refusals).toEqual(["signed with an algorithm that is not allowed"]);
  });

  it("takes a secret of bytes as those bytes", async () => {
    const { policy } = watched({ secret: new TextEncoder().encode(SECRET) });
    expect(await connect(policy, makeToken({}))).toBeDefined();
  });

  it.each(Object.entries(PAIR_OF))("may be %s with a public key", async (alg, pair) => {
    const { policy } = watched({ publicKeys: pem(PAIRS[pair].publicKey) });
    const key = PAIRS[pair].privateKey;
    const other = generateKeyPairSync("ed25519").privateKey;
    const good = makeToken({}, { alg, key });
    const [head, body] = good.split(".");
    const forged = signature("EdDSA", other, `${head}.${body}`).toString("base64url");
    expect(await connect(policy, good)).toBeDefined();
    expect(await connect(policy, `${head}.${body}.${forged}`)).toBeUndefined();
  });

  it.each([
    ["HS256", pem(rsa.publicKey)],
    ["HS512", pem(rsa.publicKey).trim()],
    ["HS256", JSON.stringify(jwk(rsa.publicKey))],
  ])("is not %s with a public key, signed with that key's text", async (alg, key) => {
    for (const publicKeys of [pem(rsa.publicKey), JSON.stringify(jwk(rsa.publicKey))]) {
      const { policy, refusals } = watched({ publicKeys });
      expect(await connect(policy, makeToken({}, { alg, key }))).toBeUndefined();
      expect(refusals).toEqual(["signed with an algorithm that is not allowed"]);
    }
  });

  it.each(["none", "None", "NONE", "nOnE", "", 0, null, ["HS256"], "HS1", "toString"])(
    "is not %j",
    async (alg) => {
      const token = makeToken({ channels: "*" });
      const publicKeys = pem(rsa.publicKey);
      for (const policy of [watched().policy, watched({ publicKeys }).policy]) {
        for (const sig of [undefined, "", "AA"]) {
          const forged = withParts(token, { alg }, { channels: "*" }, sig);
          expect(await connect(policy, forged)).toBeUndefined();
        }
      }
    },
  );

  it("is none of another family than the keys'", async () => {
    const token = makeToken({}, { alg: "RS256", key: rsa.privateKey });
    expect(await connect(watched().policy, token)).toBeUndefined();
    expect(await connect(watched({ publicKeys: pem(p256.publicKey) }).policy, token)).toBe(
      undefined,
    );
  });

  it("is none but those that the options name", async () => {
    const { policy } = watched({ publicKeys: pem(rsa.publicKey), algorithms: ["PS256"] });
    const signed = (alg: string) => makeToken({}, { alg, key: rsa.privateKey });
    expect(await connect(policy, signed("PS256"))).toBeDefined();
    expect(await connect(policy, signed("RS256"))).toBeUndefined();
  });

  it("is the one that a key is for", async () => {
    const publicKeys = JSON.stringify(jwk(rsa.publicKey, { alg: "RS512" }));
    const signed = (alg: string) => makeToken({}, { alg, key: rsa.privateKey });
    expect(await connect(watched({ publicKeys }).policy, signed("RS512"))).toBeDefined();
    expect(await connect(watched({ publicKeys }).policy, signed("RS256"))).toBeUndefined();
  });
});

describe("a token's header", () => {
  it("is refused where it needs an unknown extension", async () => {
    const { policy, refusals } = watched();
    const header = { crit: ["x"], x: 1 };
    expect(await connect(policy, makeToken({}, { header }))).toBeUndefined();
    expect(refusals).toEqual(["needs an extension that is not supported"]);
  });

  it("brings no key of its own", async () => {
    const { publicKey, privateKey } = generateKeyPairSync("ed25519");
    const header = { jwk: jwk(publicKey), jku: "http://127.0.0.1:1/", kid: "k" };
    const token = makeToken({}, { alg: "EdDSA", key: privateKey, header });
    const { policy, refusals } = watched({ publicKeys: pem(ed25519.publicKey) });
    expect(await connect(policy, token)).toBeUndefined();
    expect(refusals).toEqual(["wrong signature"]);
  });
});

describe("public keys", () => {
  const signed = (pair: keyof typeof PAIRS, alg: string, header = {}) =>
    makeToken({}, { alg, key: PAIRS[pair].privateKey, header });

  it("may be several in one PEM text, with text between them", async () => {
    const text = `one\n${pem(rsa.publicKey)}\ntwo\n${pem(p256.publicKey)}`;
    const { policy } = watched({ publicKeys: text });
    expect(await connect(policy, signed("rsa", "RS256"))).toBeDefined();
    expect(await connect(policy, signed("p256", "ES256"))).toBeDefined();
    expect(await connect(policy, signed("p384", "ES384"))).toBeUndefined();
  });

  it("may be RSA in PKCS #1", async () => {
    const text = rsa.publicKey.export({ type: "pkcs1", format: "pem" }).toString();
    expect(
      await connect(watched({ publicKeys: text }).policy, signed("rsa", "RS256")),
    ).toBeDefined();
  });

  it("may be a certificate, of which only the key counts", async () => {
    const { policy, refusals } = watched({ publicKeys: CERTIFICATE });
    expect(await connect(policy, CERTIFIED)).toBeDefined();
    expect(await connect(policy, signed("ed25519", "EdDSA"))).toBeUndefined();
    expect(refusals).toEqual(["wrong signature"]);
  });

  it("without identifiers are all tried, whatever key a token names", async () => {
    const old = generateKeyPairSync("ed25519");
    const text = pem(old.publicKey) + pem(ed25519.publicKey);
    const { policy, refusals } = watched({ publicKeys: text });
    expect(await connect(policy, signed("ed25519", "EdDSA", { kid: "any" }))).toBeDefined();
    expect(
      await connect(policy, makeToken({}, { alg: "EdDSA", key: old.privateKey })),
    ).toBeDefined();
    const stranger = generateKeyPairSync("ed25519").privateKey;
    expect(await connect(policy, makeToken({}, { alg: "EdDSA", key: stranger }))).toBeUndefined();
    expect(refusals).toEqual(["wrong signature"]);
  });

  it("with identifiers are picked by the token's", async () => {
    const other = generateKeyPairSync("ed25519");
    const keys = [jwk(ed25519.publicKey, { kid: "1" }), jwk(other.publicKey, { kid: "2" })];
    const { policy, refusals } = watched({ publicKeys: JSON.stringify({ keys }) });
    expect(await connect(policy, signed("ed25519", "EdDSA", { kid: "1" }))).toBeDefined();
    expect(await connect(policy, signed("ed25519", "EdDSA"))).toBeDefined();
    expect(await connect(policy, signed("ed25519", "EdDSA", { kid: "2" }))).toBeUndefined();
    expect(await connect(policy, signed("ed25519", "EdDSA", { kid: "3" }))).toBeUndefined();
    expect(refusals).toEqual(["wrong signature", "signed with an unknown key"]);
  });

  it("of a token that names none are tried 16 at most", async () => {
    const strangers = Array.from({ length: 16 }, () => generateKeyPairSync("ed25519").publicKey);
    const all = [...strangers, ed25519.publicKey].map((key, at) => jwk(key, { kid: `${at}` }));
    const tried = (keys: object[]) =>
      connect(watched({ publicKeys: JSON.stringify({ keys }) }).policy, signed("ed25519", "EdDSA"));
    expect(await tried(all.slice(1))).toBeDefined();
    expect(await tried(all)).toBeUndefined();
  });

  it("that can't verify are left out of a set (RFC 7517, section 5)", async () => {
    const keys = [
      jwk(rsa.publicKey, { kid: "enc", use: "enc" }),
      jwk(rsa.publicKey, { kid: "ops", key_ops: ["encrypt"] }),
      jwk(generateKeyPairSync("x25519").publicKey),
      { kty: "new" },
      { kty: "EC", crv: "P-256", x: "AA", y: "AA" },
      null,
      jwk(ed25519.publicKey, { kid: "good", use: "sig", key_ops: ["verify"], x5c: [] }),
    ];
    const { policy, faults } = watched({ publicKeys: JSON.stringify({ keys }) });
    expect(await connect(policy, signed("ed25519", "EdDSA", { kid: "good" }))).toBeDefined();
    expect(await connect(policy, signed("rsa", "RS256", { kid: "enc" }))).toBeUndefined();
    expect(await connect(policy, signed("rsa", "RS256", { kid: "ops" }))).toBeUndefined();
    expect(faults).toEqual([]);
  });

  const weak = generateKeyPairSync("rsa", { modulusLength: 1024 });
  const secp256k1 = generateKeyPairSync("ec", { namedCurve: "secp256k1" });
  const privatePem = p384.privateKey.export({ type: "pkcs8", format: "pem" }).toString();
  it.each([
    ["nothing", "", "neither PEM nor JSON"],
    ["no key", "no key", "neither PEM nor JSON"],
    ["half a JSON text", "{", "neither PEM nor valid JSON"],
    ["a set that is no list", '{"keys":{}}', "must be an array"],
    ["an empty set", '{"keys":[]}', "none that can verify"],
    ["an empty key", "{}", "none that can verify"],
    ["a short RSA key as JWK", JSON.stringify(jwk(weak.publicKey)), "none that can verify"],
    ["a short RSA key as PEM", pem(weak.publicKey), "none of RSA (2048 bits or more)"],
    ["another curve", pem(secp256k1.publicKey), "none of RSA"],
    ["a key for agreement", pem(generateKeyPairSync("x25519").publicKey), "none of RSA"],
    ["a private PEM key", privatePem, "hold a private key"],
    ["a private PEM key among others", pem(rsa.publicKey) + privatePem, "hold a private key"],
    ["a private JWK", JSON.stringify(jwk(ed25519.privateKey)), "hold a private or secret key"],
    ["a secret JWK", '{"kty":"oct","k":"c2VjcmV0"}', "hold a private or secret key"],
    ["an empty PEM", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----", "no public key"],
  ])("are refused as %s", (_what, publicKeys, message) => {
    const create = () => new JwtPolicy({ publicKeys });
    expect(create).toThrow(TypeError);
    expect(create).toThrow(message);
    expect(create).not.toThrow(/\n|c2VjcmV0/);
  });
});
