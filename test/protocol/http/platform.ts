import { decodeUtf8, fingerprint } from "../../../src/adapters/node/text.js";
import { parseForm } from "../../../src/adapters/qs/form.js";
import type { ApiRequest, HttpPlatform } from "../../../src/protocol/http/api.js";

export const platform: HttpPlatform = { decodeUtf8, fingerprint, parseForm };

/** A request with a JSON body, changed where it is to be another one. */
export function requestOf(body: string, changes: Partial<ApiRequest> = {}): ApiRequest {
  return {
    requestId: "a request's id",
    method: "POST",
    path: "/api/push",
    query: "",
    params: {},
    headers: { "content-type": "application/json" },
    acceptsJson: true,
    body: Buffer.from(body),
    remoteAddress: "192.0.2.1",
    ...changes,
  };
}
