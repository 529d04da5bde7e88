import type Koa from "koa";
import { describeError } from "../../application/describe-error.js";
import { revocationInput, revocationJson } from "../../application/revocation.js";
import type { Revoker } from "../../application/revoker.js";
import type { AuthPolicy } from "../../domain/auth-policy.js";
import { mayOperate } from "./authorized.js";
import { answer, answerJson, type ErrorLog } from "./errors.js";
import { MalformedRequest } from "./malformed-request.js";
import { pushBody, readJsonText } from "./push-body.js";

export interface RevocationDesk {
  readonly policy: AuthPolicy;
  readonly revoker: Revoker;
}

/** A subject, a token id and two times need no more. */
const BODY_BYTES_MAX = 16_384;
const STATUS = { invalid: 422, full: 503, not_kept: 503 } as const;

/**
 * `POST /api/revocations`: `{"subject"?, "token_id"?, "issued_before"?, "until"?}`, answered with
 * what holds from now on and how many sockets of this node it has closed.
 */
export function revocationRoute(desk: RevocationDesk, log: ErrorLog): Koa.Middleware[] {
  return [
    ...pushBody({ bodyBytesMax: BODY_BYTES_MAX }),
    async (ctx) => {
      const json = parse(readJsonText(ctx));
      if (!(await mayOperate(ctx, desk.policy, "operate"))) return;
      const read = revocationInput(json);
      if (!read.ok) {
        answer(ctx, 422, read.message);
        return;
      }
      const result = await desk.revoker.revoke(read.input);
      if (!result.ok) {
        if (result.cause !== undefined) {
          log.error({ err: describeError(result.cause) }, "a revocation could not be written");
        }
        answer(ctx, STATUS[result.code], result.message);
        return;
      }
      ctx.status = 200;
      answerJson(
        ctx,
        JSON.stringify({ ...revocationJson(result.revocation), closed: result.closed }),
      );
    },
  ];
}

function parse(text: string): unknown {
  try {
    return text === "" ? undefined : JSON.parse(text);
  } catch {
    throw new MalformedRequest("The request body is not valid JSON.");
  }
}
