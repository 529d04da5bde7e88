import { expect, it } from "vitest";
import { EventCounter } from "../../bench/load/event-counter.mjs";

const MESSAGE = 'id: a-1\ndata: {"n":1}\n\n';
const STREAM = [
  "retry: 3000\n\n",
  ":\n\n",
  'id: a-0\nevent: position\ndata: {"id":"a-0"}\n\n',
  'event: gap\ndata: {"channel":"a"}\n\n',
  MESSAGE,
  ": heartbeat\n\n",
  'data: {"n":"é"}\n\n',
  "id:a-3\ndata:one\ndata: two\n\n",
].join("");
const DATA = ['{"n":1}', '{"n":"é"}', "one\ntwo"];

/** As chunks of so many bytes, with chunk extensions if they are asked for. */
function chunked(text: string, size: number, extension = ""): Buffer {
  const bytes = Buffer.from(text);
  const chunks: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += size) {
    const part = bytes.subarray(at, at + size);
    chunks.push(Buffer.from(`${part.length.toString(16).toUpperCase()}${extension}\r\n`), part);
    chunks.push(Buffer.from("\r\n"));
  }
  return Buffer.concat(chunks);
}

/** Reads of `size` bytes into one shared buffer, in which each leaves its bytes behind. */
function count(bytes: Buffer, size: number, isChunked: boolean): [EventCounter, string[]] {
  const texts: string[] = [];
  const counter = new EventCounter();
  counter.isChunked = isChunked;
  counter.onText = (text) => texts.push(text);
  const shared = Buffer.alloc(4096, "\n");
  let counted = 0;
  for (let at = 0; at < bytes.length; at += size) {
    const length = bytes.copy(shared, 0, at, at + size);
    counted += counter.feed(shared, length);
  }
  expect(counted).toBe(counter.frames);
  return [counter, texts];
}

const SIZES = [1, 2, 3, 5, 7, 16, 33, 1000];

it("counts the messages of an event stream, however it is cut into reads", () => {
  for (const size of SIZES) {
    const [counter, texts] = count(Buffer.from(STREAM), size, false);
    expect(texts).toEqual(DATA);
    expect(counter.frames).toBe(3);
  }
});

it("does not take what frames the chunks for a part of a message", () => {
  const [plain] = count(Buffer.from(STREAM), 1000, false);
  for (const chunk of SIZES) {
    for (const read of SIZES) {
      for (const extension of ["", ";a=b"]) {
        const [counter, texts] = count(chunked(STREAM, chunk, extension), read, true);
        expect(texts).toEqual(DATA);
        expect(counter.bytes).toBe(plain.bytes);
      }
    }
  }
});

it("counts bytes of messages alone", () => {
  const [counter] = count(Buffer.from(`: comment\n\n${MESSAGE}retry: 1\n\n`), 1000, false);
  expect(counter.bytes).toBe(MESSAGE.length);
});

it("fails if the server ends the stream, or if a chunk is not as long as its size says", () => {
  const of = (text: string) => () => count(Buffer.from(text), 1000, true);
  expect(of("0\r\n\r\n")).toThrow("the server ended a stream");
  expect(of("2\r\nabc\r\n")).toThrow("a chunk is longer than its size");
  expect(of("\r\n")).toThrow("a chunk without a size");
});
