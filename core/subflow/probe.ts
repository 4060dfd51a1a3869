/** What an observer of a host is told: one call an event, with plain values. Nobody's need: a host without a probe does nothing for it but look. */

import type { Micros, PathIndex } from "../plugin.ts";

/**
 * Watches the stack of a host: each method is called when what it is named after has happened, in the order of happening, and before what that leads to.
 * A method that is missing is not called. None may call anything of the host, its connections or listeners: it writes down, or counts. What a
 * probe does changes nothing of what the host does; one that throws is reported (see `onFault`), and is told no more.
 *
 * Common to all: `now` is the time in microseconds since the host started; `connection` numbers the connections of the host from 1 on, in the order in
 * which they begin, refused ones and half-open ones included; `path` is the path index of a subflow, as {@linkcode SubflowInfo} has it.
 * Sequence numbers of a subflow are offsets from its initial one, which the SYN has: the first byte of payload is 1. Data sequence numbers are offsets from
 * the initial one (RFC 8684 §3.3): the first byte is 1, and -1 stands for none. Both are plain numbers that never wrap. Lengths and windows
 * are in bytes.
 *
 * @example Losses of one transfer
 * ```ts
 * import { emulate, type Probe } from "@mptcp/mptcp";
 *
 * let sent = 0;
 * let lost = 0;
 * const probe: Probe = {
 *   segmentSent(_now, _connection, _path, _seq, length) {
 *     sent += length;
 *   },
 *   segmentLost(_now, _connection, _path, from, to) {
 *     lost += to - from;
 *   },
 * };
 * await using net = emulate({
 *   paths: { radio: { rate: "10 Mbit/s", delay: "20 ms", loss: 0.01 } },
 *   probes: { client: probe },
 * });
 * using listener = net.server.listen({ port: 80 });
 * const [conn, peer] = await Promise.all([
 *   net.client.connect({ hostname: "server", port: 80 }),
 *   listener.accept(),
 * ]);
 * const writer = conn.writable.getWriter();
 * const reading = (async () => {
 *   for await (const _ of peer.readable);
 * })();
 * await writer.write(new Uint8Array(500_000));
 * await writer.close();
 * await reading;
 * console.assert(sent >= 500_000 + lost);
 * ```
 */
export interface Probe {
  /** A connection begins: as "client" with our SYN, as "server" with the peer's. `token` is ours (RFC 8684 §3.1), as a 32-bit number. */
  connectionOpened?(
    now: Micros,
    connection: number,
    role: "client" | "server",
    token: number,
    localAddress: string,
    localPort: number,
    remoteAddress: string,
    remotePort: number,
  ): void;
  /** Nothing more will come or go: `code` says how it failed, and `reason` what led to that where it is known; null for an end in order. */
  connectionClosed?(
    now: Micros,
    connection: number,
    code: string | null,
    reason: string | null,
  ): void;
  /**
   * How a connection speaks MPTCP has changed: "mptcp" when it is agreed, "tcp" for plain TCP, be it by fallback (RFC 8684 §3.7), "infinite" after an infinite
   * mapping.
   */
  modeChanged?(now: Micros, connection: number, mode: "mptcp" | "tcp" | "infinite"): void;
  /** The peer has DATA_ACKed all below `dsn`; its window ends at `windowEnd`, a data sequence number. On plain TCP the ACK says as much. */
  dataAcked?(now: Micros, connection: number, dsn: number, windowEnd: number): void;
  /** An end of the data, at `dsn`: ours has been sent, or the peer's has been reached. */
  dataFin?(now: Micros, connection: number, by: "us" | "peer", dsn: number): void;

  /** The peer has announced an address (ADD_ADDR with a good HMAC; port 0: none was named), or taken it back (REMOVE_ADDR: `address` is empty, `port` 0). */
  addressChanged?(
    now: Micros,
    connection: number,
    change: "announced" | "removed",
    id: number,
    address: string,
    port: number,
  ): void;

