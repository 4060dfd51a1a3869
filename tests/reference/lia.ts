/** Alpha of RFC 6356 in integers of any size: slow, and plainly right. */

import type { Alpha, LinkedFlow } from "../../cc/lia.ts";

function integer(rtt: number): bigint {
  return BigInt(Math.max(1, Math.round(rtt)));
}

/** The same as `linkedAlpha`. */
export function linkedAlphaModel(flows: readonly LinkedFlow[]): Alpha {
  let best: LinkedFlow | undefined;
  let most = -1;
  let total = 0;
  for (const flow of flows) {
    const { window, mss, rtt } = flow;
    total += Math.floor(window * 1024 / mss);
    const rate = window * mss / (rtt * rtt);
    if (!(rate > most)) continue;
    most = rate;
    best = flow;
  }
  if (best === undefined || best.window === 0) return { scaled: 4096, total };
  const bestRtt = integer(best.rtt);
  let sum = 0n;
  for (const { window, rtt } of flows) sum += (bestRtt * BigInt(window) << 10n) / integer(rtt);
  const above = BigInt(total) * BigInt(best.window) * BigInt(best.mss) << 22n;
  return { scaled: Math.max(1, Number(above / (sum * sum))), total };
}
