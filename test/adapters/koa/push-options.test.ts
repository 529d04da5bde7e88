import { afterEach, describe, expect, it } from "vitest";
import { BrokerUnavailable, Json, MemoryTransport, TOKENS } from "../../../src/index.js";
import { within } from "../../support/inbox.js";
import { expectError } from "./errors-in-json.js";
import { type Answer, ask, HOSTS, JSON_TYPE, push, pushForm, type RunningHost } from "./hosts.js";
import { named, policyOf } from "./policy-of.js";

const PUSH = '{"channel":"a","event":"e","data":{"n":12345678901234567890}}';
const ANSWER = '{"channel":["a"],"data":{"n":12345678901234567890},"event":"e"}';
const KEY = { "idempotency-key": "order-1" };
const ID = /^[\w-]{20}$/;

function pushWith(port: number, query: string, body = PUSH, headers = {}): Promise<Answer> {
  return ask(port, { path: `/api/push?${query}`, body, headers: { ...JSON_TYPE, ...headers } });
}
const idOf = ({ headers }: Answer) => headers["x-push-id"];
const isReplay = ({ headers }: Answer) => headers["idempotent-replayed"];

describe.each(HOSTS)("what may be asked for beside a push on %s", (_name, start) => {
  let host: RunningHost;
  afterEach(() => host.stop());
  const channels = () => host.delivered.map(({ channel }) => channel);

  it("changes nothing of a plain answer, to the byte", async () => {
    host = await start();
    const answer = await push(host.port, PUSH);
    expect([answer.status, answer.text]).toEqual([200, ANSWER]);
    expect(
      Object.keys(answer.headers)
        .filter((name) => !isOfTheHost(name))
        .sort(),
    ).toEqual(["cache-control", "content-length", "content-type", "x-push-id", "x-request-id"]);
  });

  describe("x-push-id", () => {
    it("names each push that was accepted or refused, and leads to its trace", async () => {
      host = await start({
        policy: policyOf(({ headers }) => ({ allow: headers["x-token"] !== "no" })),
      });
      const answers = [
        await push(host.port, PUSH),
        await push(host.port, "{}"),
        await push(host.port, PUSH, { "x-token": "no" }),
        await pushForm(host.port, "channel=a&event=e&data=1"),
        await push(host.port, PUSH, KEY),
      ];
      expect(answers.map(({ status }) => status)).toEqual([200, 422, 403, 200, 200]);
      for (const answer of answers) expect(idOf(answer)).toMatch(ID);
      expect(new Set(answers.map(idOf)).size).toBe(5);
      const outcomes = answers.map((answer) => host.hexpush.trace(`${idOf(answer)}`)?.outcome);
      expect(outcomes).toEqual(["accepted", "invalid", "denied", "accepted", "accepted"]);
    });

    it("is on a denial in the policy's own words too", async () => {
      const answer = { status: 401, body: Json.of("who?") };
      host = await start({ policy: policyOf(() => ({ allow: false, answer })) });
      const denied = await push(host.port, PUSH);
      expect([denied.status, denied.text]).toEqual([401, '"who?"']);
      expect(idOf(denied)).toMatch(ID);
    });

    it("is on no answer behind which there is no trace", async () => {
      host = await start({ idempotencyKeys: 1 });
      await push(host.port, PUSH, KEY);
      const answers = [
        await push(host.port, "{"),
        await ask(host.port, { body: PUSH }),
        await push(host.port, PUSH, { accept: "text/html" }),
        await pushWith(host.port, "dry_run=1"),
        await pushWith(host.port, "dry_run=what"),
        await push(host.port, '{"channel":"b","event":"e","data":1}', KEY),
        await push(host.port, PUSH, { "idempotency-key": "order-2" }),
        await push(host.port, PUSH, { "idempotency-key": "" }),
      ];
      expect(answers.map(({ status }) => status)).toEqual([400, 415, 406, 200, 422, 422, 503, 400]);
      expect(answers.filter(({ headers }) => "x-push-id" in headers)).toEqual([]);
    });
  });

  describe("an Idempotency-Key", () => {
    it("has a repeat answered like the first and not delivered again", async () => {
      host = await start();
      const first = await push(host.port, PUSH, KEY);
      const again = await push(host.port, PUSH, KEY);
      expect([first.status, first.text, isReplay(first)]).toEqual([200, ANSWER, undefined]);
      expect([again.status, again.text, isReplay(again)]).toEqual([200, ANSWER, "true"]);
      expect(idOf(again)).toBe(idOf(first));
      expect(channels()).toEqual(["a"]);
      expect(host.hexpush.stats().pushes).toBe(1);
    });

    it("recognises a repeat by what is delivered, however it is written", async () => {
      host = await start();
      await push(host.port, '{"channel":["a","a"],"event":"e","data":"x"}', KEY);
      const written = [
        await push(host.port, ' {"data" : "x", "more": 1, "event":"e", "channel":"a"}', KEY),
        await pushForm(host.port, "channel=a&event=e&data=x", KEY),
        await ask(host.port, {
          method: "POST",
          path: "/api/push?channel=a&event=e&data=x",
          headers: KEY,
        }),
      ];
      expect(written.map(isReplay)).toEqual(["true", "true", "true"]);
      expect(channels()).toEqual(["a"]);
    });

    it.each([
      '{"channel":"b","event":"e","data":{"n":12345678901234567890}}',
      '{"channel":["a","b"],"event":"e","data":{"n":12345678901234567890}}',
      '{"channel":"a","event":"f","data":{"n":12345678901234567890}}',
      '{"channel":"a","event":"e","data":{"n":12345678901234567891}}',
      '{"channel":"a","event":"e","data":{"n":12345678901234567890.0}}',
    ])("is not for another push: %s", async (other) => {
      host = await start();
      await push(host.port, PUSH, KEY);
      const answer = await push(host.port, other, KEY);
      expect(answer.status).toBe(422);
      expect(expectError(answer)).toBe("The Idempotency-Key was used for another push.");
      expect(channels()).toEqual(["a"]);
      // The first is still remembered.
      expect(isReplay(await push(host.port, PUSH, KEY))).toBe("true");
    });

    it("delivers repeats that come at once only once, whoever is decided first", async () => {
      const decide: (() => void)[] = [];
      let isComplete: () => void = () => {};
      const all = new Promise<void>((resolve) => {
        isComplete = resolve;
      });
      host = await start({
        policy: policyOf(async () => {
          await new Promise<void>((resolve) => {
            if (decide.push(resolve) === 4) isComplete();
          });
          return { allow: true };
        }),
      });
      const asked = Array.from({ length: 4 }, () => push(host.port, PUSH, KEY));
      await within(all, "the policy to be asked four times");
      for (const allow of decide.reverse()) allow();
      const answers = await Promise.all(asked);
      expect(answers.map(({ status, text }) => [status, text])).toEqual(
        Array(4).fill([200, ANSWER]),
      );
      expect(new Set(answers.map(idOf)).size).toBe(1);
      expect(answers.filter((answer) => isReplay(answer) === undefined)).toHaveLength(1);
      expect(channels()).toEqual(["a"]);
    });

    it("is remembered for five minutes from its first use", async () => {
      let seconds = 1_000_000;
      host = await start({ now: () => seconds });
      const first = await push(host.port, PUSH, KEY);
      seconds += 299.9;
      const again = await push(host.port, PUSH, KEY);
      expect([isReplay(again), idOf(again)]).toEqual(["true", idOf(first)]);
      seconds += 0.2;
      const late = await push(host.port, PUSH, KEY);
      expect(isReplay(late)).toBeUndefined();
      expect(idOf(late)).not.toBe(idOf(first));
      expect(channels()).toEqual(["a", "a"]);
    });

    it("is its caller's own, as the policy names them", async () => {
      host = await start({ policy: named });
      for (const caller of ["one", "two", "", undefined]) {
        const headers = caller === undefined ? KEY : { ...KEY, "x-caller": caller };
        expect(isReplay(await push(host.port, PUSH, headers))).toBeUndefined();
      }
      expect(host.delivered).toHaveLength(4);
      expect(isReplay(await push(host.port, PUSH, { ...KEY, "x-caller": "two" }))).toBe("true");
      expect(host.delivered).toHaveLength(4);
    });

    it("cannot be made that of another caller by what it holds", async () => {
      const callers: Record<string, string> = { one: 'x","y', two: "x" };
      host = await start({
        policy: policyOf(({ headers }) => ({ allow: true, by: callers[`${headers["x-caller"]}`] })),
      });
      await push(host.port, PUSH, { "idempotency-key": "z", "x-caller": "one" });
      const answer = await push(host.port, PUSH, { "idempotency-key": 'y","z', "x-caller": "two" });
      expect(isReplay(answer)).toBeUndefined();
    });

    it.each(["", "k".repeat(256), "caf\u00e9s", "a\tb"])("must be sane: %j", async (key) => {
      host = await start();
      const answer = await push(host.port, PUSH, { "idempotency-key": key });
      expect(answer.status).toBe(400);
      expect(expectError(answer)).toBe(
        "Idempotency-Key must be 1 to 255 printable ASCII characters.",
      );
      expect(channels()).toEqual([]);
    });

    it.each(["k", "k".repeat(255), '"quoted"', "a b, c", "__proto__"])("may be %s", async (key) => {
      host = await start();
      await push(host.port, PUSH, { "idempotency-key": key });
      expect(isReplay(await push(host.port, PUSH, { "idempotency-key": key }))).toBe("true");
    });

    it("is refused, not forgotten early, where no further one can be remembered", async () => {
      let seconds = 0;
      host = await start({ idempotencyKeys: 2, now: () => seconds });
      await push(host.port, PUSH, { "idempotency-key": "1" });
      seconds = 100;
      await push(host.port, PUSH, { "idempotency-key": "2" });
      const full = await push(host.port, PUSH, { "idempotency-key": "3" });
      expect(full.status).toBe(503);
      expect(expectError(full)).toBe("Too many Idempotency-Keys are in use.");
      expect(full.headers["retry-after"]).toBe("200");
      expect(host.delivered).toHaveLength(2);
      expect(isReplay(await push(host.port, PUSH, { "idempotency-key": "1" }))).toBe("true");
      // Pushes without a key are not concerned.
      expect((await push(host.port, PUSH)).status).toBe(200);
      seconds = 300;
      expect((await push(host.port, PUSH, { "idempotency-key": "3" })).status).toBe(200);
    });

    it("opens nothing to a caller who may not push any more", async () => {
      let mayPush = true;
      host = await start({ policy: policyOf(() => ({ allow: mayPush })) });
      await push(host.port, PUSH, KEY);
      mayPush = false;
      const answer = await push(host.port, PUSH, KEY);
      expect([answer.status, answer.text]).toEqual([403, '{"error":"Access Forbidden"}']);
      expect(isReplay(answer)).toBeUndefined();
    });

    it("is not looked at where the caller may not push", async () => {
      host = await start({ apiKeys: ["wonderland"] });
      for (const key of ["ok", "", "k".repeat(300)]) {
        expect((await push(host.port, PUSH, { "idempotency-key": key })).status).toBe(403);
      }
      const headers = { authorization: "Bearer wonderland", "idempotency-key": "ok" };
      expect(isReplay(await push(host.port, PUSH, headers))).toBeUndefined();
      expect(channels()).toEqual(["a"]);
    });

    it("is not used up by a push that was refused", async () => {
      host = await start();
      expect((await push(host.port, '{"channel":"a"}', KEY)).status).toBe(422);
      const answer = await push(host.port, PUSH, KEY);
      expect([answer.status, isReplay(answer)]).toEqual([200, undefined]);
    });

    it("is not used up by a push that the broker could not accept", async () => {
      host = await start();
      const broker = host.hexpush.container.get(TOKENS.broker);
      const { publish } = broker;
      broker.publish = () => {
        throw new BrokerUnavailable("the disk is full");
      };
      const failed = await push(host.port, PUSH, KEY);
      expect([failed.status, failed.headers["retry-after"]]).toEqual([503, "1"]);
      expectError(failed);
      broker.publish = publish;
      const answer = await push(host.port, PUSH, KEY);
      expect([answer.status, isReplay(answer)]).toEqual([200, undefined]);
    });
  });

  describe("dry_run", () => {
    const yes = ["true", "1"];
    const no = ["false", "0"];

    it.each(yes)("=%s in the query string, a form or JSON delivers nothing", async (value) => {
      host = await start();
      const answers = [
        await pushWith(host.port, `dry_run=${value}`),
        await pushForm(host.port, `channel=a&event=e&data[n]=1&dry_run=${value}`),
        await push(host.port, `{"dry_run":${value},${PUSH.slice(1)}`),
        await push(host.port, `{"dry_run":"${value}",${PUSH.slice(1)}`),
        await pushWith(host.port, `dry_run=${value}`, `{"dry_run":false,${PUSH.slice(1)}`),
        await pushWith(host.port, `dry_run=false&dry_run=${value}`),
      ];
      expect(answers.map(({ status }) => status)).toEqual(Array(6).fill(200));
      expect(answers[0]?.text).toBe(ANSWER);
      expect(host.delivered).toEqual([]);
      expect(host.hexpush.stats().pushes).toBe(0);
    });

    it.each(no)("=%s delivers", async (value) => {
      host = await start();
      await pushWith(host.port, `dry_run=${value}`);
      await push(host.port, `{"dry_run":${value},${PUSH.slice(1)}`);
      await push(host.port, `{"dry_run":null,${PUSH.slice(1)}`);
      expect(host.delivered).toHaveLength(3);
    });

    it.each([
      "dry_run",
      "dry_run=",
      "dry_run=yes",
      "dry_run=TRUE",
      "dry_run=2",
      "dry_run=0&dry_run=x",
    ])("that is neither yes nor no is refused: ?%s", async (query) => {
      host = await start();
      const answer = await pushWith(host.port, query);
      expect(answer.status).toBe(422);
      expect(expectError(answer)).toBe("dry_run must be true or false.");
      expect(host.delivered).toEqual([]);
    });

    it.each(['""', '"yes"', "2", "[]", "[true]", "{}", "-1"])(
      "that is neither yes nor no is refused in a body: %s",
      async (value) => {
        host = await start();
        const answer = await push(host.port, `{"dry_run":${value},${PUSH.slice(1)}`);
        expect(answer.status).toBe(422);
        expect(expectError(answer)).toBe("dry_run must be true or false.");
        expect(host.delivered).toEqual([]);
      },
    );

    it("authorises and checks as ever", async () => {
      host = await start({ apiKeys: ["wonderland"], eventNameLimit: 3 });
      const authorization = "Bearer wonderland";
      expect((await pushWith(host.port, "dry_run=1")).status).toBe(403);
      const invalid = await pushWith(host.port, "dry_run=1", '{"event":"long"}', { authorization });
      expect(invalid.status).toBe(422);
      expect(expectError(invalid)).toContain("channel, data are required");
      expect((await pushWith(host.port, "dry_run=1", PUSH, { authorization })).text).toBe(ANSWER);
    });

    it("does not use up an Idempotency-Key, and is no repeat", async () => {
      host = await start();
      await pushWith(host.port, "dry_run=1", PUSH, KEY);
      const first = await push(host.port, PUSH, KEY);
      expect(isReplay(first)).toBeUndefined();
      const dry = await pushWith(host.port, "dry_run=1", PUSH, KEY);
      expect(isReplay(dry)).toBeUndefined();
      expect(channels()).toEqual(["a"]);
    });
  });

  describe("explain", () => {
    interface Explained {
      readonly explain: Record<string, unknown>;
    }
    const explainOf = (answer: Answer) => (JSON.parse(answer.text) as Explained).explain;

    it("adds the trace behind the members of the plain answer", async () => {
      const memory = new MemoryTransport();
      memory.connect({ onMessage: () => {} }).join("b");
      memory.connect({ onMessage: () => {} }).join("b");
      host = await start({ transports: [memory], policy: named, now: () => 1_700_000_000 });
      const body = '{"channel":["a","b"],"event":"e","data":1e400}';
      const answer = await pushWith(host.port, "explain=1", body, { "x-caller": "shop" });
      expect(
        answer.text.startsWith('{"channel":["a","b"],"data":1e400,"event":"e","explain":{'),
      ).toBe(true);
      const { explain } = JSON.parse(answer.text) as Explained;
      expect(explain).toEqual({
        id: idOf(answer),
        outcome: "accepted",
        by: "shop",
        event: "e",
        at: "2023-11-14T22:13:20.000Z",
        channels: [
          { channel: "a", sockets: 0, cut: 0, why: "Nobody was joined." },
          { channel: "b", sockets: 2, cut: 0 },
        ],
      });
    });

    it.each(["true", "1"])(
      "=%s explains, and says what was wrong with an invalid push",
      async (on) => {
        host = await start();
        const answer = await pushWith(host.port, `explain=${on}`, "{}");
        expect(answer.status).toBe(422);
        const error = "Invalid push arguments: channel, data, event are required.";
        expect(JSON.parse(answer.text)).toEqual({
          error,
          explain: { id: idOf(answer), outcome: "invalid", reason: error, at: expect.any(String) },
        });
      },
    );

    it.each(["false", "0"])("=%s does not", async (off) => {
      host = await start();
      expect((await pushWith(host.port, `explain=${off}`)).text).toBe(ANSWER);
    });

    it("that is neither yes nor no is refused", async () => {
      host = await start();
      const answer = await pushWith(host.port, "explain=perhaps");
      expect(answer.status).toBe(422);
      expect(expectError(answer)).toBe("explain must be true or false.");
      expect(host.delivered).toEqual([]);
    });

    it("of a repeat is that of the first", async () => {
      host = await start();
      const first = await push(host.port, PUSH, KEY);
      const again = await pushWith(host.port, "explain=1", PUSH, KEY);
      expect(explainOf(again)).toMatchObject({ id: idOf(first), outcome: "accepted" });
    });

    it("tells a caller who may not push nothing", async () => {
      host = await start({ apiKeys: ["wonderland"] });
      const answer = await pushWith(host.port, "explain=1");
      expect([answer.status, answer.text]).toEqual([403, '{"error":"Access Forbidden"}']);
    });

    it("is null where no traces are kept", async () => {
      host = await start({ traces: 0 });
      expect(explainOf(await pushWith(host.port, "explain=1"))).toBeNull();
    });
  });
});

/** What comes from the server or the bridge, and not from the API. */
function isOfTheHost(name: string): boolean {
  return ["connection", "date", "keep-alive", "transfer-encoding"].includes(name);
}
