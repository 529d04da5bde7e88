import { describeError } from "../../application/describe-error.js";
import { revocationInput, revocationJson } from "../../application/revocation.js";
import type { Revoker } from "../../application/revoker.js";
import type { AuthPolicy } from "../../domain/auth-policy.js";
import { type ApiAnswer, type ApiRoute, failure, type HttpPlatform, success } from "./api.js";
import { ifMayOperate } from "./authorize.js";
import { type ErrorLog, MalformedRequest } from "./errors.js";
import { readJsonText } from "./push-body.js";

export interface RevocationServices {
  readonly policy: AuthPolicy;
  readonly revoker: Revoker;
  readonly platform: HttpPlatform;
  readonly log: ErrorLog;
}

/** Enough for a subject, a token id and two times. */
const BODY_BYTES_MAX = 16_384;
const STATUS = { invalid: 422, full: 503, not_kept: 503 } as const;

/**
 * `POST /api/revocations`: takes `{"subject"?, "token_id"?, "issued_before"?, "until"?}` and answers
 * with the revocation as it holds from now on, and with the number of sockets of this node that it
 * closed.
 */
export function revocationRoute(services: RevocationServices): ApiRoute {
  return {
    method: "POST",
    path: "/api/revocations",
    body: { bytesMax: BODY_BYTES_MAX },
    // Async: what cannot be read rejects, as a policy that fails does.
    async handle(request) {
      const json = parse(readJsonText(request, services.platform));
      return ifMayOperate(services.policy, request, "operate", [undefined], () =>
        revoke(services, json),
      );
    },
  };
}

async function revoke({ revoker, log }: RevocationServices, json: unknown): Promise<ApiAnswer> {
  const read = revocationInput(json);
  if (!read.ok) return failure(422, read.message);
  const result = await revoker.revoke(read.input);
  if (result.ok) return success({ ...revocationJson(result.revocation), closed: result.closed });
  if (result.cause !== undefined) {
    log.error({ err: describeError(result.cause) }, "a revocation could not be written");
  }
  return failure(STATUS[result.code], result.message);
}

function parse(text: string): unknown {
  try {
    return text === "" ? undefined : JSON.parse(text);
  } catch {
    throw new MalformedRequest("The request body is not valid JSON.");
  }
}
