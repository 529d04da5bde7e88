import { createHmac } from "node:crypto";
import { readFileSync } from "node:fs";
import { join as joinPath } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { HttpCalloutPolicy } from "../../src/adapters/auth/callout/http-callout.js";
import type { CalloutFaultReport } from "../../src/adapters/auth/callout/options.js";
import { ANONYMOUS, type OperatorRight } from "../../src/domain/auth-policy.js";
import { Json } from "../../src/domain/json.js";
import { blocksOf, readPage } from "../docs/markdown.js";
import { type Program, root, startProgram } from "../docs/program.js";

const SECRET = "wonderland";

let example: Program;
let url: string;
const faults: CalloutFaultReport[] = [];

beforeAll(async () => {
  const env = { HEXPUSH_AUTH_SECRET: SECRET };
  example = await startProgram(["examples/auth-callout/main.mjs", "0"], env);
  url = `http://127.0.0.1:${example.port}/`;
});

afterEach(() => {
  faults.length = 0;
});

afterAll(async () => {
  expect(await example.stop()).toBe(0);
});

const policyWith = (secret: string) =>
  new HttpCalloutPolicy({ url, secret, onFault: (fault) => faults.push(fault) });

const push = (authorization: string) => ({
  method: "POST",
  path: "/api/push",
  headers: { authorization },
  remoteAddress: "127.0.0.1",
  input: { channel: "news", event: "woohoo", data: Json.of(1) },
});

const connect = (token: string | undefined) => ({
  headers: {},
  remoteAddress: "127.0.0.1",
  origin: undefined,
  params: {},
  token,
});

describe("the application that a server asks", () => {
  it("lets the holder of its key push, and nobody else", async () => {
    const policy = policyWith(SECRET);
    expect(await policy.authorizePush(push("Bearer demo-key"))).toEqual({
      allow: true,
      by: "demo",
    });
    expect(await policy.authorizePush(push("Bearer other"))).toEqual({ allow: false });
    expect(faults).toEqual([]);
  });

  it("lets the holder of a ticket connect, and join what is theirs", async () => {
    const policy = policyWith(SECRET);
    for (const token of [undefined, "ticket-of-bob", "__proto__"]) {
      expect(await policy.authorizeConnect(connect(token))).toEqual({ allow: false });
    }
    const decision = await policy.authorizeConnect(connect("ticket-of-ann"));
    if (!decision.allow) throw new Error("denied");
    const { identity = ANONYMOUS } = decision;
    expect(identity).toEqual({ socketId: "ann" });

    const join = (channel: string) =>
      policy.authorizeJoin({ channel, params: Json.emptyObject, identity });
    expect(await join("news")).toEqual({ allow: true });
    expect(await join("user:ann")).toEqual({ allow: true });
    expect(await join("user:bob")).toEqual({ allow: false, reason: "not your channel" });
    expect(faults).toEqual([]);
  });

  it("lets its operator read and nothing else, if the policy asks it", async () => {
    const operate = (right: OperatorRight, key: string) => ({
      method: "GET",
      path: "/api/stats",
      headers: { authorization: `Bearer ${key}` },
      remoteAddress: "127.0.0.1",
      channel: undefined,
      right,
    });
    const policy = new HttpCalloutPolicy({
      url,
      secret: SECRET,
      operates: true,
      onFault: (fault) => faults.push(fault),
    });
    const read = operate("read", "demo-operator");
    expect(await policy.authorizeOperate(read)).toEqual({ allow: true });
    for (const other of [operate("operate", "demo-operator"), operate("read", "demo-key")]) {
      expect(await policy.authorizeOperate(other)).toEqual({ allow: false });
    }
    expect(await policyWith(SECRET).authorizeOperate(read)).toEqual({ allow: false });
    expect(faults).toEqual([]);
  });

  it("is the one that the guide shows", () => {
    const shown = blocksOf(readPage("docs/guides/authentication-callout.md"));
    const code = shown.find(({ language }) => language === "js")?.text ?? "";
    const file = readFileSync(joinPath(root, "examples/auth-callout/main.mjs"), "utf8");
    expect(file.slice(file.indexOf("import "))).toBe(`${code}\n`);
  });

  it("answers nobody who does not know the secret", async () => {
    const policy = policyWith("looking-glass");
    expect(await policy.authorizePush(push("Bearer demo-key"))).toEqual({ allow: false });
  });

  it("takes a signature for its own body and its own time only", async () => {
    const body = JSON.stringify({
      question: "push",
      headers: { authorization: "Bearer demo-key" },
    });
    const ask = async (seconds: number, signed: string, sent: string) => {
      const timestamp = String(Math.floor(Date.now() / 1000) + seconds);
      const hex = createHmac("sha256", SECRET).update(`${timestamp}.${signed}`).digest("hex");
      const fields = { "x-hexpush-timestamp": timestamp, "x-hexpush-signature": `sha256=${hex}` };
      return (await fetch(url, { method: "POST", headers: fields, body: sent })).status;
    };
    expect(await ask(0, body, body)).toBe(200);
    expect(await ask(0, body, `${body} `)).toBe(403);
    expect(await ask(-400, body, body)).toBe(403);
    expect((await fetch(url, { method: "POST", body })).status).toBe(403);
  });
});
