/** The budget of 40 octets of TCP options, spent in one place. */

import { DSS_DATA_ACK, DSS_DATA_ACK_8, DSS_DSN_8, DSS_MAPPING } from "../../wasm/layout.ts";

/** Most octets of options in a TCP header (RFC 9293 §3.1). */
export const OPTION_SPACE = 40;
/** Timestamps with two NOPs (RFC 7323 appendix A). */
export const TIMESTAMPS_SIZE = 12;

/** Octets of a DSS with these flags, padded to four (RFC 8684 §3.3). */
export function dssSize(flags: number, checksum: boolean): number {
  let size = 4;
  if (flags & DSS_DATA_ACK) size += flags & DSS_DATA_ACK_8 ? 8 : 4;
  if (flags & DSS_MAPPING) size += (flags & DSS_DSN_8 ? 8 : 4) + 6 + (checksum ? 2 : 0);
  return (size + 3) & ~3;
}

/** Octets of `blocks` SACK blocks with two NOPs (RFC 2018 §3). */
export function sackSize(blocks: number): number {
  return blocks === 0 ? 0 : 4 + 8 * blocks;
}

/**
 * Whether a SYN or SYN/ACK has room for timestamps beside `raw` octets of MPTCP and Fast Open: MSS, window scale and SACK-permitted stay. A cookie of more
 * than 14 octets beside MP_CAPABLE leaves none: then timestamps go, as RFC 8684 appendix B.1 has it.
 */
export function synFits(raw: number, timestamps: boolean): boolean {
  return !timestamps || 4 + TIMESTAMPS_SIZE + 4 + ((raw + 3) & ~3) <= OPTION_SPACE;
}

/** What a segment without SYN wants to carry. */
export interface OptionWish {
  /** Timestamps were agreed. */
  timestamps: boolean;
  /** Wanted DSS_* flags; 0 for none. */
  dss: number;
  /** The mapping has a checksum. */
  checksum: boolean;
  /** The DATA_ACK has moved since the last one that was sent on this subflow. */
  dataAckMoved: boolean;
  /** SACK blocks at hand. */
  sack: number;
  /** Octets of other options, already encoded. */
  raw: number;
}

/** What fits, in the order of design: other options, timestamps, mapping, DATA_ACK, SACK. Reused by the caller: `planOptions` writes it. */
export interface OptionPlan {
  /** Timestamps go out. */
  timestamps: boolean;
  /** DSS_* flags that go out. */
  dss: number;
  /** SACK blocks that go out. */
  sack: number;
  /** Octets in all, a multiple of four. */
  size: number;
}

/**
 * Spends the budget. Timestamps yield to other options that do not fit beside them, which is ADD_ADDR with IPv6, port and HMAC alone
 * (an exception to RFC 7323 §3.2). A DATA_ACK that has not moved gives way to SACK blocks (RFC 8684 appendix A). A mapping never yields:
 * the payload would be lost on the peer.
 */
export function planOptions(wish: Readonly<OptionWish>, plan: OptionPlan): OptionPlan {
  const raw = (wish.raw + 3) & ~3;
  let left = OPTION_SPACE - raw;
  plan.timestamps = wish.timestamps && left >= TIMESTAMPS_SIZE;
  if (plan.timestamps) left -= TIMESTAMPS_SIZE;
  let dss = wish.dss;
  if (dssSize(dss, wish.checksum) > left) dss &= ~(DSS_DATA_ACK | DSS_DATA_ACK_8);
  if (
    (dss & DSS_MAPPING) === 0 && (dss & DSS_DATA_ACK) !== 0 && !wish.dataAckMoved && wish.sack > 0
  ) {
    const beside = Math.floor((left - dssSize(dss, false) - 4) / 8);
    if (wish.sack > beside) dss = 0;
  }
  if ((dss & (DSS_MAPPING | DSS_DATA_ACK)) === 0 || dssSize(dss, wish.checksum) > left) dss = 0;
  if (dss !== 0) left -= dssSize(dss, wish.checksum);
  plan.dss = dss;
  plan.sack = Math.max(0, Math.min(wish.sack, 4, Math.floor((left - 4) / 8)));
  left -= sackSize(plan.sack);
  plan.size = OPTION_SPACE - left;
  return plan;
}
