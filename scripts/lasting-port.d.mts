/** A free port of loopback that no outgoing connection can take. */
export function lastingPort(): Promise<number>;
