/** Live progress of transfers: on a terminal a bar for the whole and one for each path, elsewhere a line each tenth, as runs have it. */

import { cliProgress } from "./deps.ts";
import { formatBytes, report } from "./output.ts";

/** What has been carried so far, in all or by one path. */
export interface Carried {
  /** Name of the transfer or the path. */
  readonly name: string;
  /** Bytes carried. */
  readonly bytes: number;
  /** More about it: rate, round-trip time. */
  readonly detail: string;
}

/** The bars of one transfer. */
export interface TransferProgress {
  /** Shows where things stand. */
  update(whole: Carried, paths: readonly Carried[]): void;
  /** Takes the bars away. */
  end(): void;
}

/** Characters of a name. */
const NAME = 22;
/** What the line of a bar holds beside it: name, figures, spaces. */
const BESIDE = NAME + 8 + 26 + 6;

/** Characters of a bar: what the terminal leaves for it, 8 at least and 32 at most. */
function barSize(): number {
  let columns = 80;
  try {
    ({ columns } = Deno.consoleSize());
  } catch {
    // No terminal, and nothing is drawn.
  }
  return Math.max(8, Math.min(32, columns - BESIDE));
}

/** Milliseconds of a transfer without a line: what is over by then tells of its end alone. */
const QUIET = 2000;
/** From one line to the next where nobody knows how much there will be. */
const PAUSE = 10_000;

/** The progress of one transfer where nothing is drawn, as in a log. */
export class TransferLines implements TransferProgress {
  readonly #total: number;
  readonly #say: (line: string) => void;
  readonly #clock: () => number;
  readonly #start: number;
  /** When the last line was, and at which tenth. */
  #last: number;
  #tenth = 0;

  /** `total` bytes, 0 = unknown; `clock` gives milliseconds. */
  constructor(total: number, say: (line: string) => void, clock = () => performance.now()) {
    this.#total = total;
    this.#say = say;
    this.#clock = clock;
    this.#start = this.#last = clock();
  }

  update({ name, bytes, detail }: Carried): void {
    const total = this.#total;
    const now = this.#clock();
    const tenth = total === 0 ? 0 : Math.floor(10 * bytes / total);
    const due = total === 0 ? now - this.#last >= PAUSE : tenth > this.#tenth && tenth < 10;
    this.#tenth = tenth;
    if (!due || now - this.#start < QUIET) return;
    this.#last = now;
    const whole = total === 0 ? "" : ` of ${formatBytes(total)}`;
    this.#say(`${name}: ${formatBytes(bytes)}${whole}, ${detail}`);
  }

  end(): void {}
}

/** Several groups of bars, redrawn in place on the standard error. */
export class Progress {
  readonly #drawing = Deno.stderr.isTerminal();
  readonly #bars = new cliProgress.MultiBar({
    format: "{name} |{bar}| {done}  {detail}",
    barsize: barSize(),
    barCompleteChar: "█",
    barIncompleteChar: "░",
    emptyOnZero: true,
    clearOnComplete: true,
    // Ctrl-C is the command's own business.
    gracefulExit: false,
    // Bars are cut at the edge in any case; the terminal's own wrapping stays on for the lines above them.
    linewrap: true,
    hideCursor: false,
  });

  /**
   * Begins to show a transfer.
   *
   * @param total bytes that there will be; 0 = unknown.
   */
  begin(total: number): TransferProgress {
    if (!this.#drawing) return new TransferLines(total, report);
    const bars = this.#bars;
    const rows = new Map<string, ReturnType<typeof bars.create>>();
    return {
      update(whole, paths) {
        for (const carried of [whole, ...paths]) {
          const { name, bytes, detail } = carried;
          let row = rows.get(name);
          if (row === undefined) {
            rows.set(name, row = bars.create(1, 0, { name, done: "", detail }));
          }
          row.setTotal(Math.max(1, total || whole.bytes));
          row.update(bytes, {
            name: (carried === whole ? name : `  ${name}`).padEnd(NAME),
            done: formatBytes(bytes).padStart(8),
            detail: detail.padEnd(32),
          });
        }
      },
      end() {
        for (const row of rows.values()) bars.remove(row);
        rows.clear();
      },
    };
  }

  /** Prints a line that stays, above the bars. */
  log(text: string): void {
    if (this.#drawing && this.#bars.isActive) {
      this.#bars.log(`${text}\n`);
      this.#bars.update(); // now: what is kept for the next drawing is lost when there is none
    } else report(text);
  }

  /** Ends all drawing. */
  stop(): void {
    this.#bars.stop();
  }
}
