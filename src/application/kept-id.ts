/** Of so many characters of ASCII are the ids that pushes are given; others are kept as they are. */
const LENGTH = 20;

/**
 * Holds one id after the other, without its text: a string for each of 10,000 pushes would live
 * long enough for the garbage collector to move it twice, which costs more than to take it apart.
 */
export class KeptId {
  /** Four characters each, of 7 bits. */
  #one = 0;
  #two = 0;
  #three = 0;
  #four = 0;
  #five = 0;
  /** In place of those, an id of another length or alphabet. */
  #other: string | undefined = "";

  /** @param id the first one that it holds. @defaultValue "" */
  constructor(id = "") {
    this.set(id);
  }

  set(id: string): void {
    if (id.length === LENGTH) {
      this.#one = packed(id, 0);
      this.#two = packed(id, 4);
      this.#three = packed(id, 8);
      this.#four = packed(id, 12);
      this.#five = packed(id, 16);
      this.#other = undefined;
      const isAscii = (this.#one | this.#two | this.#three | this.#four | this.#five) >= 0;
      if (isAscii) return;
    }
    this.#other = id;
    this.#one = NOT_ASCII;
    this.#two = NOT_ASCII;
    this.#three = NOT_ASCII;
    this.#four = NOT_ASCII;
    this.#five = NOT_ASCII;
  }

  equals(that: KeptId): boolean {
    return (
      this.#five === that.#five &&
      this.#one === that.#one &&
      this.#two === that.#two &&
      this.#three === that.#three &&
      this.#four === that.#four &&
      this.#other === that.#other
    );
  }
}

const NOT_ASCII = -1;

/** Four characters as 28 bits; negative where one of them is not ASCII. */
function packed(id: string, at: number): number {
  const one = id.charCodeAt(at);
  const two = id.charCodeAt(at + 1);
  const three = id.charCodeAt(at + 2);
  const four = id.charCodeAt(at + 3);
  if ((one | two | three | four) > 0x7f) return NOT_ASCII;
  return one | (two << 7) | (three << 14) | (four << 21);
}
