import type Koa from "koa";

/** The paths that are the server's own; all others are the host's and stay as they are. */
const OWN = /^\/(?:(?:api|health)\/|push_events$)/;
/** Nothing to normalise, so that most requests pay one look. */
const NORMAL = /^(?:\/[\w-]+)+$/;

/**
 * `//api//push/` and `/api/pu%73h` are `/api/push`, as with Phoenix. Done before any other
 * middleware, so that a host's check of paths sees the path that is routed.
 */
export const normalizePath: Koa.Middleware = (ctx, next) => {
  const { path } = ctx;
  if (!NORMAL.test(path)) {
    const normal = normalForm(path);
    if (normal !== undefined && OWN.test(normal)) ctx.path = normal;
  }
  return next();
};

/** Undefined where the path is not percent-encoded UTF-8. */
function normalForm(path: string): string | undefined {
  const segments = path.split("/").filter((segment) => segment !== "");
  try {
    // Encoded again, so that a slash within a segment does not become one between two.
    return `/${segments.map((segment) => encodeURIComponent(decodeURIComponent(segment))).join("/")}`;
  } catch {
    return undefined;
  }
}
