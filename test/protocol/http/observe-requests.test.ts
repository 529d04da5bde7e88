import { describe, expect, it } from "vitest";
import {
  apiObserver,
  bothObservers,
  requestLogger,
} from "../../../src/protocol/http/observe-requests.js";

const clock = () => {
  let now = 0;
  return () => {
    now += 1.23456;
    return now;
  };
};

describe("apiObserver", () => {
  it("tells of requests for the API and of their end", () => {
    const heard: unknown[] = [];
    const observe = apiObserver(
      { apiRequested: (event) => heard.push(event), apiProcessed: (event) => heard.push(event) },
      clock(),
    );
    observe?.("1", "POST", "/api/push")?.(200);
    expect(observe?.("2", "GET", "/health/live")).toBeUndefined();
    const event = { requestId: "1", method: "POST", path: "/api/push" };
    expect(heard).toEqual([event, { ...event, status: 200, durationMs: 1.235 }]);
  });

  it("is undefined if nothing listens", () => {
    expect(apiObserver({}, clock())).toBeUndefined();
  });
});

describe("requestLogger", () => {
  it("tells a request that broke off from one that was answered", () => {
    const lines: [object, string][] = [];
    const observe = requestLogger({ info: (...line) => lines.push(line) }, clock());
    observe("1", "GET", "/")?.(404);
    observe("2", "GET", "/")?.(undefined);
    expect(lines.map(([, text]) => text)).toEqual(["request", "request broken off"]);
  });
});

describe("bothObservers", () => {
  it("calls both in order, and either one alone", () => {
    const heard: string[] = [];
    const first = () => () => heard.push("first");
    const second = () => () => heard.push("second");
    bothObservers(first, second)?.("1", "GET", "/")?.(200);
    expect(heard).toEqual(["first", "second"]);
    expect(bothObservers(first, undefined)).toBe(first);
    expect(bothObservers(undefined, second)).toBe(second);
  });
});
