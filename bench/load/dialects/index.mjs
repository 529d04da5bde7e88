// A dialect is all that the generator must know of a server's protocol. Everything it makes is made
// before a measurement; while one runs, frames and answers are told by their lengths.
import { eventStream } from "./event-stream.mjs";
import { nchan } from "./nchan.mjs";
import { nchanStream } from "./nchan-stream.mjs";
import { phoenix } from "./phoenix.mjs";
import { pushpin } from "./pushpin.mjs";
import { socketIo } from "./socket-io.mjs";

/**
 * @typedef {object} Dialect
 *
 * A subscriber, over one WebSocket or one event stream:
 * @property {boolean} [isStream] whether it is an event stream (server-sent events); then `hello`
 *   returns nothing, and there is no `heartbeat` or `ping`
 * @property {(channel: string) => string} subscribePath path and query of the upgrade, or of the
 *   stream
 * @property {(channel: string) => Buffer | undefined} hello a frame to send once upgraded, empty
 *   if the server speaks first; undefined if the head of the answer says that the join is done
 * @property {(text: string, channel: string) => "joined" | Buffer | undefined} [join] takes each
 *   text until the join is done: "joined", or a frame to answer, or nothing of interest. Throws
 *   if the join is refused
 * @property {Buffer} [heartbeat] a frame that a client sends now and then, and that is answered by
 *   one text frame; if undefined, nothing is sent
 * @property {{ length: number, reply: Buffer }} [ping] a text of this length is no delivery but
 *   the server's question whether the client is there, and gets the reply
 * @property {number} [joinsAtOnce] concurrent joins, if the server cannot handle the usual number
 * @property {number} [settleMs] how long to wait after the last join, if the server's answer does not
 *   prove that the join is done
 *
 * A push, over HTTP/1.1:
 * @property {boolean} takesSeveral whether one push may name several channels
 * @property {(channel: string | string[], sequence: number, dataBytes?: number) =>
 *   { path: string, type: string, body: string }} request of several channels only if it takes them
 * @property {RegExp} accepted the status line (and more, if the length tells nothing) of an
 *   answer that says that the push was taken
 * @property {(channels: string[], sequence: number, dataBytes?: number) => number | undefined}
 *   answerBytes the length of an answer's body, if it is always the same for one channel
 * @property {(body: string, channels: string[], sequence: number) => boolean} isAnswer compares
 *   the whole body, as far as it can be known
 * @property {boolean} [closesAfterAnswer] whether each push needs a connection of its own
 *
 * A delivery:
 * @property {(text: string, channel: string) => number | undefined} delivered the push's sequence
 *   number, or undefined if anything in the text is unexpected
 */

/** @type {Record<string, Dialect>} */
export const DIALECTS = {
  ...{ phoenix, "socket-io": socketIo, nchan, pushpin },
  ...{ "event-stream": eventStream, "nchan-stream": nchanStream },
};
