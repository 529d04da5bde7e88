import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { IdleSockets, type Listed } from "../../../src/application/subscriptions/idle-sockets.js";

const TIMEOUT_MS = 45_000;

class Socket implements Listed<Socket> {
  lastFrameAt = 0;
  previous: Socket | undefined;
  next: Socket | undefined;
  constructor(
    readonly name: string,
    readonly socketId: string | undefined = undefined,
  ) {}
}

const names = (sockets: readonly Socket[]): string[] => sockets.map(({ name }) => name);

describe("IdleSockets", () => {
  it("finds a socket after 45 s of silence and not a millisecond before", () => {
    let now = 1_000;
    const found: string[] = [];
    const open = new IdleSockets<Socket>(
      TIMEOUT_MS,
      (socket) => found.push(socket.name),
      () => now,
    );
    open.add(new Socket("a"));
    now += TIMEOUT_MS - 1;
    open.sweep();
    expect(found).toEqual([]);
    now += 1;
    open.sweep();
    open.sweep();
    expect(found).toEqual(["a"]);
  });

  it("finds one that was not closed once more after as long", () => {
    let now = 0;
    let found = 0;
    const open = new IdleSockets<Socket>(
      TIMEOUT_MS,
      () => found++,
      () => now,
    );
    open.add(new Socket("a"));
    now += TIMEOUT_MS;
    open.sweep();
    now += TIMEOUT_MS - 1;
    open.sweep();
    expect(found).toBe(1);
    now += 1;
    open.sweep();
    expect(found).toBe(2);
  });

  it("gives a copy, the silent longest first, and no more than asked for", () => {
    const open = new IdleSockets<Socket>(TIMEOUT_MS, () => undefined);
    const sockets = ["a", "b", "c"].map((name) => new Socket(name));
    for (const socket of sockets) open.add(socket);
    open.touch(sockets[0] as Socket);
    expect(names(open.all(2))).toEqual(["b", "c"]);
    for (const socket of open.all()) expect(open.remove(socket)).toBe(true);
    expect(open.all()).toEqual([]);
  });

  it("takes no frame of a socket that is not there", () => {
    const open = new IdleSockets<Socket>(TIMEOUT_MS, () => undefined);
    const gone = new Socket("gone");
    open.add(gone);
    open.add(new Socket("a"));
    open.remove(gone);
    open.touch(gone);
    expect(names(open.all())).toEqual(["a"]);
    expect(open.remove(gone)).toBe(false);
    expect(open.size).toBe(1);
  });

  it("knows what a slow search knows, whatever happens when", () => {
    const step = fc.record({
      wait: fc.integer({ min: 0, max: TIMEOUT_MS }),
      what: fc.constantFrom("add", "touch", "remove", "sweep"),
      name: fc.constantFrom("a", "b", "c", "d"),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        let now = 0;
        const found: string[] = [];
        const open = new IdleSockets<Socket>(
          TIMEOUT_MS,
          (each) => {
            found.push(each.name);
            open.remove(each);
          },
          () => now,
        );
        // Two of the four have the same id, and one has none.
        const ids = { a: "1", b: "1", c: "2", d: undefined };
        const sockets = new Map(
          Object.entries(ids).map(([name, id]) => [name, new Socket(name, id)]),
        );
        // A Map keeps the order in which its keys came: taken out and put in again, one is the last.
        const lastFrame = new Map<string, number>();
        const frame = (name: string): void => {
          lastFrame.delete(name);
          lastFrame.set(name, now);
        };
        for (const { wait, what, name } of steps) {
          const socket = sockets.get(name) as Socket;
          now += wait;
          if (what === "add" && !lastFrame.has(name)) {
            open.add(socket);
            frame(name);
          } else if (what === "touch") {
            open.touch(socket);
            if (lastFrame.has(name)) frame(name);
          } else if (what === "remove") {
            expect(open.remove(socket)).toBe(lastFrame.delete(name));
          } else if (what === "sweep") {
            found.length = 0;
            open.sweep();
            const due = [...lastFrame]
              .filter(([, at]) => now - at >= TIMEOUT_MS)
              .map(([each]) => each);
            expect(found).toEqual(due);
            for (const each of due) lastFrame.delete(each);
          }
          expect(names(open.all())).toEqual([...lastFrame.keys()]);
          expect(open.size).toBe(lastFrame.size);
        }
      }),
    );
  });
});
