// How a subscriber's connection begins: a request, and the head of its answer.

// The sample key of RFC 6455 and its answer; a server cannot tell it from a fresh one.
const KEY = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/** Each `check` throws if the head is not the one that was asked for. */
export const WEBSOCKET = {
  request: (path, port) =>
    `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n` +
    "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n" +
    `Sec-WebSocket-Key: ${KEY}\r\n\r\n`,
  check(head) {
    if (!head.startsWith("HTTP/1.1 101 ") || !head.includes(ACCEPT)) {
      throw new Error(`no upgrade: ${head.slice(0, 200)}`);
    }
  },
};

export const EVENT_STREAM = {
  request: (path, port) =>
    `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nAccept: text/event-stream\r\n\r\n`,
  check(head, counter) {
    if (!head.startsWith("HTTP/1.1 200 ") || !/\r\ncontent-type: ?text\/event-stream/i.test(head)) {
      throw new Error(`no event stream: ${head.slice(0, 200)}`);
    }
    counter.isChunked = /\r\ntransfer-encoding: ?chunked\r\n/i.test(head);
  },
};
