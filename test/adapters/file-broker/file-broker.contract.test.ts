import { rmSync } from "node:fs";
import { describe } from "vitest";
import { FileBroker } from "../../../src/adapters/file-broker/file-broker.js";
import { brokerContract } from "../../contract/broker.contract.js";
import { newDirectory } from "./directory.js";

describe("FileBroker", () => {
  brokerContract({
    features: {
      historySurvivesRestart: true,
      keysSurviveRestart: true,
      severalNodes: false,
      takesTheClock: true,
    },
    site: (setup) => {
      const directory = newDirectory();
      return {
        open: () => new FileBroker({ directory, ...setup }),
        close: () => rmSync(directory, { recursive: true, force: true }),
      };
    },
  });
});
