import fc from "fast-check";

const { HEXPUSH_TEST_SEED, HEXPUSH_TEST_RUNS } = process.env;

// Without a seed fast-check draws one; either way a failure prints it.
fc.configureGlobal({
  ...fc.readConfigureGlobal(),
  ...(HEXPUSH_TEST_SEED ? { seed: integer("HEXPUSH_TEST_SEED", HEXPUSH_TEST_SEED) } : {}),
  ...(HEXPUSH_TEST_RUNS ? { numRuns: integer("HEXPUSH_TEST_RUNS", HEXPUSH_TEST_RUNS) } : {}),
});

function integer(name: string, value: string): number {
  const number = Number(value);
  if (!Number.isSafeInteger(number)) throw new Error(`${name} must be an integer, not "${value}"`);
  return number;
}
