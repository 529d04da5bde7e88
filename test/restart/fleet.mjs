// Many clients in one process: node fleet.mjs {"url","wsUrl","channels","clients","perSecond"}
// Tells its parent when all have joined, and then answers its questions:
//   {"kind":"settled","finals":{channel: n}}  once every client has the last message, or it is late
//   {"kind":"report"}                         what has happened to each client
import { MIX } from "./clients.mjs";

const LATE_MS = 60_000;
const { url, wsUrl, channels, clients: count, perSecond } = JSON.parse(process.argv[2]);

const clients = [];
let waiting = count;

function start(index) {
  const [kind, make] = MIX[index % MIX.length];
  const channel = channels[index % channels.length];
  const seen = { kind, channel, opens: [], closes: [], failed: 0, joins: [], next: 1 };
  Object.assign(seen, { lost: 0, duplicated: 0 });
  const client = make(
    { url, wsUrl, channel },
    {
      opened: () => seen.opens.push(Date.now()),
      closed: (code, reason) => seen.closes.push({ at: Date.now(), code, reason }),
      failed: () => {
        seen.failed += 1;
      },
      joined: (recovered) => {
        if (seen.joins.length === 0 && --waiting === 0) process.send({ kind: "joined" });
        seen.joins.push({ at: Date.now(), recovered });
      },
      message: ({ n }) => {
        if (n < seen.next) {
          seen.duplicated += 1;
          return;
        }
        seen.lost += n - seen.next;
        seen.next = n + 1;
      },
    },
  );
  clients.push({ client, seen });
}

function settle(finals) {
  const began = Date.now();
  const look = setInterval(() => {
    const missing = clients.filter(({ seen }) => seen.next <= finals[seen.channel]).length;
    if (missing > 0 && Date.now() - began < LATE_MS) return;
    clearInterval(look);
    process.send({ kind: "settled", missing });
  }, 100);
}

process.on("message", ({ kind, finals }) => {
  if (kind === "settled") settle(finals);
  else if (kind === "report") {
    process.send({ kind: "report", clients: clients.map(({ seen }) => seen) });
  }
});
process.on("disconnect", () => process.exit(0));

let started = 0;
const pace = setInterval(() => {
  for (let each = 0; each < Math.ceil(perSecond / 20) && started < count; each++) start(started++);
  if (started === count) clearInterval(pace);
}, 50);
