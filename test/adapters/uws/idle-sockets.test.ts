import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Idle, IdleSockets } from "../../../src/adapters/uws/idle-sockets.js";

const TIMEOUT_MS = 45_000;

class Socket implements Idle<Socket> {
  lastFrameAt = 0;
  silentLonger: Socket | undefined;
  silentShorter: Socket | undefined;
  constructor(readonly name: string) {}
}

describe("IdleSockets", () => {
  it("finds a socket after 45 s of silence and not a millisecond before", () => {
    let now = 1_000;
    const found: string[] = [];
    const idle = new IdleSockets<Socket>(
      TIMEOUT_MS,
      (socket) => found.push(socket.name),
      () => now,
    );
    idle.touch(new Socket("a"));
    now += TIMEOUT_MS - 1;
    idle.sweep();
    expect(found).toEqual([]);
    now += 1;
    idle.sweep();
    idle.sweep();
    expect(found).toEqual(["a"]);
  });

  it("finds exactly the sockets that a slow search finds, whatever happens when", () => {
    const name = fc.constantFrom("a", "b", "c", "d");
    const step = fc.record({
      wait: fc.integer({ min: 0, max: TIMEOUT_MS }),
      what: fc.constantFrom("touch", "remove", "sweep"),
      name,
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        let now = 0;
        const found: string[] = [];
        const idle = new IdleSockets<Socket>(
          TIMEOUT_MS,
          (each) => found.push(each.name),
          () => now,
        );
        const sockets = new Map(["a", "b", "c", "d"].map((each) => [each, new Socket(each)]));
        const lastFrame = new Map<string, number>();
        for (const { wait, what, name } of steps) {
          const socket = sockets.get(name) as Socket;
          now += wait;
          if (what === "touch") {
            idle.touch(socket);
            lastFrame.set(name, now);
          } else if (what === "remove") {
            idle.remove(socket);
            lastFrame.delete(name);
          } else {
            found.length = 0;
            idle.sweep();
            const due = [...lastFrame]
              .filter(([, at]) => now - at >= TIMEOUT_MS)
              .map(([each]) => each);
            expect([...found].sort()).toEqual(due.sort());
            for (const each of due) lastFrame.delete(each);
          }
        }
      }),
    );
  });
});
