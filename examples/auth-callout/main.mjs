// An application that decides for a push server who may push, connect, join and operate: plain Node.
//
//   HEXPUSH_AUTH_SECRET=wonderland node examples/auth-callout/main.mjs [PORT]
//   HEXPUSH_AUTH_URL=http://127.0.0.1:4100/ HEXPUSH_AUTH_SECRET=wonderland hexpush serve
//
// With HEXPUSH_AUTH_OPERATE=true, the server also asks it about operators.
import { createHmac, timingSafeEqual } from "node:crypto";
import { createServer } from "node:http";
import { text } from "node:stream/consumers";

const secret = process.env.HEXPUSH_AUTH_SECRET;
if (!secret) throw new Error("HEXPUSH_AUTH_SECRET is not set");

const users = new Map([["ticket-of-ann", "ann"]]);

const answers = {
  push({ headers }) {
    return { allow: headers.authorization === "Bearer demo-key", by: "demo" };
  },
  connect({ token }) {
    const user = users.get(token);
    return user === undefined ? { allow: false } : { allow: true, socket_id: user };
  },
  operate({ headers, right }) {
    return { allow: headers.authorization === "Bearer demo-operator" && right === "read" };
  },
  join({ channel, identity }) {
    if (["news", `user:${identity.socket_id}`].includes(channel)) return { allow: true };
    return { allow: false, reason: "not your channel" };
  },
};

const server = createServer(async (request, response) => {
  const body = await text(request).catch(() => "");
  if (!isSigned(body, request.headers)) return response.writeHead(403).end();
  const asked = JSON.parse(body);
  // The server may cache the decision: the same user may rejoin the channel within a minute.
  if (asked.question === "join") response.setHeader("cache-control", "max-age=60");
  response.setHeader("content-type", "application/json");
  response.end(JSON.stringify(answers[asked.question](asked)));
});

/** Whether the owner of the secret sent this body within the last five minutes. */
function isSigned(body, headers) {
  const time = headers["x-hexpush-timestamp"];
  const hex = createHmac("sha256", secret).update(`${time}.${body}`).digest("hex");
  const right = Buffer.from(`sha256=${hex}`);
  const sent = Buffer.from(String(headers["x-hexpush-signature"]));
  const isRight = sent.length === right.length && timingSafeEqual(sent, right);
  return isRight && Math.abs(Date.now() / 1000 - Number(time)) < 300;
}

server.listen(Number(process.argv[2] ?? 4100), "127.0.0.1", () => {
  console.log(`listening on http://127.0.0.1:${server.address().port}`);
});
process.once("SIGTERM", () => server.close());
