export interface CalloutCacheOptions {
  /** 0 keeps nothing. */
  readonly entriesMax: number;
  /** Of all texts together, counted as characters. */
  readonly charactersMax: number;
  /** In milliseconds. */
  readonly now: () => number;
}

interface Entry {
  /** What the application said; undefined if it is no without words. */
  readonly text: string | undefined;
  readonly since: number;
  readonly until: number;
}

/** No answer is kept for longer, whatever it says, in seconds. */
export const MAX_AGE_SECONDS = 3600;

/** Answers that the application allows to be used again; the longest unused ones make room. */
export class CalloutCache {
  readonly #options: CalloutCacheOptions;
  /** The least recently used first. */
  readonly #entries = new Map<string, Entry>();
  #characters = 0;

  constructor(options: CalloutCacheOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#entries.size;
  }

  get(key: string): { readonly text: string | undefined } | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    this.#remove(key, entry);
    const now = this.#options.now();
    // A clock that was set back must not make an answer live longer.
    if (now < entry.since || now >= entry.until) return undefined;
    this.#add(key, entry);
    return entry;
  }

  /** @param since when the question was asked, in milliseconds: the answer is as old as that. */
  set(key: string, text: string | undefined, since: number, maxAgeSeconds: number): void {
    const before = this.#entries.get(key);
    if (before !== undefined) this.#remove(key, before);
    if (maxAgeSeconds <= 0) return;
    this.#add(key, { text, since, until: since + maxAgeSeconds * 1000 });
    for (const [oldest, entry] of this.#entries) {
      if (!this.#isFull()) break;
      this.#remove(oldest, entry);
    }
  }

  #isFull(): boolean {
    const { entriesMax, charactersMax } = this.#options;
    return this.#entries.size > entriesMax || this.#characters > charactersMax;
  }

  #add(key: string, entry: Entry): void {
    this.#entries.set(key, entry);
    this.#characters += entry.text?.length ?? 0;
  }

  #remove(key: string, entry: Entry): void {
    this.#entries.delete(key);
    this.#characters -= entry.text?.length ?? 0;
  }
}

/**
 * For how many seconds an answer may be used again, by its field `cache-control` (RFC 9111, section
 * 5.2.2): 0 if the field is missing or anything in it forbids that or cannot be read.
 */
export function maxAgeOf(cacheControl: string | undefined): number {
  let age: number | undefined;
  for (const directive of (cacheControl ?? "").toLowerCase().split(",")) {
    const [name = "", value] = directive.trim().split("=", 2);
    if (name === "no-store" || name === "no-cache") return 0;
    if (name !== "max-age") continue;
    const digits = /^(?:\d{1,15}|"\d{1,15}")$/.test(value ?? "") ? value : undefined;
    if (digits === undefined) return 0;
    age = Math.min(age ?? MAX_AGE_SECONDS, Number(digits.replaceAll('"', "")));
  }
  return age ?? 0;
}