  /** A subflow is on its way: its first SYN follows, or has come. `join`: it is no first subflow. The ids are those of its addresses (RFC 8684 §3.4.1). */
  subflowOpened?(
    now: Micros,
    connection: number,
    path: PathIndex,
    join: boolean,
    localAddress: string,
    localPort: number,
    remoteAddress: string,
    remotePort: number,
    localId: number,
    remoteId: number,
  ): void;
  /**
   * Something happened to a subflow: it may carry data ("joined"), is used no more ("left": `reason` is "closed", "refused", "reset", "timeout", "aborted" or
   * "unreachable"), its use as backup has changed ("priority": `reason` is "backup" or "regular"), nothing is acknowledged on it ("stale"), or something
   * is again ("revived").
   */
  subflowChanged?(
    now: Micros,
    connection: number,
    path: PathIndex,
    change: "joined" | "left" | "priority" | "stale" | "revived",
    reason: string | null,
  ): void;
  /** The peer wants a subflow to be used only when no other works, or not: by B in its MP_JOIN (RFC 8684 §3.2), or by MP_PRIO (§3.3.8). */
  priorityAsked?(
    now: Micros,
    connection: number,
    path: PathIndex,
    by: "join" | "prio",
    backup: boolean,
  ): void;
  /** A listener begins or ends: the address is empty where it listens on all. */
  listenerChanged?(
    now: Micros,
    change: "created" | "closed",
    address: string,
    port: number,
  ): void;
  /**
   * A RST with an MP_TCPRST (RFC 8684 §3.6) ends a subflow: `by` us, or by the peer. `reason` is 0 unspecified, 1 an MPTCP-specific error, 2 lack of
   * resources, 3 administratively prohibited, 4 too much outstanding data, 5 unacceptable performance, 6 middlebox interference, or unknown;
   * `transient` is the T flag. `subflowChanged` with "left" follows.
   */
  subflowReset?(
    now: Micros,
    connection: number,
    path: PathIndex,
    by: "us" | "peer",
    reason: number,
    transient: boolean,
  ): void;
  /** A subflow has moved from one state of RFC 9293 to another; names are those of its Figure 5, "SYN-SENT". */
  stateChanged?(
    now: Micros,
    connection: number,
    path: PathIndex,
    from: string,
    to: string,
  ): void;
  /**
   * A packet was handed to the link: a segment, or a super-segment, which the device cuts into segments of `segment` bytes (0: one segment). `flags` are the
   * eight bits of the header, FIN the lowest; `window` is not scaled in a SYN; `dsn` is that of the first byte of payload. An answer of TIME-WAIT is not told.
   */
  segmentSent?(
    now: Micros,
    connection: number,
    path: PathIndex,
    seq: number,
    length: number,
    flags: number,
    ack: number,
    window: number,
    dsn: number,
    segment: number,
  ): void;
  /** The bytes [from, to) that left before have left again, for the `times`-th time: `segmentSent` was called for their packets. */
  segmentRetransmitted?(
    now: Micros,
    connection: number,
    path: PathIndex,
    from: number,
    to: number,
    times: number,
  ): void;
  /**
   * A segment for a subflow has come; whether it is acceptable is not decided yet. `window` is the field of the header, not scaled; `sacks` the number of SACK
   * blocks, `dsn` that of the first byte of payload where the segment has a mapping.
   */
  segmentReceived?(
    now: Micros,
    connection: number,
    path: PathIndex,
    seq: number,
    length: number,
    flags: number,
    ack: number,
    window: number,
    dsn: number,
    sacks: number,
  ): void;
  /**
   * The bytes [from, to) are taken for lost: by what acknowledgements told ("ack"), as the reordering window has passed ("reordering", RFC 8985 §6.3), by a
   * retransmission timeout ("timeout"), or as a router says that their packets are too big for it ("size"). They go again when the window allows.
   */
  segmentLost?(
    now: Micros,
    connection: number,
    path: PathIndex,
    from: number,
    to: number,
    why: "ack" | "reordering" | "timeout" | "size",
  ): void;
  /** A round trip was measured. All in microseconds; `rto` includes the back-off. */
  rttSampled?(
    now: Micros,
    connection: number,
    path: PathIndex,
    rtt: Micros,
    srtt: Micros,
    rttVar: Micros,
    rto: Micros,
  ): void;
  /** The congestion window or the slow-start threshold has changed; bytes. `ssthresh` is Infinity before the first loss. */
  windowChanged?(
    now: Micros,
    connection: number,
    path: PathIndex,
    cwnd: number,
    ssthresh: number,
    inFlight: number,
  ): void;
  /** Loss recovery: "fast" has begun, or that after a timeout, "loss", until the sequence number `until` is acknowledged; "open": it is over, `until` is -1. */
  recoveryChanged?(
    now: Micros,
    connection: number,
    path: PathIndex,
    state: "open" | "fast" | "loss",
    until: number,
  ): void;
  /** The retransmission timer has passed, the `timeouts`-th time in a row; the next is `rto` microseconds away. */
  timedOut?(
    now: Micros,
    connection: number,
    path: PathIndex,
    timeouts: number,
    rto: Micros,
  ): void;
}

