/** `hexpush/testing`: what the tests of a program that uses hexpush need. No test library is needed. */
export { FakeClock } from "./testing/fake-clock.js";
export {
  type NextOptions,
  type RecordedMessage,
  type RecordingSocket,
  RecordingTransport,
} from "./testing/recording-transport.js";
export { startTestServer, type TestServer, type TestServerOptions } from "./testing/test-server.js";
