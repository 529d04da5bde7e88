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

/** What holds for the channels of one pattern, in place of what holds for all. */
export interface ChannelRule {
  /** A channel's name with `*` for any run of characters. */
  readonly pattern: string;
  /**
   * Who may join: `policy` asks the policy; `anyone`; `authenticated` whoever the policy has given
   * an identity at the connect; `nobody`. @defaultValue "policy"
   */
  readonly join?: JoinRule | undefined;
  /** What the channel keeps for those who come back; a size of 0 keeps nothing. */
  readonly history?: HistoryRule | undefined;
  /** Most sockets that may be joined to one of the channels on this node. */
  readonly subscribersMax?: number | undefined;
  /** Largest `data` of a push, in bytes of JSON. */
  readonly dataBytesMax?: number | undefined;
}

export type JoinRule = "policy" | "anyone" | "authenticated" | "nobody";

export interface HistoryRule {
  /** Most messages that are kept. */
  readonly size: number;
  /** How long a message is kept, in seconds. */
  readonly ttl: number;
}

interface Rule extends ChannelRule {
  readonly matches: ChannelPattern;
}

/** The rules of the settings: for each channel the first one counts whose pattern matches it. */
export class ChannelRules {
  readonly #rules: readonly Rule[];
  readonly #limitsData: boolean;
  /** Whether there is a channel that can be full. */
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

  /** Words for a client whose join would be one too many; undefined where it is not. */
  fullness(channel: string, subscribers: number): string | undefined {
    const max = this.ruleFor(channel)?.subscribersMax;
    return max !== undefined && subscribers >= max ? "channel is full" : undefined;
  }

  /** What is wrong with a push by the rule of one of its channels. */
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

/** The policy with the rules on who may join before it. */
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
