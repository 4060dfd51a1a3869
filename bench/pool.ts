/**
 * Jobs on all cores: each worker imports a module of the caller's, and calls its `run` with one job after another. Jobs and results are plain data.
 *
 * A job that throws, ends its worker, or does not end is one outcome among the others: its worker is replaced and the rest goes on.
 */

/** What came of a job. */
export type Outcome<Result> =
  | { readonly ok: true; readonly value: Result }
  /** `error` names the job, and says what happened to it. */
  | { readonly ok: false; readonly error: string };

/** Where jobs run, and who is told. */
export interface PoolOptions<Job, Result> {
  /** URL of a module that exports `run(job)`, which gives the result or a promise of it. */
  readonly module: string | URL;
  /** What a job is called in errors. */
  readonly nameOf: (job: Job) => string;
  /**
   * Workers, from 1.
   *
   * @default {navigator.hardwareConcurrency}
   */
  readonly workers?: number;
  /**
   * Milliseconds of real time that a job may take; what takes longer counts as hanging, and its worker is ended.
   *
   * @default {600_000}
   */
  readonly patience?: number;
  /**
   * Asked once a second while a job runs, from when on it has run for a second: a text says why it is to be ended, and becomes its error.
   *
   * @default nobody is
   */
  readonly watch?: (job: Job) => string | null;
  /** Told of each outcome as it comes, with how many there are by now. */
  readonly onDone?: (outcome: Outcome<Result>, job: Job, done: number) => void;
}

/** What a worker is told: the module first, then jobs. */
export type ToWorker =
  | { readonly kind: "module"; readonly url: string }
  | { readonly kind: "job"; readonly job: unknown };

/** What it answers. */
export type FromWorker =
  | { readonly kind: "ready" }
  | { readonly kind: "unusable"; readonly error: string }
  | { readonly kind: "value"; readonly value: unknown }
  | { readonly kind: "failed"; readonly error: string };

/** Milliseconds that a job may take where nothing is said, and that a module may take to be imported. */
const PATIENCE = 600_000;

/** Milliseconds between two looks at a job. */
const LOOK = 1000;

/** One worker, which does one thing at a time. */
class Hand implements Disposable {
  readonly #worker = new Worker(new URL("./pool_worker.ts", import.meta.url), { type: "module" });

  /**
   * Sends `message`, and resolves with the answer; rejects when the worker ends, takes longer than `patience` milliseconds, or `watch` says why it is to end.
   */
  ask(
    message: ToWorker,
    patience: number,
    watch: () => string | null = () => null,
  ): Promise<FromWorker> {
    let resolve!: (answer: FromWorker) => void;
    let reject!: (error: Error) => void;
    const promise = new Promise<FromWorker>((...both) => [resolve, reject] = both);
    const timer = setTimeout(
      () => reject(new Error(`no answer within ${patience / 1000} s`)),
      patience,
    );
    const looks = setInterval(() => {
      const why = watch();
      if (why !== null) reject(new Error(why));
    }, LOOK);
    this.#worker.onmessage = ({ data }) => resolve(data);
    this.#worker.onmessageerror = () => reject(new Error("its answer is no plain data"));
    this.#worker.onerror = (event) => {
      event.preventDefault();
      reject(new Error(`its worker ended: ${event.message}`));
    };
    this.#worker.postMessage(message);
    return promise.finally(() => {
      clearTimeout(timer);
      clearInterval(looks);
    });
  }

  [Symbol.dispose](): void {
    this.#worker.terminate();
  }
}

/** A worker that has imported the module. */
async function hire(module: string): Promise<Hand> {
  const hand = new Hand();
  try {
    const answer = await hand.ask({ kind: "module", url: module }, PATIENCE);
    if (answer.kind === "ready") return hand;
    throw new TypeError(
      `Cannot run jobs by ${module}: ${answer.kind === "unusable" ? answer.error : answer.kind}`,
    );
  } catch (error) {
    hand[Symbol.dispose]();
    throw error;
  }
}

/**
 * Runs `jobs` in their order, as many at a time as there are workers; the outcomes stand in the order of the jobs.
 *
 * @throws {TypeError} the module cannot be imported, or exports no `run`.
 */
export async function runJobs<Job, Result>(
  jobs: readonly Job[],
  options: PoolOptions<Job, Result>,
): Promise<Outcome<Result>[]> {
  const { nameOf, patience = PATIENCE, workers = navigator.hardwareConcurrency, onDone } = options;
  if (!(Number.isInteger(workers) && workers >= 1)) {
    throw new RangeError(
      `Cannot run jobs as 'workers' must be a whole number from 1: current value is ${workers}`,
    );
  }
  if (!(patience > 0 && patience < 2 ** 31)) {
    throw new RangeError(
      `Cannot run jobs as 'patience' must be from 1 to ${
        2 ** 31 - 1
      } ms: current value is ${patience}`,
    );
  }
  const module = new URL(options.module).href;
  const outcomes = new Array<Outcome<Result>>(jobs.length);
  let next = 0;
  let done = 0;
  let stopped = false;
  const work = async (): Promise<void> => {
    let hand: Hand | null = null;
    try {
      while (!stopped && next < jobs.length) {
        const index = next++;
        const job = jobs[index]!;
        hand ??= await hire(module);
        let outcome: Outcome<Result>;
        try {
          const answer = await hand.ask(
            { kind: "job", job },
            patience,
            () => options.watch?.(job) ?? null,
          );
          outcome = answer.kind === "value"
            ? { ok: true, value: answer.value as Result }
            : { ok: false, error: `${nameOf(job)}: ${"error" in answer ? answer.error : "?"}` };
        } catch (error) {
          outcome = { ok: false, error: `${nameOf(job)}: ${(error as Error).message}` };
          hand[Symbol.dispose]();
          hand = null;
        }
        outcomes[index] = outcome;
        onDone?.(outcome, job, ++done);
      }
    } finally {
      // Whatever ended this one ends the others after what they are at.
      stopped ||= next < jobs.length;
      hand?.[Symbol.dispose]();
    }
  };
  await Promise.all(Array.from({ length: Math.min(workers, jobs.length) }, work));
  return outcomes;
}
