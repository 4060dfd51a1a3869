/** The views that fill() and drain() lend to their callbacks, and what is made of their answers. */

import { describe } from "./policies.ts";

/** What is lent: the stack's own memory, or a copy that is detached when the call ends. */
export type Views = "pages" | "copies";

/** What a callback does with what it is lent: it answers how many bytes. */
export type Use = (view: Uint8Array<ArrayBuffer>) => number;

/** In a copy that is to be filled, so that bytes which nobody wrote are seen. */
const NOTHING_YET = 0xdb;

/** Refuses what is no callback. */
export function checkUse(verb: "fill" | "drain", use: unknown): void {
  if (typeof use === "function") return;
  throw new TypeError(
    `Cannot ${verb} by ${
      describe(use)
    } as it must be a function of a view that returns how many bytes it has ${DONE[verb]}`,
  );
}

/** Refuses what is no choice. */
export function checkViews(verb: string, views: unknown): void {
  if (views === undefined || views === "pages" || views === "copies") return;
  throw new TypeError(
    `Cannot ${verb} as 'views' must be "pages" or "copies": current value is ${describe(views)}`,
  );
}

const DONE = { fill: "written", drain: "used" } as const;

function checkAnswer(verb: "fill" | "drain", answer: unknown, most: number): number {
  if (Number.isInteger(answer) && answer as number >= 0 && answer as number <= most) {
    return answer as number;
  }
  const later = typeof (answer as { then?: unknown } | null)?.then === "function"
    ? "a promise, and the view is gone by then"
    : describe(answer);
  throw new (typeof answer === "number" ? RangeError : TypeError)(
    `Cannot ${verb} as the callback must return how many bytes it has ${
      DONE[verb]
    }, an integer from 0 to ${most}: it returned ${later}`,
  );
}

/** Lends `page` to `use`; gives its answer, or throws what it throws. */
export function lend(
  verb: "fill" | "drain",
  views: Views,
  page: Uint8Array<ArrayBuffer>,
  use: Use,
): number {
  if (views === "pages") return checkAnswer(verb, use(page), page.length);
  const { length } = page;
  const view = verb === "drain" ? page.slice() : new Uint8Array(length).fill(NOTHING_YET);
  try {
    const bytes = checkAnswer(verb, use(view), length);
    if (bytes > 0 && view.length < length) {
      throw new TypeError(`Cannot ${verb} as the callback has transferred its view`);
    }
    if (verb === "fill") page.set(bytes < length ? view.subarray(0, bytes) : view);
    return bytes;
  } finally {
    // Detached: what is kept of it has no bytes from now on.
    if (view.length > 0) view.buffer.transfer();
  }
}
