// The push route as people write it with Koa and koa-bodyparser, for the peers on node:http.
import Koa from "koa";
import bodyParser from "koa-bodyparser";

const isName = (value) => typeof value === "string" && value !== "";

/** `publish` is called once for each channel with what goes to its subscribers. */
export function pushApp(publish) {
  const app = new Koa();
  app.use(bodyParser());
  app.use((ctx) => {
    if (ctx.method !== "POST" || ctx.path !== "/api/push") return;
    const { channel, data, event } = ctx.request.body;
    const names = [...new Set(Array.isArray(channel) ? channel : [channel])];
    if (names.length === 0 || !names.every(isName) || !isName(event) || data === undefined) {
      ctx.status = 422;
      ctx.body = { error: "a push needs channel, event and data" };
      return;
    }
    for (const name of names) publish(name, { data, event });
    ctx.body = { channel: names, data, event };
  });
  return app;
}
