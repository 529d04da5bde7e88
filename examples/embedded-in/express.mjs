// hexpush in an Express application: `node examples/embedded-in/express.mjs [PORT]`.

import { createServer } from "node:http";
import express from "express";
import { createHexpush } from "hexpush";
import { run } from "./run.mjs";

const hexpush = createHexpush({ apiKeys: ["demo-key"] });
const app = express();

// Before any body parser: hexpush reads the bodies itself. Not `app.use("/api", …)`, which would
// remove the prefix from the path.
app.all(["/api/*path", "/push_events"], hexpush.callback());
app.use(express.json());
app.get("/", (_request, response) => void response.send("hello"));

// Not `app.listen`, so that hexpush sees upgrades.
const server = createServer(app);
hexpush.attach(server);

await hexpush.open();
run(server, hexpush);
