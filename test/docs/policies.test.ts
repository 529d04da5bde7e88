import * as inversify from "inversify";
import ts from "typescript";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import * as hexpush from "../../src/index.js";
import { type Block, blocksOf, pages, readPage } from "./markdown.js";

// The policies that the documentation shows are run as they are there. They say who may push,
// connect and join; none of them may open the operator's routes by the way.

const FORBIDDEN = '{"error":"Access Forbidden"}';

/** Whoever may push by the policies of the documentation. */
const HEADERS = {
  "x-team": "billing",
  "content-type": "application/json",
};

const ROUTES: readonly (readonly [method: string, path: string, body?: string])[] = [
  ["POST", "/api/revocations", '{"subject":"ann"}'],
  ["DELETE", "/api/sockets/ann"],
  ["GET", "/api/channels/private%3A1/history"],
  ["GET", "/api/channels/private%3A1"],
  ["GET", "/api/channels"],
  ["GET", "/api/stats"],
  ["GET", "/api/pushes/unknown"],
];

const shown = pages.flatMap((page) =>
  blocksOf(readPage(page))
    .filter(
      ({ language, text }) =>
        language === "ts" &&
        /^createHexpush\(\{|await createHexpush\(/m.test(text) &&
        /\bpolicy\b/.test(text),
    )
    .map((block) => [`${page}:${block.line}`, block] as const),
);

/** Runs a block, and takes the policy that it gives to `createHexpush`. */
async function policyOf({ text }: Block): Promise<hexpush.AuthPolicy> {
  const { outputText } = ts.transpileModule(text, {
    compilerOptions: { module: ts.ModuleKind.CommonJS, target: ts.ScriptTarget.ES2022 },
  });
  let policy: hexpush.AuthPolicy | undefined;
  const createHexpush = (options: hexpush.HexpushOptions) => {
    policy = options.policy;
    return { start: async () => ({}) };
  };
  const modules: Record<string, unknown> = { hexpush: { ...hexpush, createHexpush }, inversify };
  const AsyncFunction = (async () => {}).constructor as FunctionConstructor;
  await new AsyncFunction("require", "exports", outputText)((name: string) => modules[name], {});
  if (policy === undefined) throw new Error("the block gave no policy");
  return policy;
}

/** A block may replace its keys at the end. */
function lastKeyOf({ text }: Block): string {
  return /reload\(\["([^"]+)"\]\)/.exec(text)?.[1] ?? "wonderland";
}

describe.each(shown)("the policy of %s", (_where, block) => {
  it("does not open the operator's routes to whoever may push", async () => {
    vi.stubEnv("PUSH_SECRET", "wonderland");
    const server = hexpush.createHexpush({
      port: 0,
      logLevel: "silent",
      policy: await policyOf(block),
    });
    const { url } = await server.start();
    onTestFinished(async () => {
      vi.unstubAllEnvs();
      await server.stop(0);
    });
    const headers = { ...HEADERS, authorization: `Bearer ${lastKeyOf(block)}` };
    const isAskedElsewhere = block.text.includes("HttpCalloutPolicy");
    if (!isAskedElsewhere) {
      const body = '{"channel":"private:1","event":"e","data":1}';
      const pushed = await fetch(`${url}/api/push`, { method: "POST", headers, body });
      expect(pushed.status).toBe(200);
    }
    for (const [method, path, body = null] of ROUTES) {
      const answer = await fetch(`${url}${path}`, { method, headers, body });
      expect([method, path, answer.status, await answer.text()]).toEqual([
        method,
        path,
        403,
        FORBIDDEN,
      ]);
    }
  });
});

it("the documentation shows policies, README among them", () => {
  expect(shown.map(([where]) => where.split(":")[0])).toEqual(
    expect.arrayContaining(["README.md", "docs/guides/authentication.md"]),
  );
});
