/** How far a pool of workers is: a bar on a terminal, a line each tenth elsewhere. */

import { cliProgress } from "../cli/deps.ts";
import { report } from "../cli/output.ts";

/** Shows how many of `total` are done, on the standard error. */
export class PoolProgress implements Disposable {
  readonly #total: number;
  readonly #what: string;
  readonly #bar: InstanceType<typeof cliProgress.SingleBar> | null;
  #done = 0;

  /** `what` names the things in the plural. */
  constructor(total: number, what: string) {
    this.#total = total;
    this.#what = what;
    this.#bar = Deno.stderr.isTerminal()
      ? new cliProgress.SingleBar({
        format: "{bar} {value} of {total} {what}, {eta_formatted} left",
        barsize: 32,
        barCompleteChar: "█",
        barIncompleteChar: "░",
        clearOnComplete: true,
        gracefulExit: false,
        hideCursor: false,
        etaBuffer: 100,
      })
      : null;
    this.#bar?.start(total, 0, { what });
  }

  /** So many are done by now. */
  update(done: number): void {
    this.#bar?.update(done);
    const tenth = (count: number): number => Math.floor(10 * count / this.#total);
    if (this.#bar === null && tenth(done) > tenth(this.#done)) {
      report(`${done} of ${this.#total} ${this.#what}`);
    }
    this.#done = done;
  }

  [Symbol.dispose](): void {
    this.#bar?.stop();
  }
}
