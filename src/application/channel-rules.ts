import {
  type AuthPolicy,
  authorizeOperate,
  type Identity,
  type JoinDecision,
  type MaybePromise,
} from "../domain/auth-policy.js";
import { ChannelPattern } from "../domain/channel-pattern.js";
import { utf8Length } from "../domain/name.js";
import type { InvalidPush, Push } from "../domain/push.js";

/** Settings of the channels that match a pattern. They replace the settings for all channels. */
export interface ChannelRule {
  /** A channel name in which `*` matches any run of characters. */
  readonly pattern: string;
  /**
   * Who may join. `policy`: the policy decides. `authenticated`: sockets to which the policy gave an
   * identity at the connect. `anyone` and `nobody` do not ask the policy. @defaultValue "policy"
   */
  readonly join?: JoinRule | undefined;
  /** What the channel keeps for clients that reconnect; a size of 0 keeps nothing. */
  readonly history?: HistoryRule | undefined;
  /** Maximum number of sockets joined to one of the channels on this node. */
  readonly subscribersMax?: number | undefined;
  /** Maximum size of a push's `data`, in bytes of JSON. */
  readonly dataBytesMax?: number | undefined;
}

export type JoinRule = "policy" | "anyone" | "authenticated" | "nobody";

export interface HistoryRule {
  /** Maximum number of messages. */
  readonly size: number;
  /** How long a message is kept, in seconds. */
  readonly ttl: number;
}

interface Rule extends ChannelRule {
  readonly matches: ChannelPattern;
}

/** The channel rules of the settings. The first rule whose pattern matches a channel applies to it. */
export class ChannelRules {
  readonly #rules: readonly Rule[];
  readonly #limitsData: boolean;
  /** Whether any rule limits the subscribers of a channel. */
  readonly limitsSubscribers: boolean;

  constructor(rules: readonly ChannelRule[]) {
    this.#rules = rules.map((rule) => ({ ...rule, matches: new ChannelPattern(rule.pattern) }));
    this.#limitsData = rules.some(({ dataBytesMax }) => dataBytesMax !== undefined);
    this.limitsSubscribers = rules.some(({ subscribersMax }) => subscribersMax !== undefined);
  }

  ruleFor(channel: string): ChannelRule | undefined {
    return this.#rules.find((rule) => rule.matches.matches(channel));
  }

  /** Whether there are channels that anyone may join, whatever the policy says. */
  get hasPublic(): boolean {
    return this.#rules.some(({ join }) => join === "anyone");
  }

  /** Why a join exceeds the limit of subscribers, as text for the client; undefined if it does not. */
  fullness(channel: string, subscribers: number): string | undefined {
    const max = this.ruleFor(channel)?.subscribersMax;
    return max !== undefined && subscribers >= max ? "channel is full" : undefined;
  }

  /** Checks a push against the rules of its channels; undefined if it is valid. */
  checkPush(push: Push): InvalidPush | undefined {
    if (!this.#limitsData) return undefined;
    let bytes: number | undefined;
    for (const channel of push.channels) {
      const max = this.ruleFor(channel)?.dataBytesMax;
      if (max === undefined) continue;
      bytes ??= utf8Length(push.data.text);
      if (bytes <= max) continue;
      const reason = `must not be larger than ${max} bytes on channel ${JSON.stringify(channel)}`;
      return {
        code: "invalid_push",
        faults: [{ field: "data", reason }],
        message: `Invalid push arguments: data ${reason}.`,
      };
    }
    return undefined;
  }
}

const ALLOW = Object.freeze({ allow: true as const });
const DENY = Object.freeze({ allow: false as const });

/** The policy, but the rules for joins are applied first. */
export function applyJoinRules(policy: AuthPolicy, rules: ChannelRules): Required<AuthPolicy> {
  return {
    authorizePush: (request) => policy.authorizePush(request),
    authorizeOperate: (request) => authorizeOperate(policy, request),
    authorizeConnect: (request) => policy.authorizeConnect(request),
    authorizeJoin(request): MaybePromise<JoinDecision> {
      switch (rules.ruleFor(request.channel)?.join) {
        case "anyone":
          return ALLOW;
        case "nobody":
          return DENY;
        case "authenticated":
          return isKnown(request.identity) ? ALLOW : DENY;
        default:
          return policy.authorizeJoin(request);
      }
    },
  };
}

function isKnown(identity: Identity): boolean {
  return identity.socketId !== undefined || identity.claims !== undefined;
}
