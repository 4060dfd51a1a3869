/** Words for what the protocol has numbers and short names for. */

import type { ConnInfo } from "../mod.ts";

/** Why a connection is plain TCP. */
export const FALLBACK_WORDS: Readonly<Record<NonNullable<ConnInfo["fallback"]>, string>> = {
  "off": "MPTCP was not asked for",
  "not-agreed": "the other end, or the way to it, speaks no MPTCP",
  "options-removed": "something on the way takes MPTCP's options away",
  "checksum-failed": "something on the way changes what it carries",
};

/** Reasons of a MP_TCPRST (RFC 8684 §3.6). */
export const RESET_WORDS: Readonly<Record<number, string>> = {
  0: "unspecified",
  1: "MPTCP-specific error",
  2: "lack of resources",
  3: "administratively prohibited",
  4: "too much outstanding data",
  5: "unacceptable performance",
  6: "middlebox interference",
};
