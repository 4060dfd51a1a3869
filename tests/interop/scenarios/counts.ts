/** What both ends of a scenario are expected to count, under the kernel's MIB names. */

/** A number, or the least and the most. */
export type Count = number | readonly [least: number, most: number];

/** By name; what is not named must not have counted. */
export type Counts = Readonly<Record<string, Count>>;

/** Of both ends. */
export interface Expected {
  /** The end that connects. */
  readonly client?: Counts;
  /** The end that listens. */
  readonly server?: Counts;
}

/** What is judged: not what tells of data, time and load rather than of what was agreed on. */
const JUDGED = new Set(
  `AddAddr AddAddrDrop AddAddrTx AddAddrTxDrop Blackhole DSSCorruptionFallback DSSCorruptionReset DSSNotMatching DataCsumErr DssFallback EchoAdd EchoAddTx
  EchoAddTxDrop FallbackFailed InfiniteMapRx InfiniteMapTx MD5SigFallback MPCapableACKRX MPCapableDataFallback MPCapableEndpAttempt MPCapableFallbackACK
  MPCapableFallbackSYNACK MPCapableSYNACKRX MPCapableSYNRX MPCapableSYNTX MPCapableSYNTXDisabled MPCapableSYNTXDrop MPFailRx MPFailTx MPFallbackTokenInit
  MPFastcloseRx MPFastcloseTx MPJoinAckHMacFailure MPJoinAckRx MPJoinNoTokenFound MPJoinPortAckRx MPJoinPortSynAckRx MPJoinPortSynRx MPJoinRejected
  MPJoinSynAckBackupRx MPJoinSynAckHMacFailure MPJoinSynAckRx MPJoinSynBackupRx MPJoinSynRx MPJoinSynTx MPJoinSynTxBindErr MPJoinSynTxConnectErr
  MPJoinSynTxCreatSkErr MPPrioRx MPPrioTx MPRstRx MPRstTx MismatchPortAckRx MismatchPortSynRx PortAdd RmAddr RmAddrDrop RmAddrTx RmAddrTxDrop RmSubflow
  SimultConnectFallback`.split(/\s+/),
);

/** What a connection that speaks MPTCP counts in any case. */
export const OPENED: Expected = {
  client: { MPCapableSYNTX: 1, MPCapableSYNACKRX: 1 },
  server: { MPCapableSYNRX: 1, MPCapableACKRX: 1 },
};

/** Joins that the client opens; `by`: which end does. */
export function joins(count: number, by: "client" | "server" = "client"): Expected {
  if (count === 0) return {};
  const active = { MPJoinSynTx: count, MPJoinSynAckRx: count };
  const passive = { MPJoinSynRx: count, MPJoinAckRx: count };
  return by === "client"
    ? { client: active, server: passive }
    : { client: passive, server: active };
}

/** Addresses that `by` announces, and the other end echoes. */
export function signals(count: number, by: "client" | "server" = "server"): Expected {
  const active = { AddAddrTx: count, EchoAdd: count };
  const passive = { AddAddr: count, EchoAddTx: count };
  return by === "client"
    ? { client: active, server: passive }
    : { client: passive, server: active };
}

/** Addresses that `by` takes back. */
export function removals(count: Count, by: "client" | "server"): Expected {
  const [active, passive] = [{ RmAddrTx: count }, { RmAddr: count }];
  return by === "client"
    ? { client: active, server: passive }
    : { client: passive, server: active };
}

function sum(a: Count, b: Count): Count {
  const [least, most] = typeof a === "number" ? [a, a] : a;
  const [low, high] = typeof b === "number" ? [b, b] : b;
  return least === most && low === high ? least + low : [least + low, most + high];
}

/** All of them together. */
export function all(...parts: readonly Expected[]): Required<Expected> {
  const total = { client: {} as Record<string, Count>, server: {} as Record<string, Count> };
  for (const part of parts) {
    for (const end of ["client", "server"] as const) {
      for (const [name, count] of Object.entries(part[end] ?? {})) {
        total[end][name] = sum(total[end][name] ?? 0, count);
      }
    }
  }
  return total;
}

/** What was counted and is judged. */
export function judged(counters: Readonly<Record<string, number>>): Record<string, number> {
  return Object.fromEntries(
    Object.entries(counters).filter(([name, value]) => value !== 0 && JUDGED.has(name)),
  );
}

/** Whether everything expected has been counted, if perhaps not only that. */
export function reached(expected: Counts, counters: Readonly<Record<string, number>>): boolean {
  return Object.entries(expected).every(([name, count]) =>
    (counters[name] ?? 0) >= (typeof count === "number" ? count : count[0])
  );
}

/** How counters differ from what is expected, in words; empty: not at all. */
export function differences(
  expected: Counts,
  counters: Readonly<Record<string, number>>,
): string[] {
  const names = new Set([...Object.keys(expected), ...Object.keys(judged(counters))]);
  return [...names].sort().flatMap((name) => {
    const count = expected[name] ?? 0;
    const [least, most] = typeof count === "number" ? [count, count] : count;
    const value = counters[name] ?? 0;
    return value >= least && value <= most
      ? []
      : [`${name} ${value}, not ${least === most ? least : `${least} to ${most}`}`];
  });
}
