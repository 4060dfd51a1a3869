/** How far a connection speaks MPTCP. */

/**
 * Offered by MP_CAPABLE and not agreed yet; the same at a server that sends already (RFC 7413): with mappings, without the peer's key; agreed; ended on the only subflow by an infinite mapping (RFC 8684 §3.7), with the data offset less the
 * sequence offset of what we send and of what we receive, null until the peer's own mapping tells; or plain TCP, whose data offsets are its sequence offsets.
 */
export type Mode =
  | { readonly kind: "offered" | "early" }
  | { readonly kind: "mptcp" }
  | { readonly kind: "infinite"; readonly tx: number; readonly rx: number | null }
  | { readonly kind: "tcp" };

/**
 * Why a connection is plain TCP: this side was asked for no MPTCP ("off"), the peer or something on the way has answered the offer without it ("not-agreed"), the
 * options have gone missing later ("options-removed"), or a checksum has failed on the only subflow ("checksum-failed"; RFC 8684 §3.7 for all).
 */
export type FallbackReason = "checksum-failed" | "not-agreed" | "off" | "options-removed";

/** MP_CAPABLE is offered. */
export const OFFERED: Mode = Object.freeze({ kind: "offered" });
/** The server may send, the client's key is still to come (RFC 8684 appendix B.3, figure 19). */
export const EARLY: Mode = Object.freeze({ kind: "early" });
/** Both sides have agreed. */
export const MPTCP: Mode = Object.freeze({ kind: "mptcp" });
/** Plain TCP. */
export const TCP: Mode = Object.freeze({ kind: "tcp" });
