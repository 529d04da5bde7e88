import { execFile, spawnSync } from "node:child_process";
import { afterAll, describe, expect, it } from "vitest";
import { type Block, blocksOf, pages, readPage } from "./markdown.js";
import { cleanEnvironment, type Program, root, startServer } from "./program.js";

// A ```sh block with an answer block right behind it is run by bash, in the root of the
// repository, with a fresh server in place of 127.0.0.1:4004; NAME=VALUE behind ```sh are that
// server's settings. The answer is one of
// - ```json: what the command printed;
// - ```http: the status line and the body that it printed, and each header field that is shown;
// - ```text: what it printed on both outputs, whether or not it succeeded.

interface Command {
  readonly page: string;
  readonly sh: Block;
  readonly answer: Block;
}

const ANSWERS = ["json", "http", "text"];

const commands: Command[] = pages.flatMap((page) => {
  const blocks = blocksOf(readPage(page));
  return blocks.flatMap((sh, index) => {
    const answer = blocks[index + 1];
    if (sh.language !== "sh" || answer?.followsBlock !== true) return [];
    return ANSWERS.includes(answer.language) ? [{ page, sh, answer }] : [];
  });
});

const missing = ["bash", "curl"].filter(
  (program) => spawnSync(program, ["--version"]).status !== 0,
);

const servers = new Map<string, Promise<Program>>();

function serverWith(settings: string): Promise<Program> {
  let server = servers.get(settings);
  if (server === undefined) {
    const pairs = settings.split(" ").filter((pair) => pair !== "");
    server = startServer(Object.fromEntries(pairs.map((pair) => pair.split("=", 2))));
    servers.set(settings, server);
  }
  return server;
}

afterAll(async () => {
  for (const server of servers.values()) await (await server).stop();
});

interface Output {
  readonly stdout: string;
  readonly stderr: string;
  readonly code: number;
}

function bash(script: string): Promise<Output> {
  const options = { cwd: root, env: cleanEnvironment(), maxBuffer: 1 << 24, timeout: 55_000 };
  return new Promise((resolve) => {
    execFile("bash", ["-c", `set -o pipefail\n${script}`], options, (error, stdout, stderr) => {
      resolve({ stdout, stderr, code: typeof error?.code === "number" ? error.code : 0 });
    });
  });
}

interface HttpAnswer {
  readonly status: string;
  /** Name in lower case → value. */
  readonly fields: Record<string, string>;
  readonly body: string;
}

function parseAnswer(text: string): HttpAnswer {
  const plain = text.replaceAll("\r\n", "\n");
  // What curl shows of an interim answer.
  const final = plain.replace(/^(?:HTTP\/1\.1 1\d\d [^\n]*\n\n)+/, "");
  const [head = "", ...rest] = final.split("\n\n");
  const [status = "", ...lines] = head.split("\n");
  const fields = lines.map((line) => {
    const colon = line.indexOf(":");
    return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
  });
  return { status, fields: Object.fromEntries(fields), body: rest.join("\n\n").trim() };
}

/** What names a push, a request or a message is another text each time; a long number is none. */
function withoutIds(text: string): string {
  return text
    .trim()
    .replace(/(?<![\w-])(?!\d{20})[\w-]{20}(?![\w-])/g, "<id>")
    .replace(/(?<=[,{]"id":")[0-9a-z]{1,32}-\d+(?="[,}])/g, "<id>");
}

function compare(answer: Block, output: Output): void {
  if (answer.language === "text") {
    expect(withoutIds(`${output.stdout}${output.stderr}`)).toBe(withoutIds(answer.text));
    return;
  }
  expect(output).toMatchObject({ code: 0 });
  if (answer.language === "json") {
    expect(withoutIds(output.stdout)).toBe(withoutIds(answer.text));
    return;
  }
  const got = parseAnswer(output.stdout);
  const shown = parseAnswer(answer.text);
  expect({ status: got.status, body: got.body }).toEqual({
    status: shown.status,
    body: shown.body,
  });
  expect(got.fields).toMatchObject(shown.fields);
}

describe.skipIf(missing.length > 0)(
  `the commands of the documentation${missing.length > 0 ? ` (no ${missing.join(", no ")})` : ""}`,
  () => {
    it.each(commands.map((command) => [`${command.page}:${command.sh.line}`, command] as const))(
      "%s answers what the page shows",
      async (_where, { sh, answer }) => {
        const { port } = await serverWith(sh.info);
        const output = await bash(sh.text.replaceAll("127.0.0.1:4004", `127.0.0.1:${port}`));
        compare(answer, output);
      },
    );
  },
);

it("the documentation shows the answers of its commands", () => {
  expect(commands.length).toBeGreaterThan(20);
});
