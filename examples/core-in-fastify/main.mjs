// hexpush's core in another HTTP host. Fastify handles the requests; the core parses, authorises
// and normalises pushes; the example's own transport delivers them as server-sent events. Neither
// Koa nor uWebSockets.js is loaded.
//
//   node examples/core-in-fastify/main.mjs [PORT]
//   curl -N 'http://127.0.0.1:4004/events?channel=test'
//   curl http://127.0.0.1:4004/push -H 'authorization: Bearer demo-key' \
//     -H 'content-type: application/json' -d '{"channel":"test","data":1,"event":"woohoo"}'
import Fastify from "fastify";
import { ANONYMOUS, guardPolicy, Json, PushService, parsePushInput, pushJson } from "hexpush/core";
import { SseTransport } from "./sse-transport.mjs";

/** @import { AuthPolicy } from "hexpush/core" */

/** @type {AuthPolicy} */
const policy = {
  authorizePush: ({ headers }) => ({ allow: headers.authorization === "Bearer demo-key" }),
  authorizeConnect: () => ({ allow: true }),
  authorizeJoin: ({ channel }) => ({ allow: !channel.startsWith("private:") }),
};
// If the policy throws, `guardPolicy` denies, as in hexpush's own server.
const guarded = guardPolicy(policy, (question, error) => app.log.error({ err: error, question }));

const transport = new SseTransport();
const pushes = new PushService({ policy: guarded, transports: [transport] });
const app = Fastify();

// Keep the body as text: long numbers would lose digits if they were parsed.
app.removeContentTypeParser("application/json");
app.addContentTypeParser("application/json", { parseAs: "string" }, (_request, body, done) =>
  done(null, body),
);

app.post("/push", async (request, reply) => {
  const parsed = parsePushInput(typeof request.body === "string" ? request.body : "");
  if (!parsed.ok) return reply.code(400).send({ error: parsed.message });
  const outcome = await pushes.push({
    method: request.method,
    path: "/push",
    headers: /** @type {Record<string, string | undefined>} */ (request.headers),
    remoteAddress: request.ip,
    input: parsed.input,
  });
  if (outcome.kind === "denied") return reply.code(403).send({ error: "Access Forbidden" });
  if (outcome.kind === "invalid") return reply.code(422).send({ error: outcome.error.message });
  return reply.type("application/json; charset=utf-8").send(pushJson(outcome.push));
});

app.get("/events", async (request, reply) => {
  const query = new URL(request.url, "http://host").searchParams;
  const channels = [...new Set(query.getAll("channel"))];
  const headers = /** @type {Record<string, string | undefined>} */ (request.headers);
  const params = Object.fromEntries(query);
  const { ip: remoteAddress } = request;
  const { origin } = headers;
  const token = query.get("token") ?? undefined;
  const connect = { headers, remoteAddress, origin, params, token };
  const connected = await guarded.authorizeConnect(connect);
  if (!connected.allow) return reply.code(403).send({ error: "Access Forbidden" });
  const identity = connected.identity ?? ANONYMOUS;
  for (const channel of channels) {
    const join = await guarded.authorizeJoin({ channel, params: Json.emptyObject, identity });
    if (!join.allow) return reply.code(403).send({ error: join.reason ?? "unauthorized" });
  }
  reply.hijack();
  transport.open(reply.raw, channels, identity.socketId);
});

console.log(`listening on ${await app.listen({ port: Number(process.argv[2] ?? 4004) })}`);

process.once("SIGTERM", stop).once("SIGINT", stop);

async function stop() {
  transport.close();
  await app.close();
}
