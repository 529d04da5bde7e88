import type { Control, Page } from "../../application/control.js";
import type { PushTraces } from "../../application/push-traces.js";
import type { AuthPolicy, MaybePromise } from "../../domain/auth-policy.js";
import type { History } from "../../domain/broker.js";
import { type ApiAnswer, type ApiRequest, type ApiRoute, failure, success } from "./api.js";
import { ifMayOperate } from "./authorize.js";
import { InvalidOption } from "./errors.js";
import { traceJson } from "./trace-json.js";

export interface ControlServices {
  readonly control: Control;
  readonly traces: PushTraces;
  readonly policy: AuthPolicy;
}

/** The request is about no single channel. */
const SERVER = [undefined];
const PAGE_DEFAULT = 100;
const PAGE_MAX = 1000;

/** The routes of an operator; each asks the policy for the right to read or to operate. */
export function controlRoutes({ control, traces, policy }: ControlServices): readonly ApiRoute[] {
  const ifMayRead = (
    request: ApiRequest,
    channels: readonly (string | undefined)[],
    answer: () => MaybePromise<ApiAnswer>,
  ): Promise<ApiAnswer> => ifMayOperate(policy, request, "read", channels, answer);

  return [
    {
      method: "GET",
      path: "/api/stats",
      handle: (request) => ifMayRead(request, SERVER, () => success(control.stats())),
    },
    {
      method: "GET",
      path: "/api/channels",
      handle: (request) => ifMayRead(request, SERVER, () => channels(control, readPage(request))),
    },
    {
      method: "GET",
      path: "/api/channels/:channel",
      handle(request) {
        const channel = param(request, "channel");
        return ifMayRead(request, [channel], () =>
          channelDetail(control, channel, readPage(request)),
        );
      },
    },
    {
      method: "GET",
      path: "/api/channels/:channel/history",
      handle(request) {
        const channel = param(request, "channel");
        return ifMayRead(request, [channel], async () => {
          const { limit } = readPage(request);
          const since = new URLSearchParams(request.query).get("since") ?? undefined;
          const history = await control.history(channel, { since, limit });
          return { status: 200, body: historyJson(channel, history) };
        });
      },
    },
    {
      method: "DELETE",
      path: "/api/sockets/:id",
      handle: (request) =>
        ifMayOperate(policy, request, "operate", SERVER, () =>
          success({ closed: control.closeSockets(param(request, "id")) }),
        ),
    },
    {
      method: "GET",
      path: "/api/pushes/:id",
      handle(request) {
        const trace = traces.get(param(request, "id"));
        const names = trace?.channels.map(({ channel }) => channel) ?? [];
        // An unknown push is asked about like a refused one, so that a denial does not tell them apart.
        return ifMayRead(request, names.length > 0 ? names : SERVER, () =>
          trace === undefined
            ? failure(404, "No such push is known here, or no longer.")
            : success(traceJson(trace)),
        );
      },
    },
  ];
}

function channels(control: Control, page: Page): ApiAnswer {
  // One more than asked for tells whether there is a next page.
  const found = control.channels({ ...page, limit: page.limit + 1 });
  const shown = found.slice(0, page.limit);
  const next = found.length > page.limit && { next: shown.at(-1)?.channel };
  return success({ channels: shown, ...next });
}

async function channelDetail(control: Control, channel: string, page: Page): Promise<ApiAnswer> {
  const detail = control.channel(channel, { ...page, limit: page.limit + 1 });
  const presence = detail.presence.slice(0, page.limit);
  const next = detail.presence.length > page.limit && { next: presence.at(-1)?.id };
  const id = await control.position(channel);
  return success({ ...detail, ...(id !== undefined && { id }), presence, ...next });
}

function param({ params }: ApiRequest, name: string): string {
  return params[name] as string;
}

/** Concatenated as text, since `data` is text: every digit of its numbers stays. */
function historyJson(channel: string, { position, recovered, messages }: History): string {
  const items = messages.map(
    ({ id, event, data }) =>
      `{"id":${JSON.stringify(id)},"event":${JSON.stringify(event)},"data":${data.text}}`,
  );
  const id = position === undefined ? "" : `"id":${JSON.stringify(position)},`;
  return `{"channel":${JSON.stringify(channel)},${id}"recovered":${recovered},"messages":[${items.join(",")}]}`;
}

function readPage({ query }: ApiRequest): Page {
  const parameters = new URLSearchParams(query);
  const after = parameters.get("after") ?? undefined;
  const given = parameters.get("limit");
  if (given === null) return { limit: PAGE_DEFAULT, after };
  const limit = /^\d{1,4}$/.test(given) ? Number(given) : 0;
  if (limit < 1 || limit > PAGE_MAX) {
    throw new InvalidOption(`limit must be a whole number from 1 to ${PAGE_MAX}.`);
  }
  return { limit, after };
}
