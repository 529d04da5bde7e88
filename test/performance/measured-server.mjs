// fork()ed by costs.mjs: hexpush with its defaults, in a process that tells what it has allocated
// and how often it has called uWebSockets.js. Asked by IPC, one question at a time.

import uws from "uWebSockets.js";
import { PerformanceObserver } from "node:perf_hooks";
import { createHexpush } from "../../dist/index.js";

const { COUNT_CALLS } = process.env;

let collections = 0;
const observer = new PerformanceObserver((list) => {
  collections += list.getEntries().length;
});
observer.observe({ entryTypes: ["gc"] });

/** Method's name → its calls, of apps, requests, answers and sockets together. */
const calls = {};
if (COUNT_CALLS) countCalls();

const answers = {
  /** Garbage that is there already is not to go later on. */
  async settle() {
    globalThis.gc?.();
    await told();
  },
  async begin() {
    await told();
    collections = 0;
    return allocated();
  },
  async end() {
    const after = allocated();
    await told();
    return { ...after, collections };
  },
  calls: async () => ({ ...calls }),
};

/** Resolves once the observer knows of each collection so far; Node tells it behind its turn. */
async function told() {
  for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve));
}

function allocated() {
  const { heapUsed, external } = process.memoryUsage();
  return { bytes: heapUsed + external };
}

function countCalls() {
  const makeApp = uws.App;
  uws.App = () => {
    const app = makeApp();
    const { any, post, ws } = app;
    countOn(app, app);
    for (const [name, route] of Object.entries({ any, post })) {
      app[name] = (path, handler) =>
        route.call(app, path, (response, request) => {
          countOn(Object.getPrototypeOf(response), response);
          countOn(Object.getPrototypeOf(request), request);
          handler(response, request);
        });
    }
    app.ws = (path, { upgrade, open, ...behavior }) =>
      ws.call(app, path, {
        ...behavior,
        upgrade(response, request, context) {
          countOn(Object.getPrototypeOf(response), response);
          countOn(Object.getPrototypeOf(request), request);
          upgrade(response, request, context);
        },
        open(socket) {
          countOn(Object.getPrototypeOf(socket), socket);
          open(socket);
        },
      });
    return app;
  };
}

const counted = new WeakSet();

/** Puts a counter before each native method that `sample` has, on it or on its prototype. */
function countOn(target, sample) {
  if (counted.has(target)) return;
  counted.add(target);
  for (
    let each = sample;
    each !== null && each !== Object.prototype;
    each = Object.getPrototypeOf(each)
  ) {
    for (const name of Object.getOwnPropertyNames(each)) {
      const method = sample[name];
      if (typeof method !== "function" || name === "constructor") continue;
      target[name] = function (...args) {
        calls[name] = (calls[name] ?? 0) + 1;
        return method.apply(this, args);
      };
    }
  }
}

process.on("message", async (question) => process.send((await answers[question]()) ?? null));
process.on("disconnect", () => process.exit());

const hexpush = createHexpush({ port: 0, connectRate: 0, logLevel: "error" });
const { port } = await hexpush.start();
process.send({ port });
