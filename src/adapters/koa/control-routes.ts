import type Router from "@koa/router";
import type Koa from "koa";
import type { Control, Page } from "../../application/control.js";
import type { PushTraces } from "../../application/push-traces.js";
import type { AuthPolicy } from "../../domain/auth-policy.js";
import type { History } from "../../domain/broker.js";
import { mayOperate } from "./authorized.js";
import { answer, answerJson } from "./errors.js";
import { InvalidOption } from "./malformed-request.js";
import { traceJson } from "./trace-json.js";

export interface ControlRoutesOptions {
  readonly control: Control;
  readonly traces: PushTraces;
  readonly policy: AuthPolicy;
}

const PAGE_DEFAULT = 100;
const PAGE_MAX = 1000;

/** The routes of an operator; each asks the policy for the right to read or to operate. */
export function controlRoutes(router: Router, options: ControlRoutesOptions): void {
  const { control, traces, policy } = options;

  router.get("/api/stats", async (ctx) => {
    if (await mayOperate(ctx, policy, "read")) answerWith(ctx, control.stats());
  });

  router.get("/api/channels", async (ctx) => {
    if (!(await mayOperate(ctx, policy, "read"))) return;
    const page = readPage(ctx);
    // One more than asked for tells whether there is a next page.
    const found = control.channels({ ...page, limit: page.limit + 1 });
    const channels = found.slice(0, page.limit);
    const next = found.length > page.limit && { next: channels.at(-1)?.channel };
    answerWith(ctx, { channels, ...next });
  });

  router.get("/api/channels/:channel", async (ctx) => {
    const channel = param(ctx, "channel");
    if (!(await mayOperate(ctx, policy, "read", channel))) return;
    const page = readPage(ctx);
    const detail = control.channel(channel, { ...page, limit: page.limit + 1 });
    const presence = detail.presence.slice(0, page.limit);
    const next = detail.presence.length > page.limit && { next: presence.at(-1)?.id };
    const id = await control.position(channel);
    answerWith(ctx, { ...detail, ...(id !== undefined && { id }), presence, ...next });
  });

  router.get("/api/channels/:channel/history", async (ctx) => {
    const channel = param(ctx, "channel");
    if (!(await mayOperate(ctx, policy, "read", channel))) return;
    const { limit } = readPage(ctx);
    const since = new URLSearchParams(ctx.querystring).get("since") ?? undefined;
    const history = await control.history(channel, { since, limit });
    ctx.status = 200;
    answerJson(ctx, historyJson(channel, history));
  });

  router.delete("/api/sockets/:id", async (ctx) => {
    const id = param(ctx, "id");
    if (!(await mayOperate(ctx, policy, "operate"))) return;
    answerWith(ctx, { closed: control.closeSockets(id) });
  });

  router.get("/api/pushes/:id", async (ctx) => {
    const trace = traces.get(param(ctx, "id"));
    const channels = trace?.channels.map(({ channel }) => channel) ?? [];
    // An unknown push is asked about like a refused one, so that a denial does not tell them apart.
    const asked = channels.length > 0 ? channels : [undefined];
    for (const channel of asked) if (!(await mayOperate(ctx, policy, "read", channel))) return;
    if (trace === undefined) answer(ctx, 404, "No such push is known here, or no longer.");
    else answerWith(ctx, traceJson(trace));
  });
}

/** A decoded part of the path. A path that is not percent-encoded UTF-8 is a 404, as on every route. */
function param(ctx: Koa.Context, name: string): string {
  try {
    decodeURIComponent(ctx.path);
  } catch {
    ctx.throw(404);
  }
  return ctx.params[name] as string;
}

/** As text, since `data` is one: every digit of its numbers stays. */
function historyJson(channel: string, { position, recovered, messages }: History): string {
  const items = messages.map(
    ({ id, event, data }) =>
      `{"id":${JSON.stringify(id)},"event":${JSON.stringify(event)},"data":${data.text}}`,
  );
  const id = position === undefined ? "" : `"id":${JSON.stringify(position)},`;
  return `{"channel":${JSON.stringify(channel)},${id}"recovered":${recovered},"messages":[${items.join(",")}]}`;
}

function answerWith(ctx: Koa.Context, value: object): void {
  ctx.status = 200;
  answerJson(ctx, JSON.stringify(value));
}

function readPage(ctx: Koa.Context): Page {
  const query = new URLSearchParams(ctx.querystring);
  const after = query.get("after") ?? undefined;
  const given = query.get("limit");
  if (given === null) return { limit: PAGE_DEFAULT, after };
  const limit = /^\d{1,4}$/.test(given) ? Number(given) : 0;
  if (limit < 1 || limit > PAGE_MAX) {
    throw new InvalidOption(`limit must be a whole number from 1 to ${PAGE_MAX}.`);
  }
  return { limit, after };
}
