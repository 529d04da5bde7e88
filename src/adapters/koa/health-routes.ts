import type Router from "@koa/router";
import { answer, answerJson } from "./errors.js";

/** Undefined where the server is ready for requests, else what keeps it from them. */
export type Readiness = () => string | undefined;

export function healthRoutes(router: Router, readiness: Readiness): void {
  router.get("/health/live", (ctx) => answerJson(ctx, '{"status":"live"}'));
  router.get("/health/ready", (ctx) => {
    const obstacle = readiness();
    if (obstacle === undefined) answerJson(ctx, '{"status":"ready"}');
    else answer(ctx, 503, obstacle);
  });
}
