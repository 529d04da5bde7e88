import type { Command } from "./command.js";
import { fromEnvironment } from "./environment.js";
import { parseOptions, secondsOf, serverUrl, wholeNumberOf } from "./options.js";
import type { Received } from "./phoenix-frames.js";
import { PhoenixListener } from "./phoenix-listener.js";
import { printable } from "./terminal.js";
import { CommandError, UsageError } from "./usage-error.js";

const HELP = `Joins the channels and prints each message on a line: CHANNEL EVENT DATA, with control characters
as JSON escapes. Standard error shows "joined CHANNEL" and lost connections; the command then
reconnects by itself, with increasing delays up to 10 seconds.

  --json             one JSON object per line: channel, event, data as it was sent, and the id if
                     the channel keeps history
  --count N          ends after N messages
  --timeout SECONDS  ends with exit code 1 after this time
  --token TOKEN      the token for the server's policy [HEXPUSH_TOKEN]; not sent in the URL. Other
                     users of this machine can see the option in the process list, but not the variable
  --url URL          the server [HEXPUSH_URL, else http://127.0.0.1:4004]

Exit codes: 0 after N messages, SIGINT or SIGTERM; 1 if the first connect fails, the server refuses
(403, close code 1008, a denied join), or the time is over; 2 usage.
`;

const OPTIONS = {
  json: { type: "boolean" },
  count: { type: "string" },
  timeout: { type: "string" },
  token: { type: "string" },
  url: { type: "string" },
} as const;

export const listen: Command = {
  usage: "hexpush listen CHANNEL… [options]",
  help: () => HELP,

  async run(args) {
    const { values, positionals } = parseOptions(args, OPTIONS);
    if (positionals.length === 0) throw new UsageError("at least one CHANNEL is needed");
    const count =
      values.count === undefined ? Infinity : wholeNumberOf("--count", values.count, 1e9);
    const seconds =
      values.timeout === undefined ? undefined : secondsOf("--timeout", values.timeout);
    const show = values.json === true ? asJson : asLine;
    let received = 0;

    const listener = new PhoenixListener({
      url: `${serverUrl(values.url, "ws")}/push_socket/websocket?vsn=2.0.0`,
      token: values.token ?? fromEnvironment("HEXPUSH_TOKEN"),
      channels: [...new Set(positionals)],
      onMessage(message) {
        process.stdout.write(`${show(message)}\n`);
        received++;
        if (received === count) listener.stop();
      },
      onNotice: (line) => void process.stderr.write(`${line}\n`),
    });
    // The handlers run once: a second signal ends the process.
    process.once("SIGINT", () => listener.stop());
    process.once("SIGTERM", () => listener.stop());
    const timer =
      seconds === undefined
        ? undefined
        : setTimeout(() => listener.stop(timeIsOver(seconds, received, count)), seconds * 1000);
    try {
      await listener.run();
    } finally {
      clearTimeout(timer);
    }
  },
};

function timeIsOver(seconds: number, received: number, count: number): CommandError {
  const of = count === Infinity ? "" : ` of ${count}`;
  return new CommandError(`timeout after ${seconds} s: received ${received}${of} messages`);
}

function asLine({ channel, event, data }: Received): string {
  return `${printable(channel)} ${printable(event)} ${printable(data.text)}`;
}

function asJson({ channel, event, data, id }: Received): string {
  const last = id === undefined ? "" : `,"id":${id.text}`;
  return `{"channel":${JSON.stringify(channel)},"event":${JSON.stringify(event)},"data":${data.text}${last}}`;
}
