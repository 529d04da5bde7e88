import { type Logger, pino } from "pino";

/** Structured lines on standard output. Callers log no payload, no header and no parameter. */
export function createLog(level: string): Logger {
  return pino({ level, base: { pid: process.pid } });
}
