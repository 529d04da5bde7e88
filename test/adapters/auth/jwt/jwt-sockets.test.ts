import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { JwtPolicy } from "../../../../src/adapters/auth/jwt/jwt.js";
import { guardPolicy } from "../../../../src/application/guard-policy.js";
import { refuseRevoked } from "../../../../src/application/refuse-revoked.js";
import { Revocations } from "../../../../src/application/revocations.js";
import { type PhoenixServer, startPhoenix } from "../../../support/phoenix-server.js";
import { RawClient } from "../../../support/raw-client.js";
import { makeToken, SECRET } from "./jwt-tokens.js";

const now = () => Math.floor(Date.now() / 1000);
const revocations = new Revocations({ now });
let phoenix: PhoenixServer;

beforeAll(async () => {
  const policy = refuseRevoked(new JwtPolicy({ secret: SECRET }), revocations);
  const fail = (_question: string, error: unknown) => {
    throw error;
  };
  phoenix = await startPhoenix({ policy: guardPolicy(policy, fail) });
});

afterAll(() => phoenix.server.stop(0));

const tokenOf = (sub: string) =>
  makeToken({ sub, channels: ["room:*"], iat: now(), exp: now() + 60 });
const open = (params: Record<string, string>) => RawClient.connect(phoenix.wsUrl, "2.0.0", params);

async function joinReply(client: RawClient, channel: string): Promise<unknown> {
  const ref = client.send(channel, "phx_join");
  return (await client.frames.next((frame) => frame.ref === ref)).payload;
}

describe("a socket of a server that asks for tokens", () => {
  it("opens with a good token, and joins what the token names", async () => {
    const client = await open({ token: tokenOf("ann") });
    expect(await joinReply(client, "room:1")).toMatchObject({ status: "ok" });
    const denied = { status: "error", response: { reason: "unauthorized" } };
    expect(await joinReply(client, "hall:1")).toEqual(denied);
    await client.end();
  });

  it.each([
    ["no token", {}],
    ["a forged token", { token: makeToken({ channels: "*" }, { key: "x".repeat(32) }) }],
    ["an expired token", { token: makeToken({ exp: now() - 60 }) }],
  ])("does not open with %s", async (_what, params) => {
    await expect(open(params)).rejects.toThrow("403");
  });

  it("is known by its subject", async () => {
    const client = await open({ token: tokenOf("bob") });
    expect(phoenix.transport.closeSockets("bob")).toBe(1);
    await client.closed;
  });

  it("joins nothing more once its token is revoked, and does not open again", async () => {
    const token = tokenOf("carol");
    const client = await open({ token });
    expect(await joinReply(client, "room:1")).toMatchObject({ status: "ok" });
    revocations.revoke({ subject: "carol" });
    const denied = { status: "error", response: { reason: "token revoked" } };
    expect(await joinReply(client, "room:2")).toEqual(denied);
    await expect(open({ token })).rejects.toThrow("403");
    await client.end();
  });
});
