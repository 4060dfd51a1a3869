/** Lists that mostly hold two or three. */

/**
 * An empty array with room for four. One that begins with none makes room for seventeen when the first is added, and each connection has a dozen lists of
 * its subflows. What pops from it keeps the room; setting its length would give it back.
 */
export function few<T>(): T[] {
  const list: unknown[] = [null, null, null, null];
  while (list.length > 0) list.pop();
  return list as T[];
}
