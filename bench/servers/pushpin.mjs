// pushpin, and the one thing that it can't be without: a backend that tells it which channel a
// socket is for. Here that is this very process. It is asked when a socket opens or closes, never
// for a push.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { dirname, join } from "node:path";
import { libraries, locate } from "../debian.mjs";

const { PORT, PUSH_PORT, DIRECTORY } = process.env;

/** WebSocket-over-HTTP: takes the socket in, subscribes it to the path's last part, and says so. */
const origin = createServer((request, response) => {
  let events = "";
  request.setEncoding("utf8");
  request.on("data", (text) => {
    events += text;
  });
  request.on("end", () => {
    const channel = request.url.split("/").at(-1);
    const subscribe = `c:${JSON.stringify({ type: "subscribe", channel })}`;
    const answer = ["OPEN\r\n", textEvent(subscribe), textEvent("joined")].join("");
    response.writeHead(200, {
      "content-type": "application/websocket-events",
      "sec-websocket-extensions": 'grip; message-prefix=""',
    });
    response.end(events.startsWith("OPEN\r\n") ? answer : "");
  });
});

const textEvent = (text) => `TEXT ${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`;

origin.listen(0, "127.0.0.1");
await once(origin, "listening");

// Unless told otherwise it delivers 2,500 messages a second at most, and drops what waits beyond
// 25,000: a socket's message is one.
const at = (name) => join(DIRECTORY, name);
const internal = locate("/usr/lib/pushpin/internal.conf");
for (const folder of ["run", "log"]) mkdirSync(at(folder));
// Debian's file expects zurl as a service of the system; here pushpin starts its own.
writeFileSync(
  at("internal.conf"),
  readFileSync(internal, "utf8").replaceAll("/var/run/zurl/zurl-", "{rundir}/{ipc_prefix}zurl-"),
);
writeFileSync(at("routes"), `* 127.0.0.1:${origin.address().port},over_http\n`);
writeFileSync(
  at("pushpin.conf"),
  `[global]
include=${at("internal.conf")}
libdir=${dirname(internal)}
rundir=${at("run")}
ipc_prefix=pushpin-

[runner]
services=condure,zurl,pushpin-proxy,pushpin-handler
http_port=127.0.0.1:${PORT}
logdir=${at("log")}
log_level=1
client_maxconn=50000
condure_bin=${locate("/usr/bin/condure")}
zurl_bin=${locate("/usr/bin/zurl")}

[proxy]
routesfile=routes
updates_check=off

[handler]
push_in_spec=ipc://{rundir}/push-in
push_in_sub_specs=ipc://{rundir}/push-in-sub
command_spec=ipc://{rundir}/command
push_in_http_addr=127.0.0.1
push_in_http_port=${PUSH_PORT}
message_rate=0
message_hwm=1000000
`,
);

const program = locate("/usr/bin/pushpin");
const child = spawn(program, [`--config=${at("pushpin.conf")}`], {
  env: { ...process.env, ...libraries(), PATH: `${dirname(program)}:${process.env.PATH}` },
  stdio: ["ignore", "inherit", "inherit"],
});
child.once("exit", () => process.exit(1));
process.once("SIGTERM", () => child.kill("SIGTERM"));
