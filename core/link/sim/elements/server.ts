/** What a queue stands in front of: an element that works on one packet at a time. */

import type { Element, ElementContext } from "./element.ts";

/** Such an element. */
export type Server = Element & Required<Pick<Element, "busy" | "timeFor">>;

/**
 * The element behind a queue, which calls `onIdle` whenever it may take a packet.
 *
 * @throws {TypeError} If it takes all at once, or there is none.
 */
export function serverBehind(
  context: ElementContext,
  queue: string,
  onIdle: () => void,
): Server {
  const { next } = context;
  if (next?.busy === undefined || next.timeFor === undefined) {
    throw new TypeError(
      `Cannot use a ${queue} here as nothing behind it keeps packets waiting: put it directly in front of a rate`,
    );
  }
  next.onIdle = onIdle;
  return next as Server;
}
