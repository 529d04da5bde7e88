// What others have written, as entries of the catalogue in servers.mjs. README.md says how each is
// configured, and what is not alike.
import { existsSync } from "node:fs";
import { get } from "node:http";
import { fileURLToPath } from "node:url";
import { debianVersion, HOW_TO_GET, libraries, locate, NCHAN_FILES } from "./debian.mjs";
import { packageVersion } from "./machine.mjs";
import { nginxConfiguration } from "./servers/nchan.mjs";

const local = (path) => fileURLToPath(new URL(path, import.meta.url));

const NGINX = "/usr/sbin/nginx";
const NCHAN_MODULE = "/usr/lib/nginx/modules/ngx_nchan_module.so";

export const PEERS = {
  "koa-ws": {
    title: "koa + ws",
    args: [local("servers/koa-ws.mjs")],
    env: (port) => ({ PORT: String(port) }),
    versions: () => ({ koa: packageVersion("koa"), ws: packageVersion("ws") }),
  },
  "socket-io": {
    title: "koa + socket.io",
    args: [local("servers/socket-io.mjs")],
    env: (port) => ({ PORT: String(port) }),
    dialect: "socket-io",
    versions: () => ({ "socket.io": packageVersion("socket.io") }),
  },
  nchan: {
    title: "nchan (nginx)",
    dialect: "nchan",
    streamDialect: "nchan-stream",
    scratch: true,
    tidy: true,
    command: (port, directory) => {
      const file = nginxConfiguration({ port, directory, module: locate(NCHAN_MODULE) });
      return [locate(NGINX), "-p", directory, "-c", file, "-e", "stderr"];
    },
    env: libraries,
    missing: () => {
      if (!locate(NGINX) || !locate(NCHAN_MODULE)) return HOW_TO_GET;
      return existsSync(NCHAN_FILES) ? undefined : `\`mkdir -p ${NCHAN_FILES}\` as root`;
    },
    versions: () => ({
      nginx: debianVersion("nginx"),
      nchan: debianVersion("libnginx-mod-nchan"),
    }),
  },
  pushpin: {
    title: "pushpin",
    dialect: "pushpin",
    scratch: true,
    tidy: true,
    args: [local("servers/pushpin.mjs")],
    env: (port, directory, pushPort) => ({
      ...{ PORT: String(port), PUSH_PORT: String(pushPort), DIRECTORY: directory },
    }),
    pushesApart: true,
    // It accepts connections long before it can ask its backend about them.
    isUp: upgrades,
    // 10,000 deliveries a push take it most of a second, so that 64 pushes would take a minute.
    only: ["fanout-1k", "channels-1k", "post", "memory"],
    missing: () =>
      ["pushpin", "condure", "zurl"].every((name) => locate(`/usr/bin/${name}`))
        ? undefined
        : HOW_TO_GET,
    versions: () => ({ pushpin: debianVersion("pushpin") }),
  },
};

// What pushpin asks its backend while its processes still find each other may get lost.
const UPGRADE_MS = 500;

/** Whether a WebSocket opens, and in time. */
function upgrades(port) {
  return new Promise((resolve) => {
    const headers = {
      ...{ connection: "upgrade", upgrade: "websocket" },
      ...{ "sec-websocket-version": "13", "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==" },
    };
    const to = { port, host: "127.0.0.1", path: "/sub/none", headers, agent: false };
    const request = get({ ...to, signal: AbortSignal.timeout(UPGRADE_MS) });
    request.once("upgrade", (_, socket) => {
      socket.destroy();
      resolve(true);
    });
    request.once("response", () => {
      request.destroy();
      resolve(false);
    });
    request.once("error", () => resolve(false));
  });
}
