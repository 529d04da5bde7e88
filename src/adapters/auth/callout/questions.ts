import type {
  ConnectAuthRequest,
  Headers,
  JoinAuthRequest,
  OperateAuthRequest,
  PushAuthRequest,
} from "../../../domain/auth-policy.js";
import { Json } from "../../../domain/json.js";

/*
 * The questions as JSON text. A member without a value is null, except a push's `data`, which is
 * left out. Numbers keep every digit.
 */

/** @throws {TypeError} if a host's own input has no JSON form. */
export function pushQuestion(
  request: PushAuthRequest,
  forwardHeaders: readonly string[],
  sendData: boolean,
): string {
  const { method, path, headers, remoteAddress, input } = request;
  return objectText({
    question: "push",
    method,
    path,
    headers: pickHeaders(headers, forwardHeaders),
    remote_address: remoteAddress,
    channel: input.channel,
    event: input.event,
    ...(sendData && input.data !== undefined ? { data: input.data } : {}),
  });
}

export function operateQuestion(
  request: OperateAuthRequest,
  forwardHeaders: readonly string[],
): string {
  const { right, method, path, headers, remoteAddress, channel } = request;
  return objectText({
    question: "operate",
    right,
    method,
    path,
    headers: pickHeaders(headers, forwardHeaders),
    remote_address: remoteAddress,
    channel,
  });
}

export function connectQuestion(
  request: ConnectAuthRequest,
  forwardHeaders: readonly string[],
): string {
  const { headers, remoteAddress, origin, params, token } = request;
  return objectText({
    question: "connect",
    headers: pickHeaders(headers, forwardHeaders),
    remote_address: remoteAddress,
    origin,
    params,
    token,
  });
}

/**
 * @param claims the identity's, as they are to be sent
 * @throws {TypeError} if an identity of somebody else's has no JSON form.
 */
export function joinQuestion(request: JoinAuthRequest, claims: unknown): string {
  const { channel, params, identity } = request;
  return objectText({
    question: "join",
    channel,
    params,
    identity: new Members({ socket_id: identity.socketId, claims }),
  });
}

/** An object whose members may be Json, which `JSON.stringify` would round. */
class Members {
  constructor(readonly members: Readonly<Record<string, unknown>>) {}
}

function objectText(members: Readonly<Record<string, unknown>>): string {
  const parts = Object.entries(members).map(
    ([name, value]) => `${JSON.stringify(name)}:${textOf(value)}`,
  );
  return `{${parts.join(",")}}`;
}

function textOf(value: unknown): string {
  if (value === undefined) return "null";
  if (value instanceof Json) return value.text;
  if (value instanceof Members) return objectText(value.members);
  // What stands in place of a channel's name in a list may be Json.
  if (Array.isArray(value)) return `[${Array.from(value, textOf).join(",")}]`;
  return Json.of(value).text;
}

function pickHeaders(headers: Headers, names: readonly string[]): Members {
  const present = names.filter((name) => Object.hasOwn(headers, name));
  return new Members(Object.fromEntries(present.map((name) => [name, headers[name]])));
}
