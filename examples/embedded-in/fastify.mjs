// hexpush in a Fastify application: `node examples/embedded-in/fastify.mjs [PORT]`.

import fastify from "fastify";
import { createHexpush } from "hexpush";
import { run } from "./run.mjs";

const hexpush = createHexpush({ apiKeys: ["demo-key"] });
const handle = hexpush.callback();
const app = fastify({ forceCloseConnections: true });

app.get("/", async () => "hello");

// A scope of its own, because hexpush reads the bodies itself.
app.register((scope, _options, done) => {
  scope.removeAllContentTypeParsers();
  scope.addContentTypeParser("*", (_request, _body, done) => done(null));
  for (const url of ["/api/*", "/push_events"]) {
    scope.all(url, (request, reply) => {
      // From now on hexpush writes the response.
      reply.hijack();
      handle(request.raw, reply.raw);
    });
  }
  done();
});
hexpush.attach(app.server);

await hexpush.open();
await app.ready();
run(app.server, hexpush);
