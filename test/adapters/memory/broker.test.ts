import { describe } from "vitest";
import { MemoryBroker } from "../../../src/adapters/memory/broker.js";
import { brokerContract } from "../../contract/broker.contract.js";

describe("a memory broker", () => {
  brokerContract({
    site: (setup) => ({ open: () => new MemoryBroker({ ...setup, memoryBytesMax: 100_000_000 }) }),
    features: {
      historySurvivesRestart: false,
      keysSurviveRestart: false,
      severalNodes: false,
      takesTheClock: true,
    },
  });
});
