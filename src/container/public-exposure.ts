import { ConfigError } from "../config/config.js";

/** Everyone may push only if the server listens on loopback, so that it is never exposed by accident. */
export function publiclyOpenError(host: string): ConfigError {
  return new ConfigError(
    `refusing to listen on ${host} with a push endpoint that is open to everyone: ` +
      "set HEXPUSH_API_KEYS, or HEXPUSH_HOST=127.0.0.1 for development",
  );
}

/** Whether only this machine can reach the address. Host names other than localhost count as public. */
export function isLoopback(host: string): boolean {
  return /^(?:127(?:\.\d{1,3}){3}|::1|::ffff:127(?:\.\d{1,3}){3}|localhost)$/i.test(host);
}
