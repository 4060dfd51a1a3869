/** Live progress on a terminal: for each transfer one bar for the whole and one for each path. Elsewhere nothing is drawn. */

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
    if (!this.#drawing) return { update: () => {}, end: () => {} };
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
