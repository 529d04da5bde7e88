import type { AuthPolicy, ConnectDecision, Identity } from "../domain/auth-policy.js";
import { ChannelPatterns } from "../domain/channel-pattern.js";
import { andThen } from "../domain/maybe-promise.js";
import { asOpenAs } from "./open-policy.js";

const ALLOW = Object.freeze({ allow: true as const });
const DENY = Object.freeze({ allow: false as const });

/**
 * The policy, and beside it channels that anyone may join, also who has no token.
 *
 * A socket that the policy denies is let in as nobody's where it came without a token, and may join
 * the public channels only. One with a token stays denied, so that its client learns that the token
 * is no good. An empty token counts as none. Pushes are the policy's alone.
 *
 * Where the policy throws, rejects or answers with no decision, so does this one: the guard around
 * it denies and reports.
 *
 * @param patterns of the public channels; see `ChannelPattern`
 */
export function withPublicChannels(policy: AuthPolicy, patterns: readonly string[]): AuthPolicy {
  const isPublic = new ChannelPatterns(patterns);
  /** The identities of the sockets that are nobody's, each its socket's own. */
  const nobodys = new WeakSet<Identity>();

  const admit = (): ConnectDecision => {
    const identity: Identity = Object.freeze({});
    nobodys.add(identity);
    return { allow: true, identity };
  };

  const withPublic: AuthPolicy = {
    authorizePush: (request) => policy.authorizePush(request),

    authorizeConnect: (request) =>
      andThen(policy.authorizeConnect(request), (decision) => {
        const hasToken = request.token !== undefined && request.token !== "";
        // Nonsense is no denial: it goes on to the guard.
        return decision?.allow === false && !hasToken ? admit() : decision;
      }),

    authorizeJoin(request) {
      if (isPublic.match(request.channel)) return ALLOW;
      return nobodys.has(request.identity) ? DENY : policy.authorizeJoin(request);
    },
  };
  return asOpenAs(withPublic, policy);
}

/**
 * Every socket may connect, and join the channels that match; nobody may push. For servers whose
 * sockets have no policy of their own.
 *
 * @param patterns see `ChannelPattern`
 */
export function publicChannelsOnly(patterns: readonly string[]): AuthPolicy {
  const isPublic = new ChannelPatterns(patterns);
  return Object.freeze({
    authorizePush: () => DENY,
    authorizeConnect: () => ALLOW,
    authorizeJoin: ({ channel }: { readonly channel: string }) =>
      isPublic.match(channel) ? ALLOW : DENY,
  });
}
