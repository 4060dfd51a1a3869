/** What the command prints, and how it words bytes, rates and times. */

const encoder = new TextEncoder();

function writeAll(to: { writeSync(bytes: Uint8Array): number }, text: string): void {
  let bytes = encoder.encode(text);
  while (bytes.length > 0) bytes = bytes.subarray(to.writeSync(bytes));
}

/** Prints lines of the answer. */
export function print(text: string): void {
  writeAll(Deno.stdout, `${text}\n`);
}

/** Prints lines about the work, errors included: they do not mix with an answer that is piped on. */
export function report(text: string): void {
  writeAll(Deno.stderr, `${text}\n`);
}

/** A file that is open to be written, as it was so far; `unmake` closes it, and removes it if it was not there before. */
export interface Writable {
  /** What is written to. */
  readonly file: Deno.FsFile;
  /** For when nothing comes that it could hold. */
  unmake(): void;
}

/**
 * Opens a file, or makes it.
 *
 * @throws {Error} It cannot be written.
 */
export async function openWritable(path: string): Promise<Writable> {
  let made = true;
  const file = await Deno.open(path, { write: true, createNew: true }).catch((error) => {
    if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
    made = false;
    // A link that leads nowhere is there, too.
    return Deno.open(path, { write: true, create: true });
  });
  return {
    file,
    unmake() {
      file.close();
      if (!made) return;
      try {
        Deno.removeSync(path);
      } catch (error) {
        if (!(error instanceof Deno.errors.NotFound)) throw error;
      }
    },
  };
}

/**
 * Finds out, before the work that fills it, whether a file can be written; until then one that is there stays as it is, and none is made.
 *
 * @throws {Error} It cannot.
 */
export async function checkWritable(path: string): Promise<void> {
  (await openWritable(path)).unmake();
}

/** What others say, so that it can be shown: characters that steer a terminal are replaced, but for ends of lines and tabs. */
export function printable(text: string): string {
  return text.replace(/[^\P{Cc}\n\t]/gu, "\ufffd");
}

/** What the operations of errors of the system are called. */
const OPERATIONS: Readonly<Record<string, string>> = {
  open: "open",
  readdir: "read",
  readfile: "read",
  realpath: "find",
  stat: "find",
  writefile: "write",
};

/** The message of an error; one of the operating system, "No such file or directory (os error 2): realpath 'x'", as a sentence. */
export function explain(error: Error): string {
  const system = /^(.+) \(os error \d+\): (\w+) '(.*)'$/.exec(error.message);
  if (system === null) return error.message;
  const [, what = "", operation = "", path = ""] = system;
  const why = what.charAt(0).toLowerCase() + what.slice(1);
  return `Cannot ${OPERATIONS[operation] ?? operation} ${path}: ${why}`;
}

/** A heading on a terminal, plain text elsewhere. */
export function bold(text: string): string {
  return Deno.noColor || !Deno.stdout.isTerminal() ? text : `\x1b[1m${text}\x1b[22m`;
}

/** Columns of the terminal; 80 where there is none. */
export function terminalColumns(): number {
  try {
    return Deno.consoleSize().columns;
  } catch {
    return 80;
  }
}

function scaled(value: number, step: number, units: readonly string[]): string {
  let unit = 0;
  while (value >= step && unit < units.length - 1) {
    value /= step;
    unit++;
  }
  const digits = unit === 0 || value >= 100 ? 0 : value >= 10 ? 1 : 2;
  return `${value.toFixed(digits)} ${units[unit]}`;
}

/** Bytes as people read them: "32.0 MB". */
export function formatBytes(bytes: number): string {
  return scaled(bytes, 1000, ["B", "kB", "MB", "GB", "TB"]);
}

/** A rate of bytes per second as bits: "30.9 Mbit/s". */
export function formatRate(bytesPerSecond: number): string {
  return scaled(bytesPerSecond * 8, 1000, ["bit/s", "kbit/s", "Mbit/s", "Gbit/s"]);
}

/** Microseconds as people read them: "45 ms". */
export function formatTime(micros: number): string {
  return micros >= 1e6 ? `${(micros / 1e6).toFixed(2)} s` : `${(micros / 1e3).toFixed(0)} ms`;
}

/** A part of a whole: "62 %". */
export function formatShare(part: number, whole: number): string {
  return whole === 0 ? "-" : `${(100 * part / whole).toFixed(0)} %`;
}

/**
 * Reads a size such as `32`, `32MB` or `512kB`; a bare number means bytes. MB are a million bytes.
 *
 * @throws {RangeError} it is none.
 */
export function parseSize(text: string): number {
  const match = /^(\d+(?:\.\d+)?) ?(B|kB|MB|GB)?$/i.exec(text);
  const factor = { b: 1, kb: 1e3, mb: 1e6, gb: 1e9 }[(match?.[2] ?? "B").toLowerCase()] ?? 0;
  const size = Math.round(Number(match?.[1]) * factor);
  if (!(size >= 1 && size <= 1e12)) {
    throw new RangeError(
      `Cannot use a size of "${text}" as it must be a number of B, kB, MB or GB from 1 B to 1000 GB`,
    );
  }
  return size;
}
