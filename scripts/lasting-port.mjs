import { randomInt } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:net";

/**
 * A free port of loopback outside the range from which the system serves outgoing connections. One
 * of those could take the port of a server that is away, or be connected to itself.
 *
 * @returns {Promise<number>}
 */
export async function lastingPort() {
  for (;;) {
    const port = 10_000 + randomInt(20_000);
    const probe = createServer();
    const free = await new Promise((resolve) => {
      probe.once("error", () => resolve(false));
      probe.listen(port, "127.0.0.1", () => resolve(true));
    });
    if (!free) continue;
    probe.close();
    await once(probe, "close");
    return port;
  }
}
