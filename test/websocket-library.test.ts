import { describe, expect, it } from "vitest";
import { ConfigError } from "../src/config/config.js";
import { webSocketLibrary } from "../src/container/websocket-library.js";

const loads = () => ({});

/** As the native module says it. */
const fails = () => {
  throw new Error(
    "This version of uWS.js supports only Node.js versions 16 and 18 on (glibc) Linux.\n\n" +
      "Error: libc.so.6: version `GLIBC_2.38' not found\nRequire stack:\n- /uws.js",
  );
};

describe("the choice of a WebSocket library", () => {
  it.each(["auto", "uws"] as const)("with %s it is uWebSockets.js if that loads", (setting) => {
    expect(webSocketLibrary(setting, loads)).toEqual({
      name: "uws",
      package: expect.stringMatching(/^uwebsockets@\d/i),
      reason: undefined,
    });
  });

  it("with auto it is ws if uWebSockets.js does not load, and the reason is one line", () => {
    expect(webSocketLibrary("auto", fails)).toEqual({
      name: "ws",
      package: expect.stringMatching(/^ws@8\./),
      reason: "libc.so.6: version `GLIBC_2.38' not found",
    });
  });

  it("with uws a module that does not load is an error of one line", () => {
    const choose = () => webSocketLibrary("uws", fails);
    expect(choose).toThrow(ConfigError);
    expect(choose).toThrow(
      /^HEXPUSH_WEBSOCKETS=uws: uWebSockets\.js does not load: libc\.so\.6: version `GLIBC_2\.38' not found$/,
    );
  });

  it("with ws uWebSockets.js is not loaded", () => {
    const library = webSocketLibrary("ws", () => {
      throw new Error("loaded");
    });
    expect(library).toMatchObject({ name: "ws", reason: undefined });
  });
});
