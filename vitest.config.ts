import { defineConfig } from "vitest/config";
import { TIERS, tiersOf } from "./test/support/tiers.js";

const tiers = tiersOf(import.meta.dirname);

export default defineConfig({
  test: {
    setupFiles: ["test/support/seed.ts"],
    // Processes, not threads: uWebSockets.js aborts a process in which a thread with an open app ends.
    pool: "forks",
    // The tests start servers and browsers, and measure time: more workers than cores make them lie.
    maxWorkers: 2,
    // Both only end a test that hangs; a loaded machine may take long for one that does not.
    testTimeout: 60_000,
    hookTimeout: 120_000,
    projects: TIERS.map((name, groupOrder) => ({
      extends: true,
      test: {
        name,
        include: [...tiers].filter(([, tier]) => tier === name).map(([path]) => path),
        // One tier after the other, so that the cheap ones tell first.
        sequence: { groupOrder },
        // vitest runs a project's setup only if one of its tests is selected.
        ...(name === "built" && { globalSetup: "test/support/setup/build.ts" }),
        ...(name === "browser" && { globalSetup: "test/support/setup/browser.ts" }),
      },
    })),
  },
});
