import { randomUUID } from "node:crypto";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { anId } from "../support/message-ids.js";
import { Publisher } from "../support/publisher.js";
import { RawClient } from "../support/raw-client.js";
import { type RawAnswer, RawHttp, turns } from "../support/raw-http.js";
import {
  cuts,
  fewMutations,
  mutate,
  pushRequest,
  pushRequestBytes,
  randomBytes,
  segments,
  upgrade,
  upgradeRequest,
  validRequest,
} from "./bytes.js";
import {
  binaryFrame,
  binaryPayloads,
  frameBytes,
  phoenixTexts,
  readServerFrames,
  textFrame,
  type WireFrame,
  wireFrames,
} from "./frames.js";
import { CLEAN_END, residentMb, Victim } from "./victim.js";

/** How long a server that waits for more bytes is waited for, once its client has sent FIN. */
const LAST_WORD_MS = 300;
/** What the server may hold more than at its start, in megabytes. */
const GROWTH_MB_MAX = 200;
/** A whole property and its shrinking. */
const PROPERTY_MS = 60_000;

let victim: Victim;
let startMb: number | undefined;

beforeAll(async () => {
  victim = await Victim.start();
  startMb = await residentMb(victim.server.pid);
});

afterAll(async () => {
  await victim?.kill();
});

/** How a client takes its leave. */
const leaving = fc.constantFrom("FIN", "RST", "gone");
type Leaving = "FIN" | "RST" | "gone";

/** Says goodbye, and waits until the server has gone too or waits for more. */
async function leave(http: RawHttp, how: Leaving): Promise<void> {
  if (how === "RST") http.reset();
  else if (how === "gone") http.destroy();
  else {
    http.end();
    await http.closed(LAST_WORD_MS).catch(() => http.destroy());
  }
}

/** Sends it on a connection of its own. @returns all that the server has answered. */
async function exchange(sent: readonly string[], how: Leaving): Promise<string> {
  const http = await RawHttp.connect(victim.port);
  await http.send(...sent);
  // The server has one thread: once it has answered another client it has had these bytes too.
  await victim.roundTrip();
  await turns(2);
  await leave(http, how);
  return http.pending;
}

/** What a server may answer to an HTTP request that is anything. */
function expectSound(status: number): void {
  // 505 is how uWebSockets.js tells that it does not speak the HTTP version that was asked for.
  if (status >= 500 && status !== 505) throw new Error(`answered ${status}`);
}

/** Each answer begins as one and none blames the server. */
function expectAnswers(received: string): void {
  if (received === "") return;
  expect(received).toMatch(/^HTTP\/1\.1 \d{3} /);
  for (const [, status] of received.matchAll(/HTTP\/1\.1 (\d{3}) /g)) expectSound(Number(status));
}

/** Runs the property, then sees that a client from before it and one from after it are served. */
async function torment<T>(
  arbitrary: fc.Arbitrary<T>,
  numRuns: number,
  act: (input: T) => Promise<void>,
): Promise<void> {
  const { deaths } = victim;
  const bystander = await RawClient.connect(victim.server.wsUrl, "2.0.0");
  try {
    const channel = randomUUID();
    await bystander.join(channel);
    await fc.assert(
      fc.asyncProperty(arbitrary, (input) => victim.survives(() => act(input))),
      { numRuns, interruptAfterTimeLimit: PROPERTY_MS / 2, markInterruptAsFailure: true },
    );
    expect(victim.deaths).toBe(deaths);
    await expectService(channel, bystander);
  } finally {
    bystander.close();
  }
}

async function expectService(channel: string, bystander: RawClient): Promise<void> {
  const newcomer = await RawClient.connect(victim.server.wsUrl, "1.0.0");
  const publisher = new Publisher(victim.server.url);
  try {
    await newcomer.join(channel);
    const answer = await publisher.push(channel, "event", { is: "served" });
    expect(answer.status).toBe(200);
    for (const client of [bystander, newcomer]) {
      const { topic, payload } = await client.frames.next(({ event }) => event === "msg");
      expect({ topic, payload }).toEqual({
        topic: channel,
        payload: { event: "event", data: { is: "served" }, id: anId },
      });
    }
  } finally {
    newcomer.close();
    publisher.close();
  }
}

