import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Follower } from "./follower.js";
import { CHANNELS, type ChannelName, World } from "./world.js";

/** What matters for which step makes sense next; what clients must have is the world's truth. */
interface Model {
  readonly open: boolean[];
  readonly paused: boolean[];
  readonly joined: Set<ChannelName>[];
}

type Command = fc.AsyncCommand<Model, World>;

/** One step; its name is what a shrunk failure shows. */
function step(
  name: string,
  check: (model: Model) => boolean,
  run: (world: World, model: Model) => Promise<void>,
): Command {
  return { check, run: (model, world) => run(world, model), toString: () => name };
}

const client = fc.nat(2);
const channel = fc.constantFrom<ChannelName>(...CHANNELS);
const follower = (world: World, at: number): Follower => world.followers[at] as Follower;
const always = () => true;

const pushes = [
  fc
    .uniqueArray(channel, { minLength: 1 })
    .map((channels) => step(`push(${channels})`, always, (world) => world.push(channels))),
  fc.tuple(channel, fc.integer({ min: 2, max: 30 })).map(([name, count]) =>
    step(`burst(${name}, ${count})`, always, async (world) => {
      await Promise.all(Array.from({ length: count }, () => world.push([name])));
    }),
  ),
];

const membership = [
  fc.tuple(client, channel).map(([at, name]) =>
    step(
      `join(${at}, ${name})`,
      (model) => !model.joined[at]?.has(name) && !model.paused[at],
      async (world, model) => {
        model.joined[at]?.add(name);
        await follower(world, at).join(name, world);
      },
    ),
  ),
  fc.tuple(client, channel).map(([at, name]) =>
    step(
      `leave(${at}, ${name})`,
      (model) =>
        model.joined[at]?.has(name) === true && model.joined[at].size > 1 && !model.paused[at],
      async (world, model) => {
        model.joined[at]?.delete(name);
        await follower(world, at).leave(name, world);
      },
    ),
  ),
];

const connections = [
  fc.tuple(client, fc.nat(20)).map(([at, keep]) =>
    step(
      `cut(${at}, ${keep})`,
      (model) => model.open[at] === true,
      async (world, model) => {
        model.open[at] = false;
        model.paused[at] = false;
        await follower(world, at).cut(keep);
      },
    ),
  ),
  // A push is under way while the client comes back: before its replay, within it, or behind it.
  fc.tuple(client, channel, fc.nat(3)).map(([at, name, count]) =>
    step(
      `back(${at}) beside ${count} on ${name}`,
      (model) => model.open[at] === false,
      async (world, model) => {
        model.open[at] = true;
        let isConnecting = true;
        const meanwhile = async () => {
          // A slow broker takes its time for a join: then there are more of them.
          for (let pushed = 0; pushed < (isConnecting ? count * 8 : count); pushed++) {
            await new Promise((resolve) => setImmediate(resolve));
            await world.push([name]);
          }
        };
        const connect = async () => {
          await follower(world, at).connect(world);
          isConnecting = false;
        };
        await Promise.all([connect(), meanwhile()]);
      },
    ),
  ),
  client.map((at) =>
    step(
      `pause(${at})`,
      (model) => model.open[at] === true && model.paused[at] === false,
      async (world, model) => {
        model.paused[at] = true;
        follower(world, at).pause();
      },
    ),
  ),
];

const settle = step("settle", always, async (world, model) => {
  await world.settle();
  model.open.fill(true);
  model.paused.fill(false);
});

const events = [
  fc.constant(settle),
  fc.constant(step("age", always, async (world) => world.age())),
  fc.constant(
    step("restart", always, async (world, model) => {
      await world.restart();
      model.open.fill(false);
      model.paused.fill(false);
    }),
  ),
  // Only where somebody reads nothing: for all others it is a burst, and a slow one.
  channel.map((name) =>
    step(
      `flood(${name})`,
      (model) => model.paused.some((isPaused, at) => isPaused && model.joined[at]?.has(name)),
      (world) => world.flood(name),
    ),
  ),
];

async function follow(commands: Iterable<Command>, broker: string, seed?: number): Promise<void> {
  const world = new World(broker, seed);
  await world.start();
  try {
    const model: Model = {
      open: [true, true, true],
      paused: [false, false, false],
      joined: world.followers.map(() => new Set<ChannelName>(["a"])),
    };
    for (const each of world.followers) {
      await each.join("a", world);
      await each.connect(world);
    }
    await fc.asyncModelRun(() => ({ model, real: world }), [...commands, settle]);
    // What comes twice comes before this.
    await world.push(CHANNELS);
    await world.settle();
  } finally {
    await world.stop();
  }
}

const commands = fc.commands([...pushes, ...membership, ...connections, ...events], {
  maxCommands: 60,
});

describe("whatever happens to clients and server, no message is lost, doubled or late", () => {
  it("on the memory broker", async () => {
    await fc.assert(
      fc.asyncProperty(commands, (steps) => follow(steps, "memory:")),
      { numRuns: 100 },
    );
  }, 120_000);

  it("on the file broker", async () => {
    await fc.assert(
      fc.asyncProperty(commands, async (steps) => {
        const directory = mkdtempSync(join(tmpdir(), "hexpush-resume-"));
        try {
          await follow(steps, `file:${directory}`);
        } finally {
          rmSync(directory, { recursive: true, force: true });
        }
      }),
      { numRuns: 100 },
    );
  }, 120_000);

  it("on a broker that answers later", async () => {
    await fc.assert(
      fc.asyncProperty(commands, fc.nat(), (steps, seed) => follow(steps, "memory:", seed)),
      { numRuns: 50 },
    );
  }, 120_000);

  it("cuts who reads nothing in a flood, and loses nothing to it", async () => {
    const world = new World("memory:");
    await world.start();
    try {
      for (const each of world.followers) {
        await each.join("a", world);
        await each.connect(world);
      }
      await world.settle();
      for (const each of world.followers) each.pause();
      await world.flood("a");
      expect(world.cuts).toBe(3);
      await world.settle();
    } finally {
      await world.stop();
    }
  });
});
