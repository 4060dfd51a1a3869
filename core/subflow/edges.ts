/**
 * Lists of starts and ends of spans, in turn. What stands in them is moved number by number: `splice` makes an array each time, and `copyWithin` asks V8's runtime
 * three times for each number of an array.
 */

/** Takes what stands from index `from` to index `to` out. */
export function closeGap(edges: number[], from: number, to: number): void {
  if (from === to) return;
  for (let i = to; i < edges.length; i++) edges[from + i - to] = edges[i]!;
  for (let i = from; i < to; i++) edges.pop();
}

/** Makes place for a start and an end at index `at`. */
export function openGap(edges: number[], at: number): void {
  const { length } = edges;
  edges.push(0, 0);
  for (let i = length - 1; i >= at; i--) edges[i + 2] = edges[i]!;
}