describe("the server answers or closes, never dies, and serves the next client", () => {
  it("after random bytes", { timeout: PROPERTY_MS }, () =>
    torment(
      fc.record({ bytes: randomBytes(400), cuts, leaving }),
      300,
      async ({ bytes, cuts, leaving }) => {
        expectAnswers(await exchange(segments(bytes, cuts), leaving));
      },
    ),
  );

  it("after requests that were right before they were mutated", { timeout: PROPERTY_MS }, () =>
    torment(
      fc.record({
        requests: fc.array(fc.record({ request: validRequest, mutations: fewMutations }), {
          minLength: 1,
          maxLength: 4,
        }),
        cuts,
        leaving,
      }),
      700,
      async ({ requests, cuts, leaving }) => {
        const bytes = requests.map(({ request, mutations }) => mutate(request, mutations)).join("");
        const received = await exchange(segments(bytes, cuts), leaving);
        // What follows an upgrade is of another protocol.
        if (!received.includes("HTTP/1.1 101")) expectAnswers(received);
      },
    ),
  );

  it("after bodies of any kind", { timeout: PROPERTY_MS }, () =>
    torment(pushRequest, 700, async (request) => {
      const http = await RawHttp.connect(victim.port);
      http.write(pushRequestBytes(request));
      const answer = await http.answer("POST");
      http.destroy();
      expect([200, 400, 413, 415, 422]).toContain(answer.status);
      expect(answer.json()).toEqual(
        answer.status === 200 ? expect.anything() : { error: expect.any(String) },
      );
    }),
  );

  it("after clients that go in the middle of a body", { timeout: PROPERTY_MS }, () =>
    torment(
      fc.record({ request: pushRequest, sent: fc.nat({ max: 10_000 }), leaving }),
      300,
      async ({ request, sent, leaving }) => {
        const bytes = pushRequestBytes(request);
        const http = await RawHttp.connect(victim.port);
        await http.send(bytes.slice(0, Math.ceil((sent / 10_000) * bytes.length)));
        await leave(http, leaving);
        expectAnswers(http.pending);
      },
    ),
  );

  it("after upgrade requests of any kind", { timeout: PROPERTY_MS }, () =>
    torment(upgrade, 400, async (bytes) => {
      const http = await RawHttp.connect(victim.port);
      http.write(bytes);
      const answer = await answerOrEnd(http);
      if (answer?.status === 101) await expectHeartbeatOrClose(http, "2.0.0");
      else if (answer !== undefined) expectSound(answer.status);
      http.destroy();
    }),
  );

  it("after WebSocket frames of any kind", { timeout: PROPERTY_MS }, () =>
    torment(
      fc.record({
        vsn: fc.constantFrom("1.0.0", "2.0.0"),
        frames: wireFrames,
        mutations: fewMutations,
        cuts,
        leaving,
      }),
      500,
      async ({ vsn, frames, mutations, cuts, leaving }) => {
        const http = await connectSocket(vsn);
        await http.send(...segments(mutate(frames.map(frameBytes).join(""), mutations), cuts));
        await victim.roundTrip();
        await turns(2);
        await leave(http, leaving);
        readServerFrames(http.pending);
      },
    ),
  );

  it("after texts like those of Phoenix", { timeout: PROPERTY_MS }, () =>
    torment(
      fc.record({ vsn: fc.constantFrom("1.0.0", "2.0.0"), texts: phoenixTexts }),
      500,
      ({ vsn, texts }) => sendMessages(vsn, texts.map(textFrame)),
    ),
  );

  it("after binary messages of any kind", { timeout: PROPERTY_MS }, () =>
    torment(
      fc.record({ vsn: fc.constantFrom("1.0.0", "2.0.0"), payloads: binaryPayloads }),
      300,
      ({ vsn, payloads }) => sendMessages(vsn, payloads.map(binaryFrame)),
    ),
  );
});

describe("after all of that", () => {
  it("the server is still the first one and holds little more than at its start", async () => {
    const nowMb = await residentMb(victim.server.pid);
    expect(victim.deaths).toBe(0);
    if (nowMb !== undefined && startMb !== undefined) {
      expect(nowMb - startMb).toBeLessThan(GROWTH_MB_MAX);
    }
  });

  it("it ends when asked to, without a word of an error", async () => {
    expect(await victim.stop()).toEqual(CLEAN_END);
  });
});

async function connectSocket(vsn: string): Promise<RawHttp> {
  const http = await RawHttp.connect(victim.port);
  http.write(upgradeRequest(`vsn=${vsn}`));
  const { status } = await http.answer();
  expect(status).toBe(101);
  return http;
}

/** Undefined where the server closes without an answer. */
async function answerOrEnd(http: RawHttp): Promise<RawAnswer | undefined> {
  await http.until((soFar) => soFar.includes("\r\n\r\n")).catch(() => undefined);
  return http.pending === "" ? undefined : http.answer();
}

async function sendMessages(vsn: string, frames: readonly WireFrame[]): Promise<void> {
  const http = await connectSocket(vsn);
  http.write(frames.map(frameBytes).join(""));
  await expectHeartbeatOrClose(http, vsn);
  http.destroy();
}

/** Right frames, whatever is in them, leave a socket that serves or one that was closed as such. */
async function expectHeartbeatOrClose(http: RawHttp, vsn: string): Promise<void> {
  const ref = randomUUID();
  const heartbeat =
    vsn === "1.0.0"
      ? { topic: "phoenix", event: "heartbeat", payload: {}, ref }
      : [null, ref, "phoenix", "heartbeat", {}];
  http.write(frameBytes(textFrame(JSON.stringify(heartbeat))));
  await http.until((soFar) => {
    const { texts, isClosed } = readServerFrames(soFar);
    return isClosed || texts.some((text) => text.includes(ref));
  });
}
