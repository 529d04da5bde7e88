import { Json } from "../../domain/json.js";
import { CLOSE_BRACKET, COMMA, JsonScanner, OPEN_BRACKET } from "../../domain/json-scanner.js";
import { type ClientFrame, type Codec, decodeUtf8, messagePayload } from "./frame.js";

/** Phoenix's binary frames: the first byte says which one it is. A client sends pushes only. */
const KIND_PUSH = 0;
const PUSH_HEADER_BYTES = 5;

/**
 * Serializer 2.0.0 (Phoenix.Socket.V2.JSONSerializer): `[join_ref, ref, topic, event, payload]`.
 */
export const codecV2: Codec = {
  decodeText(text) {
    try {
      return readFrame(new JsonScanner(text));
    } catch {
      return undefined;
    }
  },

  /**
   * `<<0, join_ref_size, ref_size, topic_size, event_size, join_ref, ref, topic, event, payload>>`
   * with sizes in bytes. The payload is opaque to Phoenix, so a join by it has no parameters.
   */
  decodeBinary(bytes) {
    if (bytes.length < PUSH_HEADER_BYTES || bytes[0] !== KIND_PUSH) return undefined;
    const texts: string[] = [];
    let at = PUSH_HEADER_BYTES;
    for (let field = 1; field <= 4; field++) {
      const end = at + (bytes[field] as number);
      if (end > bytes.length) return undefined;
      const text = decodeUtf8(bytes.subarray(at, end));
      if (text === undefined) return undefined;
      texts.push(text);
      at = end;
    }
    const [joinRef, ref, topic, event] = texts as [string, string, string, string];
    return {
      joinRef: JSON.stringify(joinRef),
      ref: JSON.stringify(ref),
      topic,
      event,
      payload: Json.emptyObject,
    } satisfies ClientFrame;
  },

  encodeReply({ joinRef, ref, topic, status, response }) {
    return `[${joinRef},${ref},${JSON.stringify(topic)},"phx_reply",{"response":${response.text},"status":"${status}"}]`;
  },

  encodeChannelEvent(topic, event, joinRef) {
    return `[${joinRef},${joinRef},${JSON.stringify(topic)},"${event}",{}]`;
  },

  encodeMessage(message) {
    return `[null,null,${JSON.stringify(message.channel)},"msg",${messagePayload(message)}]`;
  },
};

/** @throws {SyntaxError} if it is not JSON or not a frame. */
function readFrame(scanner: JsonScanner): ClientFrame {
  scanner.skipBlanks();
  scanner.expect(OPEN_BRACKET);
  scanner.skipBlanks();
  const joinRef = Json.read(scanner).text;
  skipComma(scanner);
  const ref = Json.read(scanner).text;
  skipComma(scanner);
  const topic = scanner.stringValue();
  skipComma(scanner);
  const event = scanner.stringValue();
  skipComma(scanner);
  const payload = Json.read(scanner);
  scanner.skipBlanks();
  // Phoenix matches the first five and ignores what follows them.
  while (scanner.next === COMMA) {
    skipComma(scanner);
    scanner.value();
    scanner.skipBlanks();
  }
  scanner.expect(CLOSE_BRACKET);
  scanner.end();
  return { joinRef, ref, topic, event, payload };
}

function skipComma(scanner: JsonScanner): void {
  scanner.skipBlanks();
  scanner.expect(COMMA);
  scanner.skipBlanks();
}
