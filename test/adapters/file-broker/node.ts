import { onTestFinished } from "vitest";
import {
  FileBroker,
  type FileBrokerOptions,
} from "../../../src/adapters/file-broker/file-broker.js";
import { Station } from "../../contract/broker-station.js";

/** A started broker over the directory; stops with the test. */
export async function startNode(
  directory: string,
  options: Partial<FileBrokerOptions> = {},
): Promise<Station> {
  const broker = new FileBroker({
    directory,
    historyLimits: () => ({ size: 100, ttl: 60 }),
    idempotencyKeysMax: 100,
    now: Date.now,
    ...options,
  });
  const node = await Station.start(broker);
  onTestFinished(() => broker.stop());
  return node;
}
