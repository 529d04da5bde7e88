import type { ConnectGate, WaitingConnect } from "../../application/connect-gate.js";
import type { OriginRule } from "../../application/origins.js";
import {
  ANONYMOUS,
  type AuthPolicy,
  type ConnectDecision,
  type Identity,
} from "../../domain/auth-policy.js";
import { isPromise } from "../../domain/maybe-promise.js";
import type { CorkAnchor } from "./cork-anchor.js";
import { refuse } from "./http-bridge.js";
import { type ConnectRequest, readConnectRequest } from "./phoenix/connect-request.js";
import type { RawRequest, RawResponse } from "./raw-http.js";
import { type RequestHead, readRequestHead } from "./request-head.js";

export interface UpgradeDoorOptions {
  readonly policy: AuthPolicy;
  readonly origins: OriginRule;
  readonly log: { info(fields: object, text: string): void };
  /** Who may connect when. @defaultValue everyone, at once */
  readonly gate?: ConnectGate;
}

/** A connect that is allowed: to be accepted in the turn in which it is handed over. */
export interface AllowedUpgrade<Response> {
  readonly response: Response;
  readonly headers: RequestHead["headers"];
  readonly connect: ConnectRequest;
  readonly identity: Identity;
}

/** A connect that is not decided yet. */
interface PendingUpgrade<Response> {
  readonly response: Response;
  readonly headers: RequestHead["headers"];
  readonly connect: ConnectRequest;
  readonly enter: (upgrade: AllowedUpgrade<Response>) => void;
  isGone: boolean;
  /** Gives up its place at the gate. */
  leave: (() => void) | undefined;
}

const TEXT = new TextDecoder();
const SHUTTING_DOWN = "The server is shutting down.";

/** Decides who gets a WebSocket, and when. */
export class UpgradeDoor<Response extends RawResponse> {
  /** Refuses everyone. */
  isDraining = false;
  readonly #options: UpgradeDoorOptions;
  readonly #anchor: CorkAnchor;

  /** @param anchor in which connects are accepted whose own turn of the event loop is over. */
  constructor(options: UpgradeDoorOptions, anchor: CorkAnchor) {
    this.#options = options;
    this.#anchor = anchor;
  }

  /** Answers with why there is none, or hands the connect over: `enter` accepts it. */
  open(response: Response, request: RawRequest, enter: PendingUpgrade<Response>["enter"]): void {
    // The request is gone once this callback returns, so all of it is read here.
    const head = readRequestHead(request);
    const { headers } = head;
    const protocols = headers["sec-websocket-protocol"] ?? "";
    const connect = readConnectRequest(request.getQuery() ?? "", protocols);
    const refusal = this.#refusal(head, connect);
    if (refusal !== undefined) {
      refuse(response, refusal.status, refusal.text);
      return;
    }
    const upgrade: PendingUpgrade<Response> = {
      response,
      headers,
      connect,
      enter,
      isGone: false,
      leave: undefined,
    };
    const { gate } = this.#options;
    if (gate === undefined || gate.pass()) this.#decide(upgrade, false);
    else this.#wait(upgrade, gate);
  }

  /** What refuses a connect before the policy is asked. */
  #refusal(
    head: RequestHead,
    connect: ConnectRequest,
  ): { status: number; text: string } | undefined {
    const { origin, host } = head.headers;
    if (head.fault !== undefined) return { status: 400, text: head.fault };
    if (this.isDraining) return { status: 503, text: SHUTTING_DOWN };
    if (origin !== undefined && !this.#options.origins.allows(origin, host)) {
      this.#options.log.info({ origin, host }, "connect refused: origin not allowed");
      return { status: 403, text: "Origin not allowed." };
    }
    if (connect.version !== undefined) return undefined;
    return { status: 403, text: "Unsupported serializer version (vsn)." };
  }

  /** Its client may go before its answer: to be called in the request's own turn, if it outlasts that. */
  #outlast(upgrade: PendingUpgrade<Response>): void {
    upgrade.response.onAborted(() => {
      upgrade.isGone = true;
      upgrade.leave?.();
    });
  }

  #wait(upgrade: PendingUpgrade<Response>, gate: ConnectGate): void {
    const { response } = upgrade;
    const waiting: WaitingConnect = {
      admit: () => {
        if (!upgrade.isGone) this.#decide(upgrade, true);
      },
      turnAway: () => {
        if (!upgrade.isGone) refuse(response, 503, SHUTTING_DOWN);
      },
    };
    if (gate.wait(waiting)) {
      this.#outlast(upgrade);
      upgrade.leave = () => gate.leave(waiting);
    } else {
      refuse(response, 503, "Too many connects at once.", { "retry-after": `${gate.waitSeconds}` });
    }
  }

  /** @param isLate the request's own turn of the event loop is over. */
  #decide(upgrade: PendingUpgrade<Response>, isLate: boolean): void {
    const { response, headers, connect } = upgrade;
    const decision = this.#options.policy.authorizeConnect({
      headers,
      remoteAddress: TEXT.decode(response.getRemoteAddressAsText()),
      origin: headers.origin,
      params: connect.params,
      token: connect.token,
    });
    if (isPromise(decision)) {
      if (!isLate) this.#outlast(upgrade);
      void decision.then((decided) => this.#settleLate(upgrade, decided));
    } else if (isLate) {
      this.#settleLate(upgrade, decision);
    } else {
      // In the request's own turn the response is corked already, and nobody can have gone.
      this.#settle(upgrade, decision);
    }
  }

  #settleLate(upgrade: PendingUpgrade<Response>, decision: ConnectDecision): void {
    this.#anchor.run(() => this.#settle(upgrade, decision));
  }

  #settle(upgrade: PendingUpgrade<Response>, decision: ConnectDecision): void {
    if (upgrade.isGone) return;
    const { response, headers, connect } = upgrade;
    if (this.isDraining) {
      refuse(response, 503, SHUTTING_DOWN);
    } else if (decision.allow !== true) {
      refuse(response, 403, "Access Forbidden");
    } else {
      upgrade.enter({ response, headers, connect, identity: decision.identity ?? ANONYMOUS });
    }
  }
}
