import { afterEach, describe, expect, it } from "vitest";
import {
  type AuthPolicy,
  type HexpushOptions,
  Json,
  type OperateAuthRequest,
} from "../../../src/index.js";
import { makeToken, SECRET } from "../auth/jwt/jwt-tokens.js";
import { HOSTS, JSON_TYPE, push, type RunningHost, ask as send } from "./hosts.js";

const FORBIDDEN = '{"error":"Access Forbidden"}';

interface Route {
  readonly method: string;
  readonly path: string;
  readonly right: "read" | "operate";
  readonly channel?: string;
  readonly body?: string;
}

const ROUTES: readonly Route[] = [
  { method: "GET", path: "/api/stats", right: "read" },
  { method: "GET", path: "/api/channels", right: "read" },
  { method: "GET", path: "/api/channels/news%2F1", right: "read", channel: "news/1" },
  { method: "GET", path: "/api/channels/news%2F1/history", right: "read", channel: "news/1" },
  { method: "GET", path: "/api/pushes/unknown", right: "read" },
  { method: "DELETE", path: "/api/sockets/ann", right: "operate" },
  { method: "POST", path: "/api/revocations", right: "operate", body: '{"subject":"ann"}' },
];
const titled = ROUTES.map((route) => [`${route.method} ${route.path}`, route] as const);

const open = {
  authorizePush: () => ({ allow: true }),
  authorizeConnect: () => ({ allow: true }),
  authorizeJoin: () => ({ allow: true }),
} as const satisfies AuthPolicy;

/** Everyone may push, connect and join; this answers who may operate. */
function operating(authorizeOperate: (request: OperateAuthRequest) => unknown): AuthPolicy {
  return { ...open, authorizeOperate: authorizeOperate as AuthPolicy["authorizeOperate"] & object };
}

