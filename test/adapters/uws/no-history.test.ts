import { afterEach, describe, expect, it } from "vitest";
import { BrokerUnavailable, type History } from "../../../src/domain/broker.js";
import { Json } from "../../../src/domain/json.js";
import { within } from "../../support/inbox.js";
import {
  LIBRARIES,
  type PhoenixOptions,
  type PhoenixServer,
  startPhoenix as startOne,
} from "../../support/phoenix-server.js";
import { RawClient } from "../../support/raw-client.js";

let server: PhoenixServer | undefined;

afterEach(() => server?.server.stop(0));

const interest = { subscribe: () => {}, unsubscribe: () => {} };

const gone = (): never => {
  throw new BrokerUnavailable("the disk does not answer");
};

describe.each(LIBRARIES)("on %s", (library) => {
  const startPhoenix = (given: PhoenixOptions = {}) => startOne({ ...given, library });

  describe("a history that cannot be read", () => {
    it("refuses the join, says so in the log, and leaves the socket alone", async () => {
      server = await startPhoenix({ broker: { ...interest, position: gone, history: gone } });
      const client = await RawClient.connect(server.wsUrl, "2.0.0");
      await expect(client.join("a")).rejects.toThrow("the history is not available");
      const ref = client.send("a", "phx_join", { last_event_id: "e-1" });
      const reply = await client.frames.next((frame) => frame.ref === ref);
      expect(reply.payload).toMatchObject({ status: "error" });
      await client.roundTrip();
      expect(server.logged).toEqual([
        "join denied: the history is not available",
        "join denied: the history is not available",
      ]);
    });

    it("ends the socket of whom it was promised to, so that its client comes back", async () => {
      let isGone = false;
      const kept: History = { position: "e-1", recovered: true, messages: [] };
      const history = (_channel: string, { limit }: { limit?: number | undefined }) =>
        limit === 0 || !isGone ? kept : gone();
      server = await startPhoenix({
        broker: { ...interest, position: () => "e-1", history },
      });
      const client = await RawClient.connect(server.wsUrl, "2.0.0");
      isGone = true;
      client.send("a", "phx_join", { last_event_id: "e-0" });
      expect(await within(client.closed, "the close")).toEqual({
        code: 1013,
        reason: "the history is not available",
      });
      server.transport.deliver({ channel: "a", event: "e", data: Json.null });
      expect(server.transport.subscribers("a")).toBe(0);
    });
  });
});
