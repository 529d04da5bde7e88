//   npx vitest run --root examples/testing
import { defineConfig } from "vitest/config";

// Processes, not threads: uWebSockets.js ends a process in which a thread with an open server ends.
export default defineConfig({ test: { include: ["*.test.mjs"], pool: "forks" } });
