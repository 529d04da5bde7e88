import { CommandError } from "../usage-error.js";
import type { BenchPlan } from "./plan.js";

/** Open files of the process itself, besides its connections. */
const RESERVE = 40;

/** @throws {CommandError} if the plan needs more sockets than this process may open. */
export function checkOpenFiles({ subscribers, inFlight }: BenchPlan): void {
  const limit = openFileLimit();
  const needed = subscribers + inFlight + RESERVE;
  if (needed <= limit) return;
  throw new CommandError(
    `this process may open ${limit} files, and ${subscribers} sockets need ${needed}: ` +
      `raise the limit (ulimit -n ${needed}), or use fewer --subscribers`,
  );
}

/** @returns Infinity if the system has no such limit. */
function openFileLimit(): number {
  const { report } = process;
  // Otherwise the report looks up the names of all network interfaces.
  (report as { excludeNetwork?: boolean }).excludeNetwork = true;
  const { userLimits } = report.getReport() as {
    userLimits?: { open_files?: { soft?: number | string } };
  };
  const soft = userLimits?.open_files?.soft;
  return typeof soft === "number" ? soft : Number.POSITIVE_INFINITY;
}
