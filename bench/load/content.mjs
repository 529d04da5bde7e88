// What is pushed: the same channels and the same data to every server, whatever it speaks.

/** Every push carries it, so that all servers read the same bytes. */
export const API_KEY = "a-key-of-the-length-that-openssl-rand-hex-16-has";
export const EVENT = "order.updated";
export const FIRST_SEQUENCE = 10_000_000;

const FILLER = "The parcel has left the warehouse and will be with you between nine and noon.";

/** All channel names have the same length, so that one can overwrite another in the bytes. */
export const channelName = (index) => `bench:${String(index).padStart(5, "0")}`;

/** The data of a push as JSON text, padded to at least this many bytes. */
export const dataText = (sequence, bytes = 0) => {
  const text = FILLER.padEnd(FILLER.length + bytes - UNPADDED_BYTES, ".");
  return `{"seq":${sequence},"text":"${text}","urgent":false}`;
};

const UNPADDED_BYTES = `{"seq":${FIRST_SEQUENCE},"text":"${FILLER}","urgent":false}`.length;

/** A push as hexpush takes it; its answer is the same, with an array of channels. */
export const pushText = (channel, sequence, dataBytes) =>
  `{"channel":${JSON.stringify(channel)},"data":${dataText(sequence, dataBytes)},"event":"${EVENT}"}`;

/** The frame that a subscriber gets; where a peer delivers the text that it was given, it gets this. */
export const frameText = (channel, sequence, dataBytes) =>
  `[null,null,${JSON.stringify(channel)},"msg",{"data":${dataText(sequence, dataBytes)},"event":"${EVENT}"}]`;

/** The sequence number of delivered data; undefined if the data are not what was pushed. */
export function sequenceOf(data) {
  const number = data?.seq;
  return JSON.stringify(data) === dataText(number) ? number : undefined;
}
