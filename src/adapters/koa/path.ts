import type Koa from "koa";

/** The paths of the server. All others belong to the host and stay as they are. */
const OWN = /^\/(?:(?:api|health)\/|push_events$)/;
/** Most paths are in normal form already, which one test shows. */
const NORMAL = /^(?:\/[\w-]+)+$/;

/**
 * `//api//push/` and `/api/pu%73h` are `/api/push`, as with Phoenix. Runs before the
 * host's middleware, so that its checks see the path that is routed.
 */
export const normalizePath: Koa.Middleware = (ctx, next) => {
  const { path } = ctx;
  if (!NORMAL.test(path)) {
    const normal = normalForm(path);
    if (normal !== undefined && OWN.test(normal)) ctx.path = normal;
  }
  return next();
};

/** Undefined if the path is not percent-encoded UTF-8. */
function normalForm(path: string): string | undefined {
  const segments = path.split("/").filter((segment) => segment !== "");
  try {
    // Encoded again, so that a slash within a segment does not become one between two.
    return `/${segments.map((segment) => encodeURIComponent(decodeURIComponent(segment))).join("/")}`;
  } catch {
    return undefined;
  }
}
