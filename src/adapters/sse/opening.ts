import type {
  AuthPolicy,
  ConnectAuthRequest,
  Identity,
  JoinDecision,
  MaybePromise,
} from "../../domain/auth-policy.js";
import { ANONYMOUS } from "../../domain/auth-policy.js";
import type { Broker, History } from "../../domain/broker.js";
import { Json } from "../../domain/json.js";
import { andThen, isPromise } from "../../domain/maybe-promise.js";
import type { TrackStart } from "./replay.js";

/** A channel that a stream does not get, and why. */
export interface Denied {
  readonly channel: string;
  readonly reason: string;
}

export interface Admission {
  readonly identity: Identity;
  readonly allowed: readonly string[];
  readonly denied: readonly Denied[];
}

/** Asks the policy for the stream, then for each of its channels. Undefined where it gets none at all. */
export function admit(
  policy: AuthPolicy,
  connect: ConnectAuthRequest,
  channels: readonly string[],
): MaybePromise<Admission | undefined> {
  return andThen(policy.authorizeConnect(connect), (decision) => {
    if (decision.allow !== true) return undefined;
    const identity = decision.identity ?? ANONYMOUS;
    const decisions = channels.map((channel) =>
      policy.authorizeJoin({ channel, params: Json.emptyObject, identity }),
    );
    return andThen(all(decisions), (decided) => sort(identity, channels, decided));
  });
}

function sort(
  identity: Identity,
  channels: readonly string[],
  decisions: readonly JoinDecision[],
): Admission {
  const allowed: string[] = [];
  const denied: Denied[] = [];
  decisions.forEach((decision, at) => {
    const channel = channels[at] as string;
    if (decision.allow === true) allowed.push(channel);
    else denied.push({ channel, reason: decision.reason ?? "unauthorized" });
  });
  return { identity, allowed, denied };
}

/** Where each channel stands for a client that comes back, or for one that comes for the first time. */
export function readStandings(
  broker: Pick<Broker, "history" | "position">,
  channels: readonly string[],
  since: string | undefined,
  limit: number,
): MaybePromise<readonly TrackStart[]> {
  const histories = channels.map(
    (channel): MaybePromise<History> =>
      since === undefined
        ? andThen(broker.position(channel), from)
        : broker.history(channel, { since, limit }),
  );
  return andThen(all(histories), (read) =>
    read.map((history, at) => ({ channel: channels[at] as string, history })),
  );
}

/** Nothing missed, from here on. */
function from(position: string | undefined): History {
  return { position, recovered: true, messages: [] };
}

function all<T>(values: readonly MaybePromise<T>[]): MaybePromise<readonly T[]> {
  return values.some(isPromise) ? Promise.all(values) : (values as readonly T[]);
}
