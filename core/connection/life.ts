/** The life of a connection at the data level: its two directions, and how it ends (RFC 8684 §3.3.3, appendix D). */

import type { EndReason, NetworkCode } from "./host.ts";

/** Before the first subflow is established; alive; nothing more will come or go (`code` tells how it failed, null: in order, `reason` what led to that); everything is given back. */
export type Life =
  | { readonly kind: "opening" | "alive" }
  | {
    readonly kind: "over" | "gone";
    readonly code: NetworkCode | null;
    readonly reason: EndReason | null;
  };

/** Our direction: open; ending with a DATA_FIN at data offset `fin`; that acknowledged. `second`: the peer had finished before. */
export type OurEnd =
  | { readonly kind: "open" }
  | { readonly kind: "ending" | "acked"; readonly fin: number; readonly second: boolean };

/** The peer's: open; its DATA_FIN at `fin` is known; everything before it is there. */
export type PeerEnd =
  | { readonly kind: "open" }
  | { readonly kind: "announced" | "reached"; readonly fin: number };

/** Neither is there yet. */
export const OPENING: Life = Object.freeze({ kind: "opening" });
/** Established. */
export const ALIVE: Life = Object.freeze({ kind: "alive" });
/** A direction that nobody has ended. */
export const OPEN_END = Object.freeze({ kind: "open" } as const);

/** States of the data level (RFC 8684 appendix D, without the M_ of its names). */
export type DataState =
  | "CLOSED"
  | "SYN"
  | "ESTAB"
  | "FIN_WAIT_1"
  | "FIN_WAIT_2"
  | "CLOSING"
  | "CLOSE_WAIT"
  | "LAST_ACK"
  | "TIME_WAIT";

/** The state that follows from which DATA_FINs were sent, acknowledged and received. */
export function dataState(life: Life, ours: OurEnd, theirs: PeerEnd): DataState {
  const reached = theirs.kind === "reached";
  switch (life.kind) {
    case "opening":
      return "SYN";
    case "over":
    case "gone":
      return life.code === null && ours.kind === "acked" && reached ? "TIME_WAIT" : "CLOSED";
    case "alive":
      switch (ours.kind) {
        case "open":
          return reached ? "CLOSE_WAIT" : "ESTAB";
        case "acked":
          return reached ? "TIME_WAIT" : "FIN_WAIT_2";
        case "ending":
          if (!reached) return "FIN_WAIT_1";
          return ours.second ? "LAST_ACK" : "CLOSING";
      }
  }
}
