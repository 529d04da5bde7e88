import type { ChannelTrace, PushTrace } from "../../application/push-traces.js";

/** A trace as the API shows it. */
export function traceJson({ at, channels, ...trace }: PushTrace): object {
  return {
    ...trace,
    at: new Date(at).toISOString(),
    ...(trace.outcome === "denied" && { reason: "The policy said no." }),
    ...(trace.outcome === "accepted" && { channels: channels.map(channelJson) }),
  };
}

function channelJson({ channel, sockets, cut }: ChannelTrace): object {
  const why = reason(sockets, cut);
  return { channel, sockets, cut, ...(why && { why }) };
}

function reason(sockets: number, cut: number): string | undefined {
  if (sockets === 0) return "Nobody was joined.";
  if (cut === 0) return undefined;
  const who = cut === 1 ? "1 socket was" : `${cut} sockets were`;
  return `${who} cut, too slow: this message may have been among what waited to be sent.`;
}
