import type {
  AuthPolicy,
  ConnectAuthRequest,
  ConnectDecision,
  Identity,
  JoinAuthRequest,
  JoinDecision,
  MaybePromise,
  OperateAuthRequest,
  OperateDecision,
  PushAuthRequest,
  PushDecision,
  PushDenial,
} from "../../../domain/auth-policy.js";
import { Json } from "../../../domain/json.js";
import type { PushInput } from "../../../domain/push.js";
import type { Answer } from "./answers.js";
import { Callout } from "./callout.js";
import { type CalloutSettings, checkCalloutOptions, type HttpCalloutOptions } from "./options.js";
import { connectQuestion, joinQuestion, operateQuestion, pushQuestion } from "./questions.js";

const DENY = Object.freeze({ allow: false as const });
const FORBIDDEN = Json.of({ error: "Access Forbidden" });

/**
 * Asks an application over HTTP who may push, connect and join, and optionally who may operate.
 *
 * Allows only if the application answers in time, with status 200 and `"allow": true`, and every
 * other known member has its type. Everything else denies, and is reported unless it is a denial by
 * the application. Questions and answers: docs/guides/authentication-callout.md.
 */
export class HttpCalloutPolicy implements AuthPolicy {
  readonly #settings: CalloutSettings;
  readonly #callout: Callout;
  /** The claims of identities as JSON text: their parsed values have rounded numbers. */
  readonly #claims = new WeakMap<Identity, Json>();

  /** @throws {TypeError} one line that names the invalid option, without url and secret. */
  constructor(options: HttpCalloutOptions) {
    this.#settings = checkCalloutOptions(options);
    this.#callout = new Callout(this.#settings);
  }

  async authorizePush(request: PushAuthRequest): Promise<PushDecision> {
    const { forwardHeaders, sendData } = this.#settings;
    const answer = await this.#callout.ask("push", () =>
      pushQuestion(request, forwardHeaders, sendData),
    );
    if (answer === undefined) return DENY;
    return answer.allow ? allowedPush(answer, request.input) : denied(answer);
  }

  /** Not asked unless the application is known to understand the question. */
  authorizeOperate(request: OperateAuthRequest): MaybePromise<OperateDecision> {
    return this.#settings.operates ? this.#decideOperate(request) : DENY;
  }

  async authorizeConnect(request: ConnectAuthRequest): Promise<ConnectDecision> {
    const answer = await this.#callout.ask("connect", () =>
      connectQuestion(request, this.#settings.forwardHeaders),
    );
    if (answer?.allow !== true) return DENY;
    const identity = this.#identityOf(answer);
    // A cached answer may have expired since.
    return this.#isExpired(identity) ? DENY : { allow: true, identity };
  }

  async authorizeJoin(request: JoinAuthRequest): Promise<JoinDecision> {
    const { identity } = request;
    if (this.#isExpired(identity)) return { allow: false, reason: "expired" };
    const claims = this.#claims.get(identity) ?? identity.claims;
    const answer = await this.#callout.ask("join", () => joinQuestion(request, claims));
    if (answer === undefined) return DENY;
    const [reason, response] = [answer.text("reason"), answer.json("response")];
    if (!answer.allow) return { allow: false, ...(reason === undefined ? {} : { reason }) };
    return { allow: true, ...(response === undefined ? {} : { response }) };
  }

  async #decideOperate(request: OperateAuthRequest): Promise<OperateDecision> {
    const answer = await this.#callout.ask("operate", () =>
      operateQuestion(request, this.#settings.forwardHeaders),
    );
    if (answer === undefined) return DENY;
    if (!answer.allow) return denied(answer);
    const by = answer.text("by");
    return { allow: true, ...(by === undefined ? {} : { by }) };
  }

  #identityOf(answer: Answer): Identity {
    const socketId = answer.text("socket_id");
    const presenceId = answer.text("presence_id");
    const expiresAt = answer.number("expires_at");
    const claims = answer.json("claims");
    const identity: Identity = {
      ...(socketId === undefined ? {} : { socketId }),
      ...(presenceId === undefined ? {} : { presenceId }),
      ...(expiresAt === undefined ? {} : { expiresAt }),
      ...(claims === undefined ? {} : { claims: claims.value() }),
    };
    if (claims !== undefined) this.#claims.set(identity, claims);
    return identity;
  }

  #isExpired({ expiresAt }: Identity): boolean {
    return expiresAt !== undefined && !(this.#settings.now() < expiresAt * 1000);
  }
}

/** Members in the answer replace what the caller sent; the others stay. */
function allowedPush(answer: Answer, sent: PushInput): PushDecision {
  const by = answer.text("by");
  const [channel, event, data] = ["channel", "event", "data"].map((name) => answer.json(name));
  const isRewritten = channel !== undefined || event !== undefined || data !== undefined;
  const input: PushInput = {
    channel: channel === undefined ? sent.channel : channel.value(),
    event: event === undefined ? sent.event : event.value(),
    data: data ?? sent.data,
  };
  return {
    allow: true,
    ...(isRewritten ? { input } : {}),
    ...(by === undefined ? {} : { by }),
  };
}

function denied(answer: Answer): { allow: false; answer?: PushDenial } {
  const [status, body] = [answer.number("status"), answer.json("body")];
  if (status === undefined && body === undefined) return DENY;
  return { allow: false, answer: { status: status ?? 403, body: body ?? FORBIDDEN } };
}
