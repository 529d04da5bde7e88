/** Milliseconds of one clock for all threads of the process: `performance.now()` has one for each. */
export function clockMs() {
  const [seconds, nanoseconds] = process.hrtime();
  return seconds * 1000 + nanoseconds / 1e6;
}
