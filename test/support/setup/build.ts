import { ensure } from "../../../scripts/bootstrap.mjs";

export async function setup(): Promise<void> {
  await ensure({ build: true });
}
