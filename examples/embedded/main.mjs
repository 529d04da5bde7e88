// The whole server inside your own program, with its own policy (tickets), Koa middleware, and a
// second transport that remembers what was pushed.
//
//   node examples/embedded/main.mjs [PORT]
//   curl http://127.0.0.1:4004/api/push -H 'authorization: Bearer demo-key' \
//     -H 'content-type: application/json' -d '{"channel":"news","data":1,"event":"woohoo"}'
//   curl http://127.0.0.1:4004/recent
//   curl -X DELETE http://127.0.0.1:4004/tickets/ann-1 -H 'authorization: Bearer demo-key'
import { ApiKeyPolicy, createHexpush } from "hexpush";

/** @import { AuthPolicy, Message, Transport } from "hexpush" */
/** @import { Middleware } from "koa" */

/** Tickets that clients send as their `token`: the user, and the channels that they may join. */
const tickets = new Map([
  ["ann-1", { user: "ann", channels: ["news", "user:ann"] }],
  ["bob-1", { user: "bob", channels: ["news", "user:bob"] }],
]);

const keys = new ApiKeyPolicy(["demo-key"]);

/**
 * Pushes need the API key, sockets need a ticket.
 *
 * @type {AuthPolicy}
 */
const policy = {
  authorizePush: (request) => keys.authorizePush(request),

  authorizeConnect({ token }) {
    const ticket = token === undefined ? undefined : tickets.get(token);
    if (ticket === undefined) return { allow: false };
    return { allow: true, identity: { socketId: ticket.user, claims: token } };
  },

  authorizeJoin({ channel, identity }) {
    // Look the ticket up again, because it may have been revoked in the meantime.
    const ticket = tickets.get(String(identity.claims));
    if (ticket?.channels.includes(channel)) return { allow: true };
    return { allow: false, reason: "not on your ticket" };
  },
};

/**
 * A transport need not have sockets: this one keeps the newest messages.
 *
 * @implements {Transport}
 */
class RecentMessages {
  /** @type {Message[]} */
  messages = [];

  /** @param {Message} message */
  deliver(message) {
    this.messages.push(message);
    if (this.messages.length > 100) this.messages.shift();
    return 0;
  }

  subscribers() {
    return 0;
  }

  counts() {
    return { sockets: 0, subscriptions: 0 };
  }

  closeSockets() {
    return 0;
  }
}

const recent = new RecentMessages();

/** @type {Middleware} */
const routes = (ctx, next) => {
  ctx.set("x-served-by", "embedded");
  if (ctx.method === "GET" && ctx.path === "/recent") {
    ctx.body = recent.messages.map(({ channel, event }) => ({ channel, event }));
    return;
  }
  if (ctx.method !== "DELETE" || !ctx.path.startsWith("/tickets/")) return next();
  if (ctx.get("authorization") !== "Bearer demo-key") ctx.throw(403);
  const name = ctx.path.slice("/tickets/".length);
  const ticket = tickets.get(name);
  if (ticket === undefined) return ctx.throw(404);
  tickets.delete(name);
  // Closes all sockets of this user. They may reconnect with another ticket, if there is one.
  ctx.body = { closed: hexpush.closeSockets(ticket.user) };
};

const hexpush = createHexpush({
  port: Number(process.argv[2] ?? 4004),
  logLevel: "warn",
  policy,
  middleware: [routes],
  transports: [recent],
});

const { url } = await hexpush.start();
console.log(`listening on ${url}`);

process.once("SIGTERM", stop).once("SIGINT", stop);

async function stop() {
  await hexpush.stop();
}
