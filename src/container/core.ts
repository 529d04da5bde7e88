import { ContainerModule } from "inversify";
import { applyJoinRules, ChannelRules } from "../application/channel-rules.js";
import { combineEvents, PUSH_EVENTS } from "../application/combine-listeners.js";
import { Control } from "../application/control.js";
import { describeError } from "../application/describe-error.js";
import { guardPolicy } from "../application/guard-policy.js";
import { PushTraces } from "../application/push-traces.js";
import { refuseRevoked } from "../application/refuse-revoked.js";
import { Revoker } from "../application/revoker.js";
import type { Config } from "../config/config.js";
import type { PushLimits } from "../domain/push.js";
import { PushService } from "../domain/push-service.js";
import { API_EVENTS } from "../protocol/http/api-listener.js";
import { policyFaultTo } from "./configured-policy.js";
import { all, mutableState, revocationLog, TOKENS } from "./tokens.js";

/** Bindings of the domain's ports and the services on top of them. */
export const core = new ContainerModule(({ bind }) => {
  bind(mutableState).toResolvedValue(() => ({ draining: false }));
  bind(TOKENS.state).toService(mutableState);
  bind(TOKENS.clock).toConstantValue(() => Date.now() / 1000);
  bind(TOKENS.guardedPolicy).toResolvedValue(
    (policy, rules, revocations, config, log) =>
      guardPolicy(refuseRevoked(applyJoinRules(policy, rules), revocations), policyFaultTo(log), {
        timeout: { ms: policyTimeoutMs(config), schedule },
      }),
    [TOKENS.authPolicy, TOKENS.channelRules, TOKENS.revocations, TOKENS.config, TOKENS.log],
  );
  bind(TOKENS.channelRules).toResolvedValue(
    (config) => new ChannelRules(config.channels ?? []),
    [TOKENS.config],
  );
  bind(TOKENS.traces).toResolvedValue(
    (config, clock) => new PushTraces({ max: config.traces, now: () => clock() * 1000 }),
    [TOKENS.config, TOKENS.clock],
  );
  bind(TOKENS.listener).toService(TOKENS.traces);
  bind(TOKENS.listeners).toResolvedValue(
    (listeners, log) =>
      combineEvents([...PUSH_EVENTS, ...API_EVENTS], listeners, (event, error) =>
        log.error({ err: describeError(error), event }, "a listener failed"),
      ),
    [all(TOKENS.listener), TOKENS.log],
  );
  bind(TOKENS.pushes).toResolvedValue(
    (policy, transports, config, listener, rules, broker, newPushId, log) =>
      new PushService({
        policy,
        transports,
        limits: pushLimits(config),
        broker,
        listener,
        newPushId,
        check: (push) => rules.checkPush(push),
        onDeliveryError: (error) => log.error({ err: describeError(error) }, "a transport failed"),
      }),
    [
      TOKENS.guardedPolicy,
      all(TOKENS.transport),
      TOKENS.config,
      TOKENS.listeners,
      TOKENS.channelRules,
      TOKENS.broker,
      TOKENS.newPushId,
      TOKENS.log,
    ],
  );
  bind(TOKENS.revoker).toResolvedValue(
    (revocations, transports, log) => new Revoker(revocations, transports, log.file),
    [TOKENS.revocations, all(TOKENS.transport), revocationLog],
  );
  bind(TOKENS.control).toResolvedValue(
    (pushes, transports, broker) => new Control(pushes, transports, broker),
    [TOKENS.pushes, all(TOKENS.transport), TOKENS.broker],
  );
});

export function pushLimits(config: Config): PushLimits {
  return {
    channelNameBytesMax: config.channelNameLimit,
    eventNameBytesMax: config.eventNameLimit,
    channelsMax: config.channelsPerPush,
  };
}

function schedule(run: () => void, ms: number): () => void {
  const timer = setTimeout(run, ms);
  return () => clearTimeout(timer);
}

/** A callout may try twice, and must time out first so that it can report the cause itself. */
function policyTimeoutMs({ policyTimeout, authUrl, authTimeout }: Config): number {
  const least = authUrl === undefined ? 0 : authTimeout * 2 + 1;
  return Math.max(policyTimeout, least) * 1000;
}
