import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { CLIENT_KINDS, type MakeClient, type TestClient } from "../support/phoenix-client.js";
import { Publisher } from "../support/publisher.js";
import { lastingPort, startServer, type TestServer } from "../support/server.js";
import { newChannel } from "./client-rules.js";

/** How every client lives through a restart of the server. */
export function describeRestart(
  makeClient: () => MakeClient,
  signals: readonly NodeJS.Signals[],
): void {
  describe.each(signals)("after a restart by %s", (signal) => {
    const channel = newChannel();
    const other = newChannel();
    const clients = new Map<string, TestClient>();
    const servers: TestServer[] = [];
    let exitCode: number | null;
    let publisher: Publisher;

    // One restart for all of them: a server takes a while to start.
    beforeAll(async () => {
      const before = await startServer({ port: await lastingPort() });
      servers.push(before);
      for (const kind of CLIENT_KINDS) {
        const client = await makeClient()(kind, { url: before.wsUrl });
        clients.set(kind.name, client);
        await client.connect();
        await client.join(channel);
        await client.join(other);
      }
      exitCode = await before.stop(signal);
      const after = await startServer({ port: before.port });
      servers.push(after);
      publisher = new Publisher(after.url);
    });

    afterAll(async () => {
      publisher?.close();
      for (const client of clients.values()) await client.disconnect();
      for (const server of servers) await server.kill();
    });

    it("the first server has ended well", () => {
      expect(exitCode).toBe(0);
    });

    it.each(CLIENT_KINDS)("$name has come back by itself and receives", async ({ name }) => {
      const client = clients.get(name) as TestClient;
      expect(await client.closes.next()).toBe(1012);
      expect(await client.joined(channel)).toMatchObject({ status: "ok" });
      expect(await client.joined(other)).toMatchObject({ status: "ok" });

      await publisher.push([channel, other], "e", name);

      const isLast = (message: { channel: string; data: unknown }) =>
        message.channel === other && message.data === name;
      const messages = await client.messages.takeUntil(isLast);
      // Those before it were pushed for the other clients.
      expect(messages.filter(({ data }) => data === name)).toEqual([
        { channel, event: "e", data: name },
        { channel: other, event: "e", data: name },
      ]);
    });
  });
}
