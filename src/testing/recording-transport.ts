import {
  type MemorySocket,
  type MemorySocketOptions,
  MemoryTransport,
  type Message,
} from "../index.js";

/** One push on one channel, as it was delivered. */
export interface RecordedMessage {
  readonly channel: string;
  readonly event: string;
  /** The value from `JSON.parse`; numbers beyond 2^53 lose digits. */
  readonly data: unknown;
  /** The exact JSON text of `data`. */
  readonly text: string;
}

/** A fake socket that records its messages. */
export interface RecordingSocket extends MemorySocket {
  readonly messages: readonly RecordedMessage[];
}

export interface NextOptions {
  /** How long to wait, in milliseconds. @defaultValue 1000 */
  readonly timeoutMs?: number;
}

interface Waiting {
  /** Takes the message if it matches. */
  readonly offer: (message: RecordedMessage) => boolean;
}

/** How many messages an error shows, and how much of each one's data. */
const SHOWN_MAX = 20;
const SHOWN_TEXT_MAX = 200;

/**
 * Records every delivered message, even if nobody has joined its channel. Add it to the `transports`
 * of a server; `startTestServer` does.
 */
export class RecordingTransport extends MemoryTransport {
  #messages: RecordedMessage[] = [];
  #untaken: RecordedMessage[] = [];
  readonly #waiting = new Set<Waiting>();

  /** All messages since the start or the last `clear`, in order; also those that `next` took. */
  get messages(): readonly RecordedMessage[] {
    return [...this.#messages];
  }

  override connect(options: Partial<MemorySocketOptions> = {}): RecordingSocket {
    const messages: RecordedMessage[] = [];
    const socket = super.connect({
      ...options,
      onMessage(message) {
        messages.push(recorded(message));
        options.onMessage?.(message);
      },
    });
    return { ...socket, messages };
  }

  override deliver(message: Message): number {
    const record = recorded(message);
    this.#messages.push(record);
    if (![...this.#waiting].some(({ offer }) => offer(record))) this.#untaken.push(record);
    return super.deliver(message);
  }

  /**
   * Takes the first message that matches and was not taken yet; waits if there is none. Several
   * waiting calls are served in their order.
   *
   * @throws {Error} on a timeout; its message lists the messages that arrived.
   */
  async next(
    matches: (message: RecordedMessage) => boolean = () => true,
    { timeoutMs = 1000 }: NextOptions = {},
  ): Promise<RecordedMessage> {
    const at = this.#untaken.findIndex(matches);
    const [found] = at === -1 ? [] : this.#untaken.splice(at, 1);
    if (found !== undefined) return found;
    return new Promise((resolve, reject) => {
      const settle = () => {
        clearTimeout(timer);
        this.#waiting.delete(waiting);
      };
      const waiting: Waiting = {
        offer(message) {
          try {
            if (!matches(message)) return false;
            settle();
            resolve(message);
            return true;
          } catch (error) {
            // The matcher is the test's own, so the test gets the error, and not the pusher.
            settle();
            reject(error);
            return false;
          }
        },
      };
      const timer = setTimeout(() => {
        settle();
        reject(new Error(`no message that matches for ${timeoutMs} ms; ${this.#arrived()}`));
      }, timeoutMs);
      this.#waiting.add(waiting);
    });
  }

  /** Forgets all messages. Waiting `next` calls and sockets are not affected. */
  clear(): void {
    this.#messages = [];
    this.#untaken = [];
  }

  #arrived(): string {
    const count = this.#messages.length;
    if (count === 0) return "none arrived";
    const untaken = new Set(this.#untaken);
    const lines = this.#messages.slice(-SHOWN_MAX).map((message) => {
      const { channel, event, text } = message;
      const data = text.length > SHOWN_TEXT_MAX ? `${text.slice(0, SHOWN_TEXT_MAX)}…` : text;
      return `  ${channel} ${event} ${data}${untaken.has(message) ? "" : " (taken)"}`;
    });
    const which = count > SHOWN_MAX ? `, the last ${SHOWN_MAX} of them` : "";
    return `${count} arrived${which}:\n${lines.join("\n")}`;
  }
}

function recorded({ channel, event, data }: Message): RecordedMessage {
  return { channel, event, data: data.value(), text: data.text };
}
