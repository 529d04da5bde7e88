// Pushes that go out as answers come in. A source of pushes, as `drive` takes it:
//
// - `sent`, `answered`: numbers so far; `done`: nothing will be sent or answered any more;
// - `start()`, then `advance(delivered)` whenever so many pushes have arrived at everybody;
// - `onChange`, `onFailure`: called when something was answered or failed.

const BACKLOG = 4;

/**
 * Over connections of this thread. At most `window` pushes (as many as there are connections) are
 * unanswered; it ends after `pushes` of them or `seconds`, whichever comes first. With a window of
 * one, the next push waits for all deliveries of the last too. With more, an answer lets the next
 * one go, as it does for a backend with several workers, but deliveries may lag behind by BACKLOG
 * windows at most: a benchmark is no test of buffers.
 */
export class ClosedLoop {
  sent = 0;
  answered = 0;
  onChange = () => {};
  onFailure = () => {};
  #run;
  #free;
  #limit;
  #seconds;
  #deadline = 0;
  #backlog;
  #channel;
  #channels;

  constructor(run, pushers, { pushes, seconds, channel = 0, channels = run.job.channels }) {
    this.#run = run;
    this.#free = [...pushers];
    this.#limit = pushes;
    this.#seconds = seconds;
    this.#backlog = pushers.length === 1 ? 1 : BACKLOG * pushers.length;
    this.#channel = channel;
    this.#channels = channels;
    for (const pusher of pushers) {
      pusher.onFailure = (error) => this.onFailure(error);
      pusher.onAnswer = () => {
        this.answered++;
        this.#free.push(pusher);
        this.onChange();
      };
    }
  }

  get done() {
    return this.answered === this.#limit;
  }

  start() {
    this.#deadline = performance.now() + this.#seconds * 1000;
  }

  advance(delivered) {
    if (this.sent < this.#limit && performance.now() > this.#deadline) this.#limit = this.sent;
    // A connection is free once its push is answered, so the free ones are the window.
    while (
      this.sent < this.#limit &&
      this.#free.length > 0 &&
      this.sent - delivered < this.#backlog
    ) {
      const channel = this.#channel + (this.sent % this.#channels);
      this.#free.pop().send(channel, this.#run.sequence++);
      this.sent++;
    }
  }

  /** What a source has to tell besides. */
  figures() {
    return {};
  }
}
