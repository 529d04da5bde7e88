import {
  closeSync,
  constants,
  fsyncSync,
  openSync,
  readFileSync,
  renameSync,
  writeFileSync,
} from "node:fs";
import { open } from "node:fs/promises";
import { dirname } from "node:path";
import {
  checkRevocation,
  type Revocation,
  revocationInput,
  revocationJson,
} from "../../application/revocation.js";

/** The file cannot be used; `message` is one line for the operator and quotes nothing of the file. */
export class RevocationFileError extends Error {
  override readonly name = "RevocationFileError";
}

export interface RevocationFileOptions {
  /** Seconds since 1970. @defaultValue the system's clock */
  readonly now?: () => number;
  /** Lines added before the file is written anew with what still counts. @defaultValue 10000 */
  readonly compactAfter?: number;
}

/** Read and written by its owner alone: it tells who was shut out. */
const MODE = 0o600;

/**
 * Revocations that outlive the process: one JSON object a line, as `POST /api/revocations` takes
 * them, the last line of a subject or a token being the one that holds.
 *
 * One process at a time may use a file.
 */
export class RevocationFile {
  readonly #now: () => number;
  readonly #compactAfter: number;
  /** Appends wait for one another. */
  #last: Promise<unknown> = Promise.resolve();
  #added = 0;
  #compactAt: number;
  /** Where a failed append has left a part of a line that could not be taken back. */
  #goodSize: number | undefined;

  constructor(
    readonly path: string,
    { now = () => Date.now() / 1000, compactAfter = 10_000 }: RevocationFileOptions = {},
  ) {
    this.#now = now;
    this.#compactAfter = compactAfter;
    this.#compactAt = compactAfter;
  }

  /**
   * What still counts, at the start of a process; makes the file if there is none. A last line
   * that a crash has cut short is dropped: it was never confirmed.
   *
   * @throws {RevocationFileError} if it cannot be read or written, or holds another line that
   * is no revocation: to pass over it could let a token in.
   */
  read(): Revocation[] {
    try {
      // Opened for writing as well, so that what is wrong with that comes up now.
      const file = openSync(this.path, constants.O_CREAT | constants.O_RDWR, MODE);
      closeSync(file);
      return this.#compact();
    } catch (error) {
      throw this.#explained(error);
    }
  }

  /** Resolves once the revocation is on the disk; rejects with a `RevocationFileError`. */
  append(revocation: Revocation): Promise<void> {
    const line = lineOf(revocation);
    const appended = this.#last.then(() => this.#append(line));
    this.#last = appended.catch(() => {});
    return appended;
  }

  async #append(line: string): Promise<void> {
    try {
      await this.#write(line);
    } catch (error) {
      throw this.#explained(error);
    }
    this.#added++;
    if (this.#added < this.#compactAt) return;
    try {
      this.#compact();
    } catch {
      // The line is on the disk, which is what was promised; the file may grow until the next time.
      this.#compactAt = this.#added + this.#compactAfter;
    }
  }

  async #write(line: string): Promise<void> {
    const file = await open(this.path, "a", MODE);
    try {
      if (this.#goodSize !== undefined) await file.truncate(this.#goodSize);
      this.#goodSize = (await file.stat()).size;
      await file.appendFile(line);
      await file.datasync();
      this.#goodSize = undefined;
    } catch (error) {
      // Without this, the next line would be glued to half a line and make the file unreadable.
      if (this.#goodSize !== undefined) {
        await file.truncate(this.#goodSize).then(
          () => {
            this.#goodSize = undefined;
          },
          () => {},
        );
      }
      throw error;
    } finally {
      await file.close();
    }
  }

  /** Reads the file, and writes it anew if it holds more than what still counts. */
  #compact(): Revocation[] {
    const text = readFileSync(this.path, "utf8");
    const lines = text.split("\n");
    const last = lines.pop() ?? "";
    // Whole without its line feed it counts: a file that was written by hand may end so.
    if (revocationOf(last) !== undefined) lines.push(last);
    const kept = new Map<string, Revocation>();
    const now = this.#now();
    for (const [index, line] of lines.entries()) {
      const revocation = revocationOf(line);
      if (revocation === undefined) {
        throw new RevocationFileError(`line ${index + 1} of ${this.path} is no revocation`);
      }
      kept.set(JSON.stringify([revocation.subject, revocation.tokenId]), revocation);
    }
    const left = [...kept.values()].filter(({ until }) => until === undefined || now < until);
    if (last !== "" || left.length < lines.length) this.#replace(left.map(lineOf).join(""));
    this.#added = 0;
    this.#compactAt = Math.max(this.#compactAfter, left.length);
    return left;
  }

  /** A crash at any point leaves the old file or the new one, whole. */
  #replace(text: string): void {
    const fresh = `${this.path}.new`;
    writeFileSync(fresh, text, { mode: MODE, flush: true });
    renameSync(fresh, this.path);
    // The new name is on the disk once its directory is; Windows can't be asked for that.
    if (process.platform === "win32") return;
    const directory = openSync(dirname(this.path), "r");
    try {
      fsyncSync(directory);
    } finally {
      closeSync(directory);
    }
  }

  #explained(error: unknown): RevocationFileError {
    if (error instanceof RevocationFileError) return error;
    const { code = "an unknown error" } = error as NodeJS.ErrnoException;
    return new RevocationFileError(`cannot use the revocation file ${this.path}: ${code}`);
  }
}

function lineOf(revocation: Revocation): string {
  return `${JSON.stringify(revocationJson(revocation))}\n`;
}

function revocationOf(line: string): Revocation | undefined {
  let json: unknown;
  try {
    json = JSON.parse(line);
  } catch {
    return undefined;
  }
  const read = revocationInput(json);
  if (!read.ok) return undefined;
  // Each line says its own time; a subject's that does not has been written by hand, and means none.
  const { subject, issuedBefore } = read.input;
  if (subject !== undefined && issuedBefore === undefined) return undefined;
  const checked = checkRevocation(read.input, 0);
  return checked.ok ? checked.revocation : undefined;
}
