/** Lists of elements as users give them. */

import type { ElementFactory } from "./element.ts";

/**
 * Checks a list of elements: one that was not called, or a box of two sides, would do nothing, or fail far from here. `doing` and `side` begin its error.
 *
 * @throws {TypeError} If it is none.
 */
export function checkElements(doing: string, side: string, elements: unknown): void {
  if (elements === undefined) return;
  const wrong: unknown = Array.isArray(elements)
    ? elements.find((element: Partial<ElementFactory>) => typeof element?.create !== "function")
    : elements;
  if (wrong === undefined) return;
  let hint = typeof wrong === "function" ? `: ${wrong.name} is a function, call it` : "";
  if (typeof wrong === "object" && wrong !== null && "up" in wrong && "down" in wrong) {
    hint = ": a middlebox of two sides is given in two places, its 'up' here and its 'down' there";
  }
  throw new TypeError(
    `Cannot ${doing} as '${side}' must be a list of elements such as [delay("20 ms")]${hint}`,
  );
}
