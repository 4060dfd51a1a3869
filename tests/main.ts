/**
 * `deno task test`: checks all types once, then runs all tests in two processes, one after the other: those on the real clock one by one, as who has to share
 * the processors with the others would be judged by them, then the rest, several at a time. Ends with the failures of both and one line: "ok | N passed | N
 * failed".
 *
 * With arguments, such as a file or `--filter`, it is `deno test -A --doc` with these.
 */

import { bold, print } from "../cli/output.ts";

/**
 * Files and folders whose tests run one after the other. Most have a kernel or a socket at the other end, or wait for a browser no longer than so many
 * seconds: a busy processor must not be what decides. Some change what a process has one of: its folder, its environment. `tests/main_test.ts` looks for
 * those that need a kernel, and for these.
 */
export const ONE_BY_ONE: readonly string[] = [
  "tests/bench/kernel_test.ts",
  "tests/cli/control_test.ts",
  "tests/cli/origin_test.ts",
  "tests/interop",
  "tests/link",
  "tests/net",
  "tests/playground",
];

/**
 * The packages of others that tests use, and the command's. They have a lock of their own, as `deno task` downloads all that the lock of `deno.json` names,
 * whatever the task: see CONTRIBUTING.md.
 */
const LOCKED: readonly string[] = ["--lock=tests/deno.lock", "--frozen"];

/** Signals that end the run. */
const ENDING = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** What a run of `deno test` came to. */
export interface Sum {
  readonly passed: number;
  readonly failed: number;
  readonly ignored: number;
}

const SUM =
  /^(?:ok|FAILED) \| (\d+) passed(?: \(\d+ steps?\))? \| (\d+) failed(?: \(\d+ steps?\))?(?: \| (\d+) ignored)?/;

/** The last line of `deno test` as numbers; null: it is another line. */
export function readSum(line: string): Sum | null {
  const match = SUM.exec(line);
  return match && {
    passed: Number(match[1]),
    failed: Number(match[2]),
    ignored: Number(match[3] ?? 0),
  };
}

/** The sum of sums as the last line of `deno test` tells it. */
export function sumLine(sums: readonly Sum[], seconds: number): string {
  const of = (key: keyof Sum): number => sums.reduce((all, sum) => all + sum[key], 0);
  const ignored = of("ignored") > 0 ? ` | ${of("ignored")} ignored` : "";
  const time = `${Math.floor(seconds / 60)}m${Math.floor(seconds % 60)}s`;
  return `${of("failed") === 0 ? "ok" : "FAILED"} | ${of("passed")} passed | ${
    of("failed")
  } failed${ignored} (${time})`;
}

/** Reads what one `deno test` prints: each line names its file, and what it says of failures at its end is kept for the end of all. */
export class Report {
  /** What failed, and why. */
  readonly failures: string[] = [];
  /** Null: it has not come to its end. */
  sum: Sum | null = null;
  #file = "";
  #ending = false;

  /** The line as it is shown now; null: not yet. */
  take(line: string): string | null {
    const sum = readSum(line);
    if (sum !== null) {
      this.sum = sum;
      return null;
    }
    if (line === " ERRORS ") this.#ending = true;
    if (this.#ending) {
      this.failures.push(line);
      return null;
    }
    const running = /^running \d+ tests? from (.+)$/.exec(line);
    if (running !== null) this.#file = running[1]!;
    if (running !== null || line === "") return null;
    // Where several files run at a time each line names its own.
    return this.#file === "" ? line : `${this.#file} => ${line}`;
  }
}

/** It was told to end: nothing else begins. */
let told = false;

/** What runs now: whoever is told to end passes that on, or it would go on alone. */
const children = new Set<Deno.ChildProcess>();

function start(program: string, options: Deno.CommandOptions): Deno.ChildProcess {
  const child = new Deno.Command(program, options).spawn();
  children.add(child);
  void child.status.finally(() => children.delete(child));
  return child;
}

/** Runs `deno test` with its output read as a report. */
async function runGroup(args: readonly string[]): Promise<Report> {
  const words = ["test", "-A", ...LOCKED, "--doc", "--no-check", ...args];
  const child = start(Deno.execPath(), {
    args: words,
    env: { NO_COLOR: "1" },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  });
  const report = new Report();
  await Promise.all([child.stdout, child.stderr].map(async (stream) => {
    let rest = "";
    const show = (line: string): void => {
      const text = report.take(line);
      if (text !== null) print(text);
    };
    for await (const text of stream.pipeThrough(new TextDecoderStream())) {
      const lines = `${rest}${text}`.split("\n");
      rest = lines.pop()!;
      lines.forEach(show);
    }
    if (rest !== "") show(rest);
  }));
  const { success, code } = await child.status;
  // A process that ended in the midst has failed, whatever its tests said until then.
  if (report.sum === null || (!success && report.sum.failed === 0)) {
    const { passed = 0, ignored = 0 } = report.sum ?? {};
    report.sum = { passed, failed: 1, ignored };
    report.failures.push(`deno test ${args.join(" ")} ended with ${code} before its time`);
  }
  return report;
}

async function denoAlone(args: readonly string[]): Promise<number> {
  return (await start(Deno.execPath(), { args: [...args] }).status).code;
}

async function testAll(args: readonly string[]): Promise<number> {
  if (args.length > 0) return await denoAlone(["test", "-A", ...LOCKED, "--doc", ...args]);
  const start = performance.now();
  const code = await denoAlone(["check", ...LOCKED, "--quiet", "--doc"]);
  if (code !== 0) return code;
  const reports = [await runGroup(ONE_BY_ONE)];
  if (!told) reports.push(await runGroup(["--parallel", `--ignore=${ONE_BY_ONE.join()}`]));
  for (const { failures } of reports) if (failures.length > 0) print(failures.join("\n"));
  const sums = reports.flatMap(({ sum }) => sum ?? []);
  print(bold(`\n${sumLine(sums, (performance.now() - start) / 1000)}`));
  return sums.some(({ failed }) => failed > 0) ? 1 : 0;
}

const HELP = `deno task test [FILE…] [OPTIONS]

Checks all types, then runs all tests: those with a kernel or a browser one by one, the others
several at a time. With a file, a folder or an option it is \`deno test -A --doc\` with these, which
has its own: --filter TEXT, --no-check, --parallel and more, by \`deno test --help\`.`;

if (import.meta.main) {
  if (Deno.args.some((arg) => arg === "--help" || arg === "-h")) {
    print(HELP);
    Deno.exit();
  }
  // What both came to until then is told all the same. Ctrl-C reaches them by itself, too; a signal to this process alone does not.
  const signals = Deno.build.os === "windows" ? ["SIGINT"] as const : ENDING;
  for (const signal of signals) {
    Deno.addSignalListener(signal, () => {
      told = true;
      for (const child of children) {
        try {
          child.kill(signal);
        } catch {
          // It has just ended.
        }
      }
    });
  }
  // Behind `--` all would be for the tests themselves, and every file would be run.
  Deno.exit(await testAll(Deno.args[0] === "--" ? Deno.args.slice(1) : Deno.args));
}
