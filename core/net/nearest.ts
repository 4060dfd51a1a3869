/** What somebody has probably meant who has misspelt a name. */

/** The one of `names` that `wrong` was probably meant to be, or undefined. */
export function nearest(wrong: string, names: readonly string[]): string | undefined {
  const distance = (a: string, b: string): number => {
    let row = Array.from({ length: b.length + 1 }, (_, i) => i);
    for (let i = 1; i <= a.length; i++) {
      const next = [i];
      for (let j = 1; j <= b.length; j++) {
        const change = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
        next.push(Math.min(change, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
      }
      row = next;
    }
    return row[b.length] ?? 0;
  };
  const [best] = names
    .map((name) => ({ name, far: distance(wrong, name) }))
    .sort((a, b) => a.far - b.far);
  return best !== undefined && best.far <= Math.max(1, wrong.length / 3) ? best.name : undefined;
}
