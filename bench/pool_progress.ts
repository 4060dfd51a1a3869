/** How far a pool of workers is: a bar on a terminal, a line each tenth elsewhere. */

import { cliProgress } from "../cli/deps.ts";
import { report } from "../cli/output.ts";

/** Shows how many of `total` are done, on the standard error. */
export class PoolProgress implements Disposable {
  readonly #total: number;
  readonly #what: string;
  readonly #bar: InstanceType<typeof cliProgress.SingleBar> | null;
  readonly #start = performance.now();
  #done = 0;
  /** What stands in the last line. */
  #told = 0;

  /** `what` names the things in the plural. */
  constructor(total: number, what: string) {
    this.#total = total;
    this.#what = what;
    this.#bar = Deno.stderr.isTerminal()
      ? new cliProgress.SingleBar({
        format: "{bar} {done} of {total} {what}{left}",
        barsize: 32,
        barCompleteChar: "█",
        barIncompleteChar: "░",
        clearOnComplete: true,
        gracefulExit: false,
        hideCursor: false,
        // The terminal's own wrapping stays on, for whoever is killed as it draws.
        linewrap: true,
      })
      : null;
    this.#bar?.start(total, 0, { what, done: 0, left: "" });
  }

  /** So many are done by now. */
  update(done: number): void {
    this.#bar?.update(done, { done: Math.floor(done), left: this.#left(done) });
    const tenth = (count: number): number => Math.floor(10 * count / this.#total);
    if (this.#bar === null && tenth(done) > tenth(this.#done)) {
      // Of few a tenth is a part of one.
      const told = this.#total < 10 ? Math.floor(10 * done) / 10 : Math.floor(done);
      if (told > this.#told) report(`${told} of ${this.#total} ${this.#what}`);
      this.#told = told;
    }
    this.#done = done;
  }

  /** How long the rest takes if it goes on like that; nothing is said at once. */
  #left(done: number): string {
    const passed = (performance.now() - this.#start) / 1000;
    if (done <= 0 || passed < 1) return "";
    const seconds = Math.round(passed * (this.#total - done) / done);
    const [minutes, hours] = [Math.floor(seconds / 60), Math.floor(seconds / 3600)];
    const left = hours > 0
      ? `${hours} h ${minutes % 60} min`
      : minutes > 0
      ? `${minutes} min ${seconds % 60} s`
      : `${seconds} s`;
    return `, ${left} left`;
  }

  [Symbol.dispose](): void {
    this.#bar?.stop();
  }
}
