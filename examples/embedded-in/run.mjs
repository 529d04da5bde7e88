// Shared by the examples: listens, and stops on a signal.

/** Listens on the port of the command line, and stops both servers on a signal. */
export function run(server, hexpush) {
  server.listen(Number(process.argv[2] ?? 4004), "127.0.0.1", () => {
    console.log(`listening on http://127.0.0.1:${server.address().port}`);
  });
  for (const signal of ["SIGTERM", "SIGINT"]) {
    process.once(signal, async () => {
      // First stops accepting connections; then hexpush closes its sockets and streams.
      server.close();
      await hexpush.stop();
      server.closeAllConnections();
    });
  }
}
