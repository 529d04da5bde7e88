// What was accepted, what each client received of it, and what is wrong with that.

/** One client's books. Its sockets and streams report to it, and it judges each message at once. */
export class ClientRecord {
  /** Connections, also those that were refused or broke before they were open. */
  connects = 0;
  breaks = 0;
  /** Answered with an error in place of a stream. */
  refused = 0;
  /** Joins, and streams, that were answered with all that was missed. */
  resumes = 0;
  /** Those that were told that something is gone for good (`recovered: false`, `gap`). */
  gaps = 0;
  received = 0;
  duplicated = 0;
  /** Came behind a message that was accepted later. */
  reordered = 0;
  #received = new Map();

  constructor(kind, channels) {
    this.kind = kind;
    this.channels = channels;
    for (const channel of channels) this.#received.set(channel, { numbers: new Set(), newest: 0 });
  }

  message(channel, data) {
    const received = this.#received.get(channel);
    const number = data.numbers[channel];
    if (received === undefined || !Number.isInteger(number)) {
      throw new Error(`a ${this.kind} client got what is none of its messages`);
    }
    if (received.numbers.has(number)) {
      this.duplicated++;
      return;
    }
    received.numbers.add(number);
    this.received++;
    if (number > received.newest) received.newest = number;
    else this.reordered++;
  }

  /** The number of the newest message that it has of the channel. */
  newest(channel) {
    return this.#received.get(channel).newest;
  }

  missing(accepted) {
    let missing = 0;
    for (const [channel, { numbers }] of this.#received) {
      missing += accepted.get(channel) - numbers.size;
    }
    return missing;
  }
}

/**
 * The messages of each channel are numbered from 1 in the order in which they are accepted. Every
 * client has joined all of its channels before the first one, so it must receive each of them.
 */
export class Ledger {
  /** By channel, the number of the newest message that was answered with 200. */
  accepted = new Map();
  records = [];
  #byChannel = new Map();

  constructor(channels) {
    for (const channel of channels) {
      this.accepted.set(channel, 0);
      this.#byChannel.set(channel, []);
    }
  }

  open(kind, channels) {
    const record = new ClientRecord(kind, channels);
    this.records.push(record);
    for (const channel of channels) this.#byChannel.get(channel).push(record);
    return record;
  }

  /** How many messages the client that is farthest behind on the channel is behind. */
  lag(channel) {
    let least = this.accepted.get(channel);
    for (const record of this.#byChannel.get(channel)) {
      least = Math.min(least, record.newest(channel));
    }
    return this.accepted.get(channel) - least;
  }

  /** Whether every client has the newest message of each of its channels. */
  get isUpToDate() {
    return [...this.accepted.keys()].every((channel) => this.lag(channel) === 0);
  }

  get messages() {
    let messages = 0;
    for (const count of this.accepted.values()) messages += count;
    return messages;
  }

  get received() {
    return this.#sum((record) => record.received);
  }

  /** What is accepted and was not received: on its way, or lost where nothing comes any more. */
  get missing() {
    return this.#sum((record) => record.missing(this.accepted));
  }

  get duplicated() {
    return this.#sum(({ duplicated }) => duplicated);
  }

  get reordered() {
    return this.#sum(({ reordered }) => reordered);
  }

  get resumes() {
    return this.#sum(({ resumes }) => resumes);
  }

  get gaps() {
    return this.#sum(({ gaps }) => gaps);
  }

  get refused() {
    return this.#sum(({ refused }) => refused);
  }

  #sum(figure) {
    return this.records.reduce((sum, record) => sum + figure(record), 0);
  }
}
