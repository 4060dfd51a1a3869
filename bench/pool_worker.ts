/** A worker of bench/pool.ts. */

import type { FromWorker, ToWorker } from "./pool.ts";

/** What a worker has of its global scope; the project is checked without the types of workers. */
const scope = globalThis as unknown as {
  onmessage: ((event: { readonly data: ToWorker }) => void) | null;
  postMessage(message: FromWorker): void;
};

let run: ((job: unknown) => unknown) | null = null;

function textOf(error: unknown): string {
  return error instanceof Error ? error.stack ?? error.message : String(error);
}

async function take(url: string): Promise<FromWorker> {
  try {
    const module = await import(url);
    if (typeof module.run !== "function") {
      return { kind: "unusable", error: "it exports no function 'run'" };
    }
    run = module.run;
    return { kind: "ready" };
  } catch (error) {
    return { kind: "unusable", error: textOf(error) };
  }
}

async function work(job: unknown): Promise<FromWorker> {
  let answer: FromWorker;
  try {
    answer = { kind: "value", value: await run!(job) };
  } catch (error) {
    answer = { kind: "failed", error: textOf(error) };
  }
  // A rejection or a timer that it left behind, also where it failed, ends the worker here, while it is known whose they are.
  await new Promise((resolve) => setTimeout(resolve));
  return answer;
}

scope.onmessage = async ({ data }) => {
  const answer = await (data.kind === "module" ? take(data.url) : work(data.job));
  try {
    scope.postMessage(answer);
  } catch (error) {
    scope.postMessage({ kind: "failed", error: textOf(error) });
  }
};
