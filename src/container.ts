import { Container, ContainerModule } from "inversify";
import type { Middleware } from "koa";
import type { Logger } from "pino";
import type { Config } from "./config/config.js";
import { adapters } from "./container/adapters.js";
import { core } from "./container/core.js";
import { type Clock, type ServerListener, TOKENS } from "./container/tokens.js";
import type { AuthPolicy } from "./domain/auth-policy.js";
import type { Transport } from "./domain/transport.js";

export type { Container, ContainerModule };

/** Parts of the host: some replace what the settings give, the others are added to it. */
export interface HostParts {
  readonly policy: AuthPolicy | undefined;
  readonly logger: Logger | undefined;
  readonly now: Clock | undefined;
  readonly transports: readonly Transport[];
  readonly middleware: readonly Middleware[];
  readonly listeners: readonly ServerListener[];
}

export function hostModule(parts: HostParts): ContainerModule {
  const { policy, logger, now, transports, middleware, listeners } = parts;
  return new ContainerModule(({ bind, rebind }) => {
    if (now !== undefined) rebind(TOKENS.clock).toConstantValue(now);
    for (const listener of listeners) bind(TOKENS.listener).toConstantValue(listener);
    if (policy !== undefined) rebind(TOKENS.authPolicy).toConstantValue(policy);
    if (logger !== undefined) rebind(TOKENS.log).toConstantValue(logger);
    for (const transport of transports) bind(TOKENS.transport).toConstantValue(transport);
    for (const each of middleware) bind(TOKENS.middleware).toConstantValue(each);
  });
}

/** @param overrides loaded last, in their order; their bindings replace the default ones. */
export function createContainer(
  config: Config,
  overrides: readonly ContainerModule[] = [],
): Container {
  const container = new Container({ defaultScope: "Singleton" });
  container.bind(TOKENS.config).toConstantValue(config);
  container.load(core, adapters, ...overrides);
  return container;
}
