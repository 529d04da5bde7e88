import { type ApiRoute, failure, success } from "./api.js";

/** Why the server is not ready for requests; undefined if it is. */
export type Readiness = () => string | undefined;

export function healthRoutes(readiness: Readiness): readonly ApiRoute[] {
  return [
    { method: "GET", path: "/health/live", handle: () => success({ status: "live" }) },
    {
      method: "GET",
      path: "/health/ready",
      handle() {
        const obstacle = readiness();
        return obstacle === undefined ? success({ status: "ready" }) : failure(503, obstacle);
      },
    },
  ];
}