describe.each(HOSTS)("the rights of an operator on %s", (_name, start) => {
  let host: RunningHost;
  afterEach(() => host.stop());

  const startWith = async (options: HexpushOptions) => {
    host = await start(options);
  };
  const ask = ({ method, path, body }: Route, headers = {}) =>
    send(host.port, { method, path, headers: { ...JSON_TYPE, ...headers }, ...(body && { body }) });
  const bearer = (key: string) => ({ authorization: `Bearer ${key}` });
  /** Of each route, whether this key gets past the policy. */
  const allowed = async (key: string, routes = ROUTES) => {
    const answers = await Promise.all(routes.map((route) => ask(route, bearer(key))));
    for (const { status, text } of answers) if (status === 403) expect(text).toBe(FORBIDDEN);
    return answers.map(({ status }) => status !== 403);
  };
  const READ = ROUTES.map(({ right }) => right === "read");
  const OPERATE = ROUTES.map(({ right }) => right === "operate");
  const ALL = ROUTES.map(() => true);
  const NONE = ROUTES.map(() => false);
  const ONE_CHANNEL = ROUTES.map(({ channel }) => channel !== undefined);
  /** Pushes, and takes the id by which the push can be traced. */
  const traced = async (channel: string | string[], headers = {}) => {
    const answer = await push(host.port, { channel, event: "e", data: 1 }, headers);
    expect(answer.status).toBe(200);
    const path = `/api/pushes/${answer.headers["x-push-id"]}`;
    return { method: "GET", path, right: "read" } as const;
  };

  describe("by a policy", () => {
    it("are denied by one that says nothing about them, though everyone may push", async () => {
      await startWith({ policy: open });
      const answers = await Promise.all([...ROUTES, await traced("a")].map((route) => ask(route)));
      for (const { status, text } of answers) expect([status, text]).toEqual([403, FORBIDDEN]);
    });

    it("are not those of a push: one without the other is enough for each", async () => {
      await startWith({
        policy: {
          ...open,
          authorizePush: () => ({ allow: false }),
          authorizeOperate: () => ({ allow: true }),
        },
      });
      expect(await allowed("any")).toEqual(ALL);
      expect((await push(host.port, { channel: "a", event: "e", data: 1 })).status).toBe(403);
    });

    const failures: readonly (readonly [string, () => unknown])[] = [
      ["denies", () => ({ allow: false })],
      ["denies later", async () => ({ allow: false })],
      ["denies with an answer that is none", () => ({ allow: false, answer: { status: 200 } })],
      [
        "throws",
        () => {
          throw new Error("down");
        },
      ],
      ["rejects", () => Promise.reject(new Error("down"))],
      ["answers nothing", () => undefined],
      ["answers null", async () => null],
      ["answers true", () => true],
      ["answers allow: 1", () => ({ allow: 1 })],
      ["never answers", () => new Promise(() => {})],
    ];
    it.each(failures)("are denied if it %s", async (_how, authorizeOperate) => {
      await startWith({ policy: operating(authorizeOperate), policyTimeout: 0.05 });
      for (const answer of await Promise.all(ROUTES.map((route) => ask(route)))) {
        expect([answer.status, answer.text]).toEqual([403, FORBIDDEN]);
      }
    });

    it.each(titled)("may be denied in its own words: %s", async (_title, route) => {
      const answer = { status: 401, body: Json.of({ who: "are you" }) };
      await startWith({ policy: operating(() => ({ allow: false, answer })) });
      const { status, text } = await ask(route);
      expect([status, text]).toEqual([401, '{"who":"are you"}']);
    });

    it.each(titled)("are asked for once, by right and channel: %s", async (_title, route) => {
      const seen: OperateAuthRequest[] = [];
      await startWith({
        policy: operating((request) => {
          seen.push(request);
          return { allow: true };
        }),
      });
      await ask(route, { "x-token": "t" });
      const { method, path, right, channel } = route;
      expect(seen).toHaveLength(1);
      expect(seen[0]).toMatchObject({ method, path, right });
      expect(seen[0]?.channel).toBe(channel);
      expect(seen[0]?.headers["x-token"]).toBe("t");
      expect(seen[0]?.remoteAddress).toMatch(/127\.0\.0\.1$/);
    });

    it("to read a trace are asked for each channel of its push, until one is denied", async () => {
      const seen: (string | undefined)[] = [];
      await startWith({
        policy: operating(({ channel }) => {
          seen.push(channel);
          return { allow: channel !== "secret" };
        }),
      });
      const [both, mixed] = [await traced(["a", "b"]), await traced(["a", "secret", "b"])];
      expect((await ask(both)).status).toBe(200);
      expect((await ask(mixed)).status).toBe(403);
      expect(seen).toEqual(["a", "b", "a", "secret"]);
      const refused = await push(host.port, { channel: "a" });
      seen.length = 0;
      await ask({ ...both, path: `/api/pushes/${refused.headers["x-push-id"]}` });
      expect(seen).toEqual([undefined]);
    });

    it("do not tell who lacks them which pushes are known", async () => {
      await startWith({ policy: operating(() => ({ allow: false })) });
      const known = await traced("a");
      const answers = [await ask(known), await ask({ ...known, path: "/api/pushes/unknown" })];
      expect(answers.map(({ status, text }) => [status, text])).toEqual([
        [403, FORBIDDEN],
        [403, FORBIDDEN],
      ]);
    });

    it("are not needed to see with explain=1 what became of a push of one's own", async () => {
      await startWith({ policy: open });
      const body = '{"channel":"a","event":"e","data":1}';
      const path = "/api/push?explain=1";
      const answer = await send(host.port, { path, headers: JSON_TYPE, body });
      expect(JSON.parse(answer.text)).toMatchObject({ explain: { outcome: "accepted" } });
    });

    it("come before everything else that may be wrong with a request", async () => {
      await startWith({ policy: open });
      for (const query of ["limit=0", "limit=x&after=%ff"]) {
        for (const { method, path, right, body } of ROUTES) {
          if (body !== undefined) continue;
          const answer = await ask({ method, right, path: `${path}?${query}` });
          expect([answer.status, answer.text]).toEqual([403, FORBIDDEN]);
        }
      }
    });

    it("are everyone's if no policy is set, on a local address", async () => {
      await startWith({});
      expect(await allowed("any")).toEqual(ALL);
    });
  });

  describe("by API keys", () => {
    it("are those of the key's scopes, and a key without scopes has push alone", async () => {
      await startWith({
        apiKeys: [
          "plain",
          { key: "pushes", scopes: ["push"] },
          { key: "reads", scopes: ["read"] },
          { key: "operates", scopes: ["operate"] },
          { key: "all", scopes: ["push", "read", "operate"] },
        ],
      });
      const keys = ["plain", "pushes", "reads", "operates", "all", "unknown"];
      expect(await Promise.all(keys.map((key) => allowed(key)))).toEqual([
        NONE,
        NONE,
        READ,
        OPERATE,
        ALL,
        NONE,
      ]);
      const pushes = keys.map((key) =>
        push(host.port, { channel: "a", event: "e", data: 1 }, bearer(key)),
      );
      expect((await Promise.all(pushes)).map(({ status }) => status)).toEqual([
        200, 200, 403, 403, 200, 403,
      ]);
    });

    it("to read are limited to its channels, without what is about the whole server", async () => {
      await startWith({
        apiKeys: [
          { key: "news", channels: ["news/*"], scopes: ["push", "read"] },
          { key: "other", channels: ["other"], scopes: ["read"] },
          { key: "starred", channels: ["*"], scopes: ["read"] },
        ],
      });
      expect(await allowed("news")).toEqual(ONE_CHANNEL);
      expect(await allowed("other")).toEqual(NONE);
      expect(await allowed("starred")).toEqual(READ);
      const trace = await traced(["news/1", "news/2"], bearer("news"));
      expect(await allowed("news", [trace])).toEqual([true]);
      expect(await allowed("other", [trace])).toEqual([false]);
    });
  });

  describe("by tokens", () => {
    const operator = { sub: "ops", channels: "*", scope: "openid hexpush:read hexpush:operate" };
    const keySource = { jwtSecret: SECRET, jwtPush: true } as const;

    it("are denied whatever a token claims, unless the settings allow them", async () => {
      await startWith(keySource);
      const token = makeToken({ ...operator, push: "*" });
      expect(await allowed(token)).toEqual(NONE);
      await traced("a", bearer(token));
    });

    it.each([
      ["the right to push everywhere", { push: "*", channels: "*" }, NONE],
      ["both scopes among others", operator, ALL],
      ["the scope to read", { ...operator, scope: "hexpush:read" }, READ],
      ["the scope to operate", { ...operator, scope: "hexpush:operate" }, OPERATE],
      ["the scope to read some channels", { ...operator, channels: ["news/*"] }, ONE_CHANNEL],
      ["scopes, but no channels", { scope: operator.scope }, NONE],
      ["scopes of other servers", { ...operator, scope: "read operate xhexpush:read" }, NONE],
      ["scopes as a list", { ...operator, scope: ["hexpush:read", "hexpush:operate"] }, NONE],
      ["scopes in another case", { ...operator, scope: "Hexpush:Read HEXPUSH:OPERATE" }, NONE],
      ["expired scopes", { ...operator, exp: 1 }, NONE],
    ])("are, if the settings allow them, those of a token with %s", async (_, claims, rights) => {
      await startWith({ ...keySource, jwtOperate: true });
      expect(await allowed(makeToken(claims))).toEqual(rights);
    });

    it("need no right to push, neither the token's nor the setting", async () => {
      await startWith({ jwtSecret: SECRET, jwtOperate: true });
      const token = makeToken({ ...operator, push: "*" });
      expect(await allowed(token)).toEqual(ALL);
      const body = { channel: "a", event: "e", data: 1 };
      expect((await push(host.port, body, bearer(token))).status).toBe(403);
    });

    it("end with the token's revocation", async () => {
      await startWith({ jwtSecret: SECRET, jwtOperate: true });
      const token = makeToken({ ...operator, jti: "t1" });
      expect(await allowed(token)).toEqual(ALL);
      await host.hexpush.revoke({ tokenId: "t1" });
      expect(await allowed(token)).toEqual(NONE);
    });
  });
});
