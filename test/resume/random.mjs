/** Numbers from a seed (mulberry32): the same seed draws the same ones. */
export class Random {
  #state;

  constructor(seed) {
    this.#state = seed >>> 0;
  }

  /** From 0 up to 1. */
  next() {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = this.#state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  /** A whole number, both ends included. */
  between(min, max) {
    return min + Math.floor(this.next() * (max - min + 1));
  }

  chance(probability) {
    return this.next() < probability;
  }

  pick(list) {
    return list[this.between(0, list.length - 1)];
  }

  /** `count` different ones, or all. */
  sample(list, count) {
    const rest = [...list];
    const picked = [];
    while (picked.length < count && rest.length > 0) {
      picked.push(...rest.splice(this.between(0, rest.length - 1), 1));
    }
    return picked;
  }

  /** How long until something happens that happens once in `mean` on average, at any time alike. */
  until(mean) {
    return -Math.log(1 - this.next()) * mean;
  }

  /** Draws of its own, so that what happens elsewhere doesn't change them. */
  fork() {
    return new Random(this.between(0, 2 ** 32 - 1));
  }
}
