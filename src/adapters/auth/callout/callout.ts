import { createHash } from "node:crypto";
import { type Answer, readAnswer } from "./answers.js";
import { CalloutCache } from "./cache.js";
import { CircuitBreaker } from "./circuit-breaker.js";
import { CalloutClient, type Reply } from "./client.js";
import { CalloutFault } from "./fault.js";
import type { CalloutSettings, Question } from "./options.js";

/** So many faults in a row, and no question is asked for so long. */
const FAULTS_TO_OPEN = 5;
const OPEN_MS = 5000;

/** The cache's own limit beside that of entries: answers may be long. */
const CACHE_CHARACTERS_MAX = 64 * 2 ** 20;

/** That there are too many calls is reported once in this time, in milliseconds. */
const REPORT_MS = 1000;

/**
 * Gets answers with as few calls as may be: from the cache, from an equal question that is under
 * way, or from the application, unless that keeps failing. Whatever fails is reported and is no
 * answer.
 */
export class Callout {
  readonly #settings: CalloutSettings;
  readonly #client: CalloutClient;
  readonly #breaker: CircuitBreaker;
  readonly #cache: CalloutCache;
  /** Question's key → its call. */
  readonly #open = new Map<string, Promise<Reply | undefined>>();
  #inFlight = 0;
  #reportedFullAt = Number.NEGATIVE_INFINITY;

  constructor(settings: CalloutSettings) {
    const { now, cacheEntriesMax } = settings;
    this.#settings = settings;
    this.#client = new CalloutClient(settings);
    this.#breaker = new CircuitBreaker({ failuresToOpen: FAULTS_TO_OPEN, openMs: OPEN_MS, now });
    this.#cache = new CalloutCache({
      entriesMax: cacheEntriesMax,
      charactersMax: CACHE_CHARACTERS_MAX,
      now,
    });
  }

  /**
   * @param compose makes the question's text; what it throws is a fault
   * @returns undefined if the application says no without words, or nothing that can be used.
   */
  async ask(question: Question, compose: () => string): Promise<Answer | undefined> {
    let text: string;
    try {
      text = compose();
    } catch {
      this.#report(question, "the question has no JSON form");
      return undefined;
    }
    // The hash, so that what is kept holds no token.
    const key = createHash("sha256").update(text, "utf8").digest("base64");
    const reply = this.#cache.get(key) ?? (await this.#share(question, key, text));
    // Read afresh for everyone: two sockets must not get one object.
    return reply?.text === undefined ? undefined : readAnswer(question, reply.text);
  }

  #share(question: Question, key: string, text: string): Promise<Reply | undefined> {
    const open = this.#open.get(key);
    if (open !== undefined) return open;
    // A ticket may be good for one connection: without the application's word, each is asked for.
    if (question === "connect") return this.#call(question, key, text);
    const call = this.#call(question, key, text).finally(() => this.#open.delete(key));
    this.#open.set(key, call);
    return call;
  }

  async #call(question: Question, key: string, text: string): Promise<Reply | undefined> {
    if (this.#inFlight >= this.#settings.inFlightMax) {
      this.#reportFull(question);
      return undefined;
    }
    const passage = this.#breaker.enter();
    if (passage === undefined) return undefined;
    this.#inFlight++;
    try {
      const since = this.#settings.now();
      const reply = await this.#client.ask(text);
      if (reply.text !== undefined) readAnswer(question, reply.text);
      passage.succeeded();
      this.#cache.set(key, reply.text, since, reply.maxAgeSeconds);
      return reply;
    } catch (error) {
      this.#report(question, error instanceof CalloutFault ? error.message : "broken policy");
      if (passage.failed()) {
        const rest = `nothing is asked for ${OPEN_MS / 1000} s`;
        this.#report(question, `the application keeps failing: ${rest}`);
      }
      return undefined;
    } finally {
      this.#inFlight--;
    }
  }

  /** Not each time: who floods the server must not flood its log as well. */
  #reportFull(question: Question): void {
    const now = this.#settings.now();
    if (Math.abs(now - this.#reportedFullAt) < REPORT_MS) return;
    this.#reportedFullAt = now;
    this.#report(question, `more than ${this.#settings.inFlightMax} questions at one time`);
  }

  #report(question: Question, message: string): void {
    try {
      this.#settings.onFault({ question, message });
    } catch {
      // A log that fails changes no decision.
    }
  }
}
