// hexpush in a Koa application: `node examples/embedded-in/koa.mjs [PORT]`.

import { createServer } from "node:http";
import { createHexpush } from "hexpush";
import Koa from "koa";
import { run } from "./run.mjs";

const hexpush = createHexpush({ apiKeys: ["demo-key"] });
const handle = hexpush.callback();
const app = new Koa();

// Before any body parser: hexpush reads the bodies itself.
app.use((ctx, next) => {
  if (!/^\/(?:api\/|push_events$)/.test(ctx.path)) return next();
  // From now on hexpush writes the response.
  ctx.respond = false;
  handle(ctx.req, ctx.res);
});
app.use((ctx) => {
  ctx.body = "hello";
});

const server = createServer(app.callback());
hexpush.attach(server);

await hexpush.open();
run(server, hexpush);
