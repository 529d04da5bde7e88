import { CommandError } from "../usage-error.js";
import type { BenchPlan } from "./plan.js";

/** What the process itself needs beside its connections. */
const RESERVE = 40;

/** @throws {CommandError} where the sockets asked for are more than this process may open. */
export function checkOpenFiles({ subscribers, inFlight }: BenchPlan): void {
  const limit = openFileLimit();
  const needed = subscribers + inFlight + RESERVE;
  if (needed <= limit) return;
  throw new CommandError(
    `this process may open ${limit} files, and ${subscribers} sockets need ${needed}: ` +
      `raise the limit (ulimit -n ${needed}), or ask for fewer --subscribers`,
  );
}

/** @returns Infinity where the system knows no such limit. */
function openFileLimit(): number {
  const { report } = process;
  // It would look up the names of all network interfaces.
  (report as { excludeNetwork?: boolean }).excludeNetwork = true;
  const { userLimits } = report.getReport() as {
    userLimits?: { open_files?: { soft?: number | string } };
  };
  const soft = userLimits?.open_files?.soft;
  return typeof soft === "number" ? soft : Number.POSITIVE_INFINITY;
}
