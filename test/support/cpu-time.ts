/** Milliseconds of CPU time that this process has used: other load on the machine adds nothing. */
export function cpuTimeMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}
