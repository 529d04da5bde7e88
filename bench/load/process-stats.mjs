// What the operating system says about a server: CPU time and resident memory, children included.
import { readdirSync, readFileSync } from "node:fs";

/** CPU time in nanoseconds, over all threads: /proc/PID/schedstat itself tells of only one. */
export function cpuNanoseconds(pid) {
  let total = 0;
  for (const one of family(pid)) {
    for (const thread of readdirSync(`/proc/${one}/task`)) {
      total += threadNanoseconds(`/proc/${one}/task/${thread}`);
    }
  }
  return total;
}

/**
 * For how many nanoseconds a main thread was ready to run, but others had its CPU (other processes
 * of the same server too); 0 if the kernel does not report it.
 */
export function waitedNanoseconds(pid) {
  let total = 0;
  for (const one of family(pid)) {
    try {
      total += Number(readFileSync(`/proc/${one}/schedstat`, "utf8").split(" ")[1]);
    } catch {
      // A kernel without schedstat.
    }
  }
  return total;
}

export function residentBytes(pid) {
  let total = 0;
  for (const one of family(pid)) {
    const match = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${one}/status`, "utf8"));
    if (match) total += Number(match[1]) * 1024;
  }
  return total;
}

function threadNanoseconds(directory) {
  try {
    return Number(readFileSync(`${directory}/schedstat`, "utf8").split(" ")[0]);
  } catch {
    // A kernel without schedstat: user and system time in ticks of 10 ms, the 14th and 15th field.
    // The second field is a name in brackets that may hold blanks, so count from behind it.
    const fields = readFileSync(`${directory}/stat`, "utf8").split(") ").at(-1).split(" ");
    return (Number(fields[11]) + Number(fields[12])) * 10_000_000;
  }
}

/** A process, its children, and theirs. */
export function family(pid) {
  const all = [pid];
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    let children = "";
    try {
      children = readFileSync(`/proc/${pid}/task/${thread}/children`, "utf8");
    } catch {
      // Not every kernel lists children; then a server is its one process.
    }
    for (const child of children.split(" ")) {
      if (child) all.push(...family(Number(child)));
    }
  }
  return all;
}
