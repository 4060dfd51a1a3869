/** Waiting for a kernel: it runs on the real clock. */

/** Waits. */
export function sleep(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

/** Waits until `condition` holds, asked every few milliseconds; after so many seconds, by default ten, it is an error that names `what`. */
export async function until(
  what: string,
  condition: () => boolean | Promise<boolean>,
  seconds = 10,
): Promise<void> {
  const end = performance.now() + seconds * 1000;
  while (!await condition()) {
    if (performance.now() > end) throw new Error(`Waited in vain until ${what}`);
    await sleep(10);
  }
}
