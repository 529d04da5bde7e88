// hexpush on a server of your own: `node examples/embedded-in/http-server.mjs [PORT]`.

import { createServer } from "node:http";
import { createHexpush } from "hexpush";
import { run } from "./run.mjs";

const hexpush = createHexpush({ apiKeys: ["demo-key"] });
const handle = hexpush.callback();

const server = createServer((request, response) => {
  if (/^\/(?:api|push_events)(?:[/?]|$)/.test(request.url)) handle(request, response);
  else response.end("hello");
});
hexpush.attach(server);

await hexpush.open();
run(server, hexpush);
