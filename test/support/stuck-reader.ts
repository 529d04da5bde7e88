import { once } from "node:events";
import { connect as connectTcp } from "node:net";
import { SOCKET_PATH } from "../../src/protocol/phoenix/upgrades.js";

/** A client that joins and then reads nothing from its connection. */
export async function stuckReader(
  port: number,
  channel: string,
): Promise<{ closed: Promise<void> }> {
  const socket = connectTcp(port, "127.0.0.1");
  socket.write(
    `GET ${SOCKET_PATH}?vsn=2.0.0 HTTP/1.1\r\nhost: x\r\nupgrade: websocket\r\nconnection: upgrade\r\n` +
      "sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
  );
  await once(socket, "data");
  socket.pause();
  const text = Buffer.from(`["1","1","${channel}","phx_join",{}]`);
  socket.write(Buffer.concat([Buffer.from([0x81, 0x80 | text.length, 0, 0, 0, 0]), text]));
  const closed = new Promise<void>((resolve) => {
    socket.on("error", () => resolve());
    socket.on("close", () => resolve());
  });
  // A cut by the server shows as a reset only where something is read or written.
  const probe = setInterval(() => socket.write(Buffer.from([0x89, 0x80, 0, 0, 0, 0])), 20);
  void closed.then(() => clearInterval(probe));
  return { closed };
}
