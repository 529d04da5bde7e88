// Counts the files of src/ whose code runs for a push, a join with resume and a stream, on a warm
// server: `npm run build && node scripts/count-hops.mjs`. CONTRIBUTING.md lists them.
//
// V8 counts the calls of each function between two points. A file counts if a function of it ran
// each time: what timers do in between is not part of the way.

import { once } from "node:events";
import { Agent, request } from "node:http";
import { Session } from "node:inspector/promises";
import { pathToFileURL } from "node:url";
import { WebSocket } from "ws";

const ROUNDS = 5;
const dist = new URL("../dist/", import.meta.url);

/** Files by the name of the way, sorted, for instance `src/domain/push-service.ts`. */
export async function countHops() {
  const { createHexpush, Json, TOKENS } = await import(new URL("index.js", dist));
  const hexpush = createHexpush({ port: 0, logLevel: "silent", websockets: "uws" });
  const { url } = await hexpush.start();
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const inspector = new Session();
  inspector.connect();
  await inspector.post("Profiler.enable");
  await inspector.post("Profiler.startPreciseCoverage", { callCount: true, detailed: false });
  try {
    return {
      push: await repeated(inspector, () => pushWay(url, agent)),
      join: await repeated(inspector, () => joinWay(hexpush, url)),
      stream: await repeated(inspector, () => streamWay(hexpush, { url, Json, TOKENS })),
      "stream with resume": await repeated(inspector, () =>
        streamWay(hexpush, { url, Json, TOKENS, resumes: true }),
      ),
    };
  } finally {
    await inspector.post("Profiler.stopPreciseCoverage");
    inspector.disconnect();
    agent.destroy();
    await hexpush.stop(0);
  }
}

/**
 * The files that run in every round. The first rounds, which fill caches, do not count.
 *
 * @param prepare resolves to what is counted, and what ends the round
 */
async function repeated(inspector, prepare) {
  let common;
  for (let round = -2; round < ROUNDS; round++) {
    const { run, end } = await prepare();
    await inspector.post("Profiler.takePreciseCoverage");
    await run();
    const { result } = await inspector.post("Profiler.takePreciseCoverage");
    await end();
    if (round < 0) continue;
    const files = new Set(result.filter(hasRun).map(({ url }) => sourceOf(url)));
    common = common === undefined ? files : intersection(common, files);
  }
  return [...common].sort();
}

const intersection = (a, b) => new Set([...a].filter((each) => b.has(each)));

function hasRun({ url, functions }) {
  return (
    url.startsWith(dist.href) &&
    functions.some(({ ranges }) => ranges.some(({ count }) => count > 0))
  );
}

const sourceOf = (url) => `src/${url.slice(dist.href.length).replace(/\.js$/, ".ts")}`;

/** From an HTTP request to the subscriber's frame and the answer, on the fast path. */
async function pushWay(url, agent) {
  const client = await connect(url);
  client.send('["1","1","hops","phx_join",{}]');
  await client.frame();
  return {
    async run() {
      const post = request(`${url}/api/push`, {
        method: "POST",
        agent,
        headers: { "content-type": "application/json" },
      });
      post.end('{"channel":"hops","event":"e","data":{"a":1}}');
      const [[response]] = await Promise.all([once(post, "response"), client.frame()]);
      response.resume();
      await once(response, "end");
    },
    end: () => client.close(),
  };
}

/** From the frame that asks for a join to the last message that the client missed. */
async function joinWay(hexpush, url) {
  const client = await connect(url);
  const { id } = await missed(hexpush);
  return {
    async run() {
      client.send(JSON.stringify(["1", "1", "hops", "phx_join", { last_event_id: id }]));
      for (let frames = 0; frames < 3; frames++) await client.frame();
    },
    end: () => client.close(),
  };
}

/** From the request to an event that is delivered live, without the push that it came from. */
async function streamWay(hexpush, { url, Json, TOKENS, resumes = false }) {
  const { id, newest } = await missed(hexpush);
  const subscriptions = hexpush.container.get(TOKENS.subscriptions);
  const sequence = Number(newest.slice(newest.lastIndexOf("-") + 1)) + 1;
  const next = `${newest.slice(0, newest.lastIndexOf("-"))}-${sequence}`;
  const message = { channel: "hops", event: "live", data: Json.of({ a: 1 }), id: next };
  const get = request(`${url}/push_events?channel=hops`, {
    agent: false,
    headers: { accept: "text/event-stream", ...(resumes && { "last-event-id": id }) },
  });
  return {
    async run() {
      get.end();
      const [response] = await once(get, "response");
      let text = "";
      const until = async (wanted) => {
        while (!text.includes(wanted)) text += String((await once(response, "data"))[0]);
      };
      await until(resumes ? '"data":{"missed":2}' : "event: position");
      subscriptions.deliver(message);
      await until('"event":"live"');
    },
    async end() {
      const { sockets } = hexpush.stats();
      get.destroy();
      await settled(() => hexpush.stats().sockets < sockets);
    },
  };
}

/** Two messages that a client with `id` has missed. */
async function missed(hexpush) {
  await hexpush.push("hops", "e", { missed: 0 });
  const before = await hexpush.history("hops");
  await hexpush.push("hops", "e", { missed: 1 });
  await hexpush.push("hops", "e", { missed: 2 });
  const after = await hexpush.history("hops");
  return { id: before.messages.at(-1).id, newest: after.messages.at(-1).id };
}

async function connect(url) {
  const socket = new WebSocket(`${url.replace("http", "ws")}/push_socket/websocket?vsn=2.0.0`);
  const frames = [];
  let waiting;
  socket.on("message", (data) => {
    frames.push(String(data));
    waiting?.();
  });
  await once(socket, "open");
  return {
    send: (frame) => socket.send(frame),
    async frame() {
      while (frames.length === 0) {
        await new Promise((resolve) => {
          waiting = resolve;
        });
      }
      return frames.shift();
    },
    async close() {
      socket.close();
      await once(socket, "close");
    },
  };
}

async function settled(isDone) {
  while (!isDone()) await new Promise((resolve) => setImmediate(resolve));
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  for (const [way, files] of Object.entries(await countHops())) {
    console.log(`${way}: ${files.length} files`);
    for (const file of files) console.log(`  ${file}`);
  }
}
