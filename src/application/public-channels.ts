import {
  type AuthPolicy,
  authorizeOperate,
  type ConnectDecision,
  type Identity,
} from "../domain/auth-policy.js";
import { ChannelPatterns } from "../domain/channel-pattern.js";
import { andThen } from "../domain/maybe-promise.js";
import { asOpenAs } from "./open-policy.js";

const ALLOW = Object.freeze({ allow: true as const });
const DENY = Object.freeze({ allow: false as const });

/**
 * The policy, plus channels that anyone may join, even without a token.
 *
 * A socket without a token that the policy denies is accepted as anonymous and may join only the
 * public channels. A socket with a token stays denied, so that its client learns that the token is
 * invalid. An empty token counts as none. The policy alone decides pushes and operator rights.
 *
 * If the policy throws, rejects or answers without a decision, so does this one: the guard around
 * it denies and reports.
 *
 * @param patterns the public channels; see `ChannelPattern`
 */
export function withPublicChannels(
  policy: AuthPolicy,
  patterns: readonly string[],
): Required<AuthPolicy> {
  const isPublic = new ChannelPatterns(patterns);
  /** The identities of anonymous sockets; each socket has its own object. */
  const anonymous = new WeakSet<Identity>();

  const acceptAnonymous = (): ConnectDecision => {
    const identity: Identity = Object.freeze({});
    anonymous.add(identity);
    return { allow: true, identity };
  };

  const withPublic: Required<AuthPolicy> = {
    authorizePush: (request) => policy.authorizePush(request),
    authorizeOperate: (request) => authorizeOperate(policy, request),

    authorizeConnect: (request) =>
      andThen(policy.authorizeConnect(request), (decision) => {
        const hasToken = request.token !== undefined && request.token !== "";
        // An answer that is not a decision is not a denial: the guard must see it.
        return decision?.allow === false && !hasToken ? acceptAnonymous() : decision;
      }),

    authorizeJoin(request) {
      if (isPublic.match(request.channel)) return ALLOW;
      return anonymous.has(request.identity) ? DENY : policy.authorizeJoin(request);
    },
  };
  return asOpenAs(withPublic, policy);
}

/**
 * Every socket may connect and join the channels that match; nobody may push or operate. For servers
 * without a policy for sockets.
 *
 * @param patterns see `ChannelPattern`
 */
export function publicChannelsOnly(patterns: readonly string[]): Required<AuthPolicy> {
  const isPublic = new ChannelPatterns(patterns);
  return Object.freeze({
    authorizePush: () => DENY,
    authorizeOperate: () => DENY,
    authorizeConnect: () => ALLOW,
    authorizeJoin: ({ channel }: { readonly channel: string }) =>
      isPublic.match(channel) ? ALLOW : DENY,
  });
}
