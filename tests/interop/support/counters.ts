/** What a kernel's MPTCP counters must not show after a connection without trouble. */

import { assertEquals } from "@std/assert";

/** Counters of fallbacks, failed joins, damage and resets. */
const TROUBLE = [
  "Blackhole",
  "DSSCorruptionFallback",
  "DSSCorruptionReset",
  "DSSNoMatchTCP",
  "DSSNotMatching",
  "DataCsumErr",
  "DssFallback",
  "FallbackFailed",
  "InfiniteMapRx",
  "InfiniteMapTx",
  "MD5SigFallback",
  "MPCapableDataFallback",
  "MPCapableFallbackACK",
  "MPCapableFallbackSYNACK",
  "MPFailRx",
  "MPFailTx",
  "MPFallbackTokenInit",
  "MPFastcloseRx",
  "MPFastcloseTx",
  "MPJoinAckHMacFailure",
  "MPJoinNoTokenFound",
  "MPJoinRejected",
  "MPJoinSynAckHMacFailure",
  "MPRstRx",
  "MPRstTx",
  "SimultConnectFallback",
];

/**
 * What a join leaves that comes when the connection is over already: one whose SYN was lost, or that began last. Linux refuses the third ACK from when it has
 * sent its own DATA_FIN on, though our data are still to come, and counts MPJoinRejected; before that it takes joins as soon as it has our keys.
 */
export const LATE_JOINS: readonly string[] = [
  "MPJoinRejected",
  "MPJoinNoTokenFound",
  "MPRstTx",
  "MPRstRx",
];

/** Sees that none of them counted anything but those in `but`. */
export function assertNoTrouble(
  counters: Readonly<Record<string, number>>,
  but: readonly string[] = [],
): void {
  const seen = TROUBLE.filter((name) => name in counters && !but.includes(name));
  assertEquals(Object.fromEntries(seen.map((name) => [name, counters[name]])), {});
}
