import { expect, expectTypeOf, it } from "vitest";
import { WebSocket } from "ws";
import { Hexpush } from "../../client/src/index.js";

interface Chat {
  message: { text: string };
  typing: string;
}

// What is wrong here is found by the compiler (`npx tsc`); the calls run too.

it("channels, events and data are typed by a map", () => {
  const client = new Hexpush<{ chat: Chat; [user: `user-${string}`]: { note: number } }>(
    "ws://h/s",
    {
      WebSocket,
      onConnect: (one) => expectTypeOf(one).toEqualTypeOf<typeof client>(),
    },
  );
  const chat = client.subscribe("chat");
  chat.bind("message", (data) => expectTypeOf(data).toEqualTypeOf<{ text: string }>());
  chat.bind("*", (data, event) => {
    if (event === "typing") expectTypeOf(data).toEqualTypeOf<string>();
  });
  client.subscribe("user-7").bind("note", (data, event) => {
    expectTypeOf(data).toEqualTypeOf<number>();
    expectTypeOf(event).toEqualTypeOf<"note">();
  });
  // @ts-expect-error: no such event
  chat.bind("massage", () => undefined);
  // @ts-expect-error: no such channel
  client.subscribe("chta");
  chat.on("recovered", ({ recovered }) => expectTypeOf(recovered).toEqualTypeOf<boolean>());
  // @ts-expect-error: no such moment
  chat.on("recoverd", () => undefined);

  expect(chat.hasBindings()).toBe(true);
});

it("a subscription can have types of its own", () => {
  const client = new Hexpush("ws://h/s", { WebSocket });
  client.subscribe<Chat>("any").bind("message", ({ text }) => {
    expectTypeOf(text).toEqualTypeOf<string>();
  });
  client.subscribe("other").bind("whatever", (data) => {
    expectTypeOf(data).toEqualTypeOf<unknown>();
  });

  expect(client.subscribe("other").channelName).toBe("other");
});
