import { ensure } from "../../../scripts/bootstrap.mjs";

const ADVICE =
  "install Debian's chromium package, or set HEXPUSH_TEST_CHROMIUM to a browser's path";

export async function setup(): Promise<void> {
  const chromium = await ensure({ build: true, browser: true });
  // The tests only ask whether the variable is set, so it must not be inherited as an empty string.
  delete process.env.HEXPUSH_TEST_CHROMIUM;
  if (chromium !== undefined) {
    process.env.HEXPUSH_TEST_CHROMIUM = chromium;
    return;
  }
  if (process.env.CI === "true") throw new Error(`no Chromium for the browser tests: ${ADVICE}`);
  const line = "!".repeat(80);
  console.error(
    `${line}\n!! No Chromium found: THE BROWSER TESTS ARE SKIPPED.\n!! To run them, ${ADVICE}.\n${line}`,
  );
}
