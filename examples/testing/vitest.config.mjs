//   npx vitest run --root examples/testing
import { defineConfig } from "vitest/config";

// Use processes, not threads: uWebSockets.js aborts the process if a thread ends with an open server.
export default defineConfig({ test: { include: ["*.test.mjs"], pool: "forks" } });