/** A probe as the core calls it: with all methods, none of which throws. */
export type SafeProbe = Required<Probe>;

const METHODS: readonly (keyof Probe)[] = [
  "connectionOpened",
  "connectionClosed",
  "modeChanged",
  "dataAcked",
  "dataFin",
  "addressChanged",
  "subflowOpened",
  "subflowChanged",
  "priorityAsked",
  "listenerChanged",
  "subflowReset",
  "stateChanged",
  "segmentSent",
  "segmentRetransmitted",
  "segmentReceived",
  "segmentLost",
  "rttSampled",
  "windowChanged",
  "recoveryChanged",
  "timedOut",
];

/** Names of a probe's methods. */
export const PROBE_METHODS: ReadonlySet<string> = new Set<string>(METHODS);

/** What a probe without a method does: what would be told to it need not be found out. */
export function nothing(): void {}

/** `probe` with all methods; the first that throws is told to `failed`, with what it threw, and none is called after it. */
export function safeProbe(
  probe: Probe,
  failed: (callback: string, error: unknown) => void,
): SafeProbe {
  let over = false;
  const safe: Record<string, (...values: unknown[]) => void> = {};
  for (const name of METHODS) {
    if (probe[name] === undefined) {
      safe[name] = nothing;
      continue;
    }
    safe[name] = (...values) => {
      if (over) return;
      try {
        (probe[name] as ((...values: unknown[]) => void) | undefined)?.apply(probe, values);
      } catch (error) {
        over = true;
        failed(name, error);
      }
    };
  }
  // Each packet is told: no array is made for that.
  for (const name of ["segmentSent", "segmentReceived"] as const) {
    if (safe[name] === nothing) continue;
    const told: SafeProbe[typeof name] = (
      now,
      connection,
      path,
      seq,
      length,
      flags,
      ack,
      window,
      dsn,
      last,
    ) => {
      if (over) return;
      try {
        probe[name]?.(now, connection, path, seq, length, flags, ack, window, dsn, last);
      } catch (error) {
        over = true;
        failed(name, error);
      }
    };
    safe[name] = told as (...values: unknown[]) => void;
  }
  return safe as unknown as SafeProbe;
}

/** One that has all of `probes` told; null: there are none. */
export function everyProbe(probes: readonly SafeProbe[]): SafeProbe | null {
  const [first] = probes;
  if (first === undefined || probes.length === 1) return first ?? null;
  const every: Record<string, (...values: unknown[]) => void> = {};
  for (const name of METHODS) {
    const hear = probes.map((probe) => probe[name] as (...values: unknown[]) => void)
      .filter((method) => method !== nothing);
    every[name] = hear.length < 2 ? hear[0] ?? nothing : (...values) => {
      for (const method of hear) method(...values);
    };
  }
  return every as unknown as SafeProbe;
}
