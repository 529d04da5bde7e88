import { expect, it } from "vitest";
import { FakeClock } from "../../src/testing.js";

it("shows the present second first, and stands still", () => {
  const before = Math.floor(Date.now() / 1000);
  const clock = new FakeClock();
  expect(clock.now()).toBeGreaterThanOrEqual(before);
  expect(clock.now()).toBeLessThanOrEqual(Date.now() / 1000);
  expect(Number.isInteger(clock.now())).toBe(true);
});

it("goes forwards by advance and anywhere by set", () => {
  const clock = new FakeClock(1000);
  clock.advance(0.5);
  clock.advance(0);
  expect(clock.now()).toBe(1000.5);
  clock.set(10);
  expect(clock.now()).toBe(10);
});

it("can be handed on as a function", () => {
  const clock = new FakeClock(1);
  const { now } = clock;
  clock.advance(1);
  expect(now()).toBe(2);
});

it.each([-1, Number.NaN, Number.POSITIVE_INFINITY])("does not advance by %d", (seconds) => {
  const clock = new FakeClock(1);
  expect(() => clock.advance(seconds)).toThrow(RangeError);
  expect(clock.now()).toBe(1);
});

it("shows no time that is none", () => {
  expect(() => new FakeClock(Number.NaN)).toThrow(RangeError);
  expect(() => new FakeClock().set(Number.POSITIVE_INFINITY)).toThrow(RangeError);
});
