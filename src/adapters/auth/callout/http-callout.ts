import type {
  AuthPolicy,
  ConnectAuthRequest,
  ConnectDecision,
  Identity,
  JoinAuthRequest,
  JoinDecision,
  PushAuthRequest,
  PushDecision,
} from "../../../domain/auth-policy.js";
import { Json } from "../../../domain/json.js";
import type { PushInput } from "../../../domain/push.js";
import type { Answer } from "./answers.js";
import { Callout } from "./callout.js";
import { type CalloutSettings, checkCalloutOptions, type HttpCalloutOptions } from "./options.js";
import { connectQuestion, joinQuestion, pushQuestion } from "./questions.js";

const DENY = Object.freeze({ allow: false as const });
const FORBIDDEN = Json.of({ error: "Access Forbidden" });

/**
 * Asks an application over HTTP who may push, connect and join.
 *
 * Allows only where the application answers in time, with status 200 and `"allow": true`, and every
 * other known member has its type; whatever else happens denies, and is reported unless it is the
 * application's no. Questions and answers: docs/guides/authentication-callout.md.
 */
export class HttpCalloutPolicy implements AuthPolicy {
  readonly #settings: CalloutSettings;
  readonly #callout: Callout;
  /** The claims of identities as they came: their values have rounded numbers. */
  readonly #claims = new WeakMap<Identity, Json>();

  /** @throws {TypeError} one line that names the wrong option, without url and secret. */
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
    return answer.allow ? allowedPush(answer, request.input) : deniedPush(answer);
  }

  async authorizeConnect(request: ConnectAuthRequest): Promise<ConnectDecision> {
    const answer = await this.#callout.ask("connect", () =>
      connectQuestion(request, this.#settings.forwardHeaders),
    );
    if (answer?.allow !== true) return DENY;
    const identity = this.#identityOf(answer);
    // An answer from the cache may have been good until a moment ago.
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

/** What the application names takes the place of what the caller sent; the rest stays. */
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

function deniedPush(answer: Answer): PushDecision {
  const [status, body] = [answer.number("status"), answer.json("body")];
  if (status === undefined && body === undefined) return DENY;
  return { allow: false, answer: { status: status ?? 403, body: body ?? FORBIDDEN } };
}
