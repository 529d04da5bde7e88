import { ConfigError } from "../config/config.js";

/** No door is left open by accident: everyone may push only where nobody but this machine can. */
export function openToOthers(host: string): ConfigError {
  return new ConfigError(
    `refusing to listen on ${host} with a push endpoint that is open to everyone: ` +
      "set HEXPUSH_API_KEYS, or HEXPUSH_HOST=127.0.0.1 for development",
  );
}

/** Whether only this machine reaches the address. Of names only localhost is known to be so. */
export function isLoopback(host: string): boolean {
  return /^(?:127(?:\.\d{1,3}){3}|::1|::ffff:127(?:\.\d{1,3}){3}|localhost)$/i.test(host);
}
