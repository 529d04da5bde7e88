import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    setupFiles: ["test/support/seed.ts"],
    // Processes, not threads: uWebSockets.js aborts a process in which a thread with an open app ends.
    pool: "forks",
    // The tests start servers and browsers, and measure time: more workers than cores make them lie.
    maxWorkers: 2,
    testTimeout: 20_000,
    hookTimeout: 60_000,
  },
});
