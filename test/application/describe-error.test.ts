import { pino } from "pino";
import { describe, expect, it } from "vitest";
import { describeError } from "../../src/application/describe-error.js";

/** What the log holds of it, by pino's standard serializer as a host's logger has it. */
function logged(error: unknown): unknown {
  const lines: string[] = [];
  const log = pino({ level: "error" }, { write: (line: string) => void lines.push(line) });
  log.error({ err: describeError(error) }, "failed");
  return (JSON.parse(lines[0] as string) as { err: unknown }).err;
}

describe("describeError", () => {
  it("keeps the name, the message and the stack of an error in the log", () => {
    class BrokerError extends Error {
      override readonly name = "BrokerError";
    }
    const error = new BrokerError("the broker is down");
    expect(logged(error)).toEqual({
      type: "BrokerError",
      message: "the broker is down",
      stack: error.stack,
    });
    expect(logged(new TypeError("wrong"))).toMatchObject({ type: "TypeError" });
  });

  it("keeps no other member: it may be a body or a header", () => {
    const error = Object.assign(new Error("failed", { cause: new Error("the secret") }), {
      headers: { authorization: "Bearer secret" },
    });
    expect(JSON.stringify(logged(error))).not.toContain("secret");
  });

  it("says so if something else was thrown, without its value", () => {
    expect(logged("the secret")).toMatchObject({
      type: "string",
      message: "the thrown value is not an Error",
    });
    expect(logged(undefined)).toMatchObject({ type: "undefined" });
  });
});
