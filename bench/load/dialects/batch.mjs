// hexpush's batches: so many equal pushes in a request, to one channel.
import { pushText } from "../content.mjs";

/** A dialect that differs from `dialect` in the push alone, which is `count` of them. */
export function inBatches(dialect, count) {
  const request = (channel, sequence, dataBytes) => ({
    path: "/api/push/batch",
    type: "application/json",
    body: `{"pushes":[${many(count, pushText(channel, sequence, dataBytes))}]}`,
  });
  /** Each result with an id of 20 characters, which no two have in common. */
  const answer = ([channel], sequence, dataBytes) => {
    const body = pushText([channel], sequence, dataBytes);
    return `{"results":[${many(count, `{"status":200,"body":${body},"id":"${NO_ID}"}`)}]}`;
  };
  return {
    ...dialect,
    takesSeveral: false,
    request,
    answerBytes: (channels, sequence, dataBytes) =>
      Buffer.byteLength(answer(channels, sequence, dataBytes)),
    isAnswer: (body, channels, sequence) =>
      body.replace(/"id":"[\w-]{20}"/g, `"id":"${NO_ID}"`) === answer(channels, sequence),
  };
}

const NO_ID = "-".repeat(20);

const many = (count, text) => Array.from({ length: count }, () => text).join();
