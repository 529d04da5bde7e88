import type { ApiRoute } from "./api.js";
import { type BatchLimits, type BatchServices, batchRoute } from "./batch.js";
import { type ControlServices, controlRoutes } from "./control.js";
import { healthRoutes, type Readiness } from "./health.js";
import { pushRoute } from "./push.js";
import { type RevocationServices, revocationRoute } from "./revocations.js";

/** Everything that the routes of the API work on. */
export interface ApiServices extends BatchServices, ControlServices, RevocationServices {
  readonly readiness: Readiness;
  readonly limits: BatchLimits;
}

/** The whole API, for any server to mount. */
export function apiRoutes(services: ApiServices): readonly ApiRoute[] {
  const { limits, readiness } = services;
  return [
    pushRoute(services, limits),
    batchRoute(services, limits),
    ...controlRoutes(services),
    revocationRoute(services),
    ...healthRoutes(readiness),
  ];
}
