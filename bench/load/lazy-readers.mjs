// Sockets that are read only every so often, whatever has come meanwhile: a read costs as much for
// ten frames as for one, and a latency is taken from the others.

export class LazyReaders {
  #sockets;
  #every;
  #at = 0;
  #last = 0;

  constructor(sockets, everyMs) {
    this.#sockets = sockets;
    this.#every = everyMs;
    for (const socket of sockets) socket.lazy = true;
  }

  /** Lets so many sockets read once that each has its turn in time. */
  turn() {
    const now = performance.now();
    const share = Math.min(1, (now - this.#last) / this.#every);
    this.#last = now;
    for (let n = Math.ceil(share * this.#sockets.length); n > 0; n--) {
      this.#sockets[this.#at].resume();
      this.#at = (this.#at + 1) % this.#sockets.length;
    }
  }

  /** From now on they read whatever comes. */
  end() {
    for (const socket of this.#sockets) {
      socket.lazy = false;
      socket.resume();
    }
  }
}
