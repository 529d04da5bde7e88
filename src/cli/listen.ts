import type { Command } from "./command.js";
import { fromEnvironment } from "./environment.js";
import { parseOptions, secondsOf, serverUrl, wholeNumberOf } from "./options.js";
import type { Received } from "./phoenix-frames.js";
import { PhoenixListener } from "./phoenix-listener.js";
import { printable } from "./terminal.js";
import { CommandError, UsageError } from "./usage-error.js";

const HELP = `Joins the channels and prints what is pushed to them, a message a line: CHANNEL EVENT DATA, with
control characters as JSON's escapes. Standard error says "joined CHANNEL", and when the
connection is lost; it is connected again by itself, with rising delays up to 10 seconds.

  --json             a JSON object a line: channel, event, data as it was sent, and its id where
                     the channel keeps history
  --count N          ends after N messages
  --timeout SECONDS  ends with exit code 1 after so long
  --token TOKEN      what the server's policy asks for [HEXPUSH_TOKEN]; sent beside the URL. Other
                     users of this machine may see it in the list of processes, not so the variable
  --url URL          the server [HEXPUSH_URL, else http://127.0.0.1:4004]

Exit codes: 0 after N messages, SIGINT or SIGTERM; 1 where it cannot connect at first, is refused
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
    // The second signal ends it as if nobody listened for it.
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
  return new CommandError(`${seconds} s are over, and ${received}${of} messages came`);
}

function asLine({ channel, event, data }: Received): string {
  return `${printable(channel)} ${printable(event)} ${printable(data.text)}`;
}

function asJson({ channel, event, data, id }: Received): string {
  const last = id === undefined ? "" : `,"id":${id.text}`;
  return `{"channel":${JSON.stringify(channel)},"event":${JSON.stringify(event)},"data":${data.text}${last}}`;
}
