/**
 * A set of channels: a name in which each `*` stands for any run of characters, also an empty one
 * and one that holds separators. Every other character stands for itself; there is no escape.
 */
export class ChannelPattern {
  readonly #parts: readonly string[];

  constructor(readonly text: string) {
    this.#parts = text.split("*");
  }

  /** Takes time in proportion to the two lengths' product at most, whatever a stranger sends. */
  matches(channel: string): boolean {
    const parts = this.#parts;
    const first = parts[0] as string;
    if (parts.length === 1) return channel === first;
    const last = parts[parts.length - 1] as string;
    if (channel.length < first.length + last.length) return false;
    if (!channel.startsWith(first) || !channel.endsWith(last)) return false;
    const end = channel.length - last.length;
    let at = first.length;
    // The leftmost place of each part leaves the most room for those after it.
    for (let index = 1; index < parts.length - 1; index++) {
      const part = parts[index] as string;
      const found = channel.indexOf(part, at);
      if (found === -1 || found + part.length > end) return false;
      at = found + part.length;
    }
    return true;
  }

  /** Whether it is `*` or means the same: every channel. */
  get isEverything(): boolean {
    return /^\*+$/.test(this.text);
  }
}

/** Several patterns as one: a channel that any of them matches. */
export class ChannelPatterns {
  readonly #exact = new Set<string>();
  readonly #patterns: ChannelPattern[] = [];
  readonly isEverything: boolean;

  constructor(texts: readonly string[]) {
    let isEverything = false;
    for (const text of texts) {
      if (!text.includes("*")) {
        this.#exact.add(text);
        continue;
      }
      const pattern = new ChannelPattern(text);
      isEverything ||= pattern.isEverything;
      this.#patterns.push(pattern);
    }
    this.isEverything = isEverything;
  }

  match(channel: string): boolean {
    if (this.isEverything || this.#exact.has(channel)) return true;
    return this.#patterns.some((pattern) => pattern.matches(channel));
  }

  /**
   * Whether all that a push names is matched: a channel's name, or a list of them that is not
   * empty. What is no name is matched by nothing.
   */
  matchInput(channel: unknown): boolean {
    if (typeof channel === "string") return this.match(channel);
    if (!Array.isArray(channel) || channel.length === 0) return false;
    // By index, as the push itself reads it: an iteration could see other names, or skip holes.
    for (let at = 0; at < channel.length; at++) {
      const name: unknown = channel[at];
      if (typeof name !== "string" || !this.match(name)) return false;
    }
    return true;
  }
}
