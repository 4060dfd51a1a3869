/** The pool of workers that measurements are spread over. */

import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { type Outcome, runJobs } from "../../bench/pool.ts";

interface Job {
  readonly what: string;
  readonly value?: number;
}

/** A module of jobs: what a job is to do stands in it. */
const MODULE = `data:application/javascript,${
  encodeURIComponent(`
let jobs = 0;
export async function run({ what, value }) {
  jobs++;
  switch (what) {
    case "double": return { value: 2 * value, jobs };
    case "later": await new Promise((resolve) => setTimeout(resolve, 1)); return { value, jobs };
    case "throw": throw new RangeError("too far");
    case "function": return () => {};
    case "crash": setTimeout(() => { throw new Error("bang"); }); await new Promise(() => {}); break;
    case "reject": Promise.reject(new Error("left behind")); return { value, jobs };
    case "both": Promise.reject(new Error("left behind")); throw new RangeError("too far");
    case "timer": setTimeout(() => { throw new Error("later"); }); return { value, jobs };
    case "hang": while (true);
  }
}`)
}`;

const nameOf = ({ what, value }: Job): string => `${what} ${value ?? ""}`.trim();

function texts(outcomes: readonly Outcome<unknown>[]): string[] {
  return outcomes.map((outcome) => outcome.ok ? "ok" : outcome.error.split("\n")[0]!);
}

describe("a pool of workers", () => {
  it("gives the results in the order of the jobs, and tells of each as it comes", async () => {
    const jobs = Array.from({ length: 9 }, (_, value): Job => ({
      what: value % 2 === 0 ? "later" : "double",
      value,
    }));
    const told: number[] = [];
    const outcomes = await runJobs<Job, { value: number }>(jobs, {
      module: MODULE,
      nameOf,
      workers: 3,
      onDone: (outcome, _, done) => {
        assert(outcome.ok);
        told.push(done);
      },
    });
    assertEquals(
      outcomes.map((outcome) => outcome.ok && outcome.value.value),
      [0, 2, 2, 6, 4, 10, 6, 14, 8],
    );
    assertEquals(told, [1, 2, 3, 4, 5, 6, 7, 8, 9]);
  });

  it("lets a worker do many jobs: what it imported stays", async () => {
    const jobs = Array.from({ length: 5 }, (_, value): Job => ({ what: "double", value }));
    const outcomes = await runJobs<Job, { jobs: number }>(jobs, {
      module: MODULE,
      nameOf,
      workers: 1,
    });
    assertEquals(outcomes.map((each) => each.ok && each.value.jobs), [1, 2, 3, 4, 5]);
  });

  it("ends a job when its watcher says why, and no other", async () => {
    const jobs: Job[] = [{ what: "hang", value: 1 }, { what: "double", value: 2 }];
    const outcomes = await runJobs<Job, unknown>(jobs, {
      module: MODULE,
      nameOf,
      workers: 2,
      watch: ({ what }) => what === "hang" ? "it plays with numbers" : null,
    });
    assertEquals(texts(outcomes), ["hang 1: it plays with numbers", "ok"]);
  });

  it("names a job that throws, that ends its worker, that does not end, or whose result is no data; the others go on", async () => {
    const jobs: Job[] = [
      { what: "throw" },
      { what: "double", value: 1 },
      { what: "crash" },
      { what: "hang", value: 7 },
      { what: "function" },
      { what: "double", value: 2 },
    ];
    const outcomes = texts(
      await runJobs(jobs, { module: MODULE, nameOf, workers: 1, patience: 3000 }),
    );
    assertEquals(outcomes[0], "throw: RangeError: too far");
    assertEquals(outcomes[1], "ok");
    assertStringIncludes(outcomes[2]!, "crash: its worker ended");
    assertStringIncludes(outcomes[2]!, "bang");
    assertEquals(outcomes[3], "hang 7: no answer within 3 s");
    assertStringIncludes(outcomes[4]!, "function: DataCloneError");
    assertEquals(outcomes[5], "ok");
  });

  it("names a job that leaves an error behind which nobody takes", async () => {
    const jobs: Job[] = [
      { what: "reject" },
      { what: "double", value: 1 },
      { what: "timer" },
      { what: "double", value: 2 },
      { what: "both" },
      { what: "double", value: 3 },
      { what: "reject", value: 2 },
    ];
    const outcomes = texts(await runJobs(jobs, { module: MODULE, nameOf, workers: 1 }));
    assertEquals(outcomes.map((text) => text.split(":")[0]), [
      "reject",
      "ok",
      "timer",
      "ok",
      "both",
      "ok",
      "reject 2",
    ]);
    assertStringIncludes(outcomes[0]!, "left behind");
    assertStringIncludes(outcomes[2]!, "later");
  });

  it("says what is wrong with a module, or with a choice", async () => {
    const run = (module: string, options: object = {}): Promise<unknown> =>
      runJobs([{ what: "double" }], { module, nameOf, ...options });
    await assertRejects(
      () => run("data:application/javascript,export const a = 1;"),
      TypeError,
      "exports no function 'run'",
    );
    await assertRejects(() => run("file:///nowhere/at_all.ts"), TypeError, "at_all.ts");
    await assertRejects(() => run(MODULE, { workers: 0 }), RangeError, "'workers'");
    await assertRejects(() => run(MODULE, { patience: Infinity }), RangeError, "'patience'");
    assertEquals(await runJobs([], { module: MODULE, nameOf }), []);
  });
});
