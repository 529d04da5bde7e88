import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Used, UseOrder } from "../../../src/adapters/memory/use-order.js";

class Item implements Used<Item> {
  older: Item | undefined = undefined;
  newer: Item | undefined = undefined;
  constructor(readonly name: number) {}
}

describe("an order of use", () => {
  it("is that of the last uses", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(5), fc.boolean())), (steps) => {
        const items = Array.from({ length: 6 }, (_, name) => new Item(name));
        const order = new UseOrder<Item>();
        let list: Item[] = [];
        for (const [at, isUse] of steps) {
          const item = items[at] as Item;
          list = list.filter((each) => each !== item);
          if (isUse) list.push(item);
          if (isUse) order.use(item);
          else order.remove(item);
          expect(order.oldest?.name).toBe(list[0]?.name);
        }
        for (const item of list) {
          expect(order.oldest).toBe(item);
          order.remove(item);
        }
        expect(order.oldest).toBeUndefined();
      }),
    );
  });
});
