import Router from "@koa/router";
import Koa from "koa";
import { afterEach, describe, expect, it } from "vitest";
import { eventsRoute } from "../../../src/adapters/koa/events-route.js";
import { normalizePath } from "../../../src/adapters/koa/path.js";
import { requestId } from "../../../src/adapters/koa/request-id.js";
import { randomIds } from "../../../src/adapters/node/random-ids.js";
import { within } from "../../support/inbox.js";
import { SseClient } from "../../support/sse-client.js";
import { publish, startWithBroker } from "../../support/sse-server.js";
import { type Handler, SERVERS } from "../uws/http-servers.js";

let running: { stop(): Promise<void> }[] = [];

afterEach(async () => {
  await Promise.all(running.map((server) => server.stop()));
  running = [];
});

describe.each(SERVERS)("GET /push_events of a Koa app on %s", (_name, serve) => {
  async function start() {
    const app = new Koa();
    const router = new Router();
    let open: Handler = () => {};
    eventsRoute(router, (request, response) => open(request, response));
    router.post("/publish", (ctx) => {
      publish(server.broker, "a", 1);
      ctx.body = "published";
    });
    app.use(requestId(randomIds())).use(normalizePath).use(router.routes());
    const answer = app.callback();
    const server = await startWithBroker({
      serve: (handler) => {
        open = handler;
        return serve((request, response) => void answer(request, response));
      },
    });
    running.push(server);
    return server;
  }

  it("hands the whole answer over", async () => {
    const { connect, broker } = await start();
    const client = await connect("/push_events?channel=a");
    expect([client.status, client.headers["content-type"]]).toEqual([
      200,
      "text/event-stream; charset=utf-8",
    ]);
    expect(client.headers["x-request-id"]).toHaveLength(20);
    publish(broker, "a", { x: 1 });
    expect(await client.message()).toMatchObject({ channel: "a", data: { x: 1 } });
  });

  it("delivers what another request publishes in its own turn, and answers that one", async () => {
    const { connect, port } = await start();
    const clients = await Promise.all(
      Array.from({ length: 20 }, () => connect("/push_events?channel=a")),
    );
    const poster = await SseClient.connect(port, "/publish", { method: "POST" });
    expect(poster.status).toBe(200);
    for (const client of clients) expect((await client.message()).data).toBe(1);
  });

  it("answers HEAD, OPTIONS and faults", async () => {
    const { port } = await start();
    const ask = async (method: string, path: string) => {
      const client = await SseClient.connect(port, path, {
        method,
        headers: { origin: "http://a" },
      });
      await within(client.closed, "the end");
      return client.status;
    };
    expect(await ask("HEAD", "/push_events?channel=a")).toBe(200);
    expect(await ask("OPTIONS", "/push_events")).toBe(204);
    expect(await ask("GET", "/push_events")).toBe(422);
  });
});
