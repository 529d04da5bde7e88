/** A server cannot listen on its address; `message` is one line for the operator. */
export class ListenError extends Error {
  override readonly name = "ListenError";
}

const REASONS: Readonly<Record<string, string>> = {
  EADDRINUSE: "the port is in use",
  EACCES: "no permission for this port",
  EADDRNOTAVAIL: "this machine has no such address",
  ENOTFOUND: "no such host",
};

/** @param error the operating system's error */
export function listenError(
  host: string,
  port: number,
  { code = "", message }: { readonly code?: string | undefined; readonly message: string },
): ListenError {
  return new ListenError(`cannot listen on ${host} port ${port}: ${REASONS[code] ?? message}`);
}
