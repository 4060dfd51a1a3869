/** What a sender does about losses now: nothing, fast recovery, or the repair after a timeout. */

import type { Frto } from "./frto.ts";
import { Prr } from "./prr.ts";

/**
 * `until` is the sequence offset whose acknowledgement ends it: SND.NXT when it began (RFC 6582 §3.2 "recover"). `frto` is null where it is not asked, or
 * has found a loss.
 */
export type Recovery =
  | { readonly kind: "open" }
  | { readonly kind: "fast"; readonly until: number; readonly prr: Prr }
  | { readonly kind: "loss"; readonly until: number; readonly frto: Frto | null };

/** No loss is being repaired. */
export const OPEN: Recovery = Object.freeze({ kind: "open" });

/** Fast recovery with `flight` bytes outstanding begins (RFC 5681 §3.2, RFC 6675 §5). */
export function fastRecovery(until: number, flight: number): Recovery {
  return { kind: "fast", until, prr: new Prr(flight) };
}

/** A retransmission timeout has passed (RFC 5681 §3.1). */
export function lossRecovery(until: number, frto: Frto | null): Recovery {
  return { kind: "loss", until, frto };
}
