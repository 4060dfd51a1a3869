/** Figures of a connection under the names and in the units of Linux: `struct mptcp_info` and `struct tcp_info`, without their prefixes. */

import type { MetaSocket } from "../connection/meta_socket.ts";
import type { Endpoint, Micros, PathIndex } from "../plugin.ts";
import type { LastReset } from "../connection/figures.ts";
import type { FallbackReason } from "../connection/mode.ts";
import type { PolicyNames } from "../guard/policies.ts";
import { DUP_THRESH } from "../subflow/rack.ts";
import type { Subflow } from "../subflow/subflow.ts";
import type { InitialDsn } from "../wire/seq.ts";

export type { FallbackReason, PolicyNames };

/** What is read of a connection. */
export interface InfoSource extends
  Pick<
    MetaSocket,
    | "bytesReceived"
    | "dataRcvNxt"
    | "dataUna"
    | "fallback"
    | "fallbackReason"
    | "joinable"
    | "policyNames"
    | "subflowsTotal"
    | "tail"
    | "tries"
  > {
  /** Its buffers. */
  readonly receiveQueue: Pick<MetaSocket["receiveQueue"], "held" | "space" | "window">;
  readonly sendQueue: Pick<MetaSocket["sendQueue"], "limit" | "unsent">;
  /** What it has done. */
  readonly figures: Pick<MetaSocket["figures"], keyof MetaSocket["figures"]>;
  /** Its addresses. */
  readonly paths: Pick<MetaSocket["paths"], "accepted" | "limits" | "signalled">;
  /** Its timers. */
  readonly timer: Pick<MetaSocket["timer"], "probes">;
  /** What both sides have agreed. */
  readonly keys: Pick<MetaSocket["keys"], "checksum" | "idsn" | "peerIdsn" | "token">;
  /** Its subflows. */
  readonly subflows: readonly Subflow[];
  /** The same with half-open ones. */
  readonly attempts: readonly Subflow[];
}

/** Members of `struct mptcp_info` without `mptcpi_`. Sequence numbers are those on the wire. */
export interface MptcpInfo {
  /** Subflows that have joined: those beside the first. */
  readonly subflows: number;
  /** Most subflows beside the first. */
  readonly subflows_max: number;
  /** Most addresses that are taken from the peer. */
  readonly add_addr_accepted_max: number;
  /** Our addresses, beside that of the first subflow, that we have opened subflows from. */
  readonly local_addr_used: number;
  /** Addresses that the peer was told and that were not taken back. */
  readonly add_addr_signal: number;
  /** Addresses that the peer announced, that were taken, and that it has not taken back. */
  readonly add_addr_accepted: number;
  /** 1: fell back to plain TCP; 2: the peer's key is known. */
  readonly flags: number;
  /** Our token. */
  readonly token: number;
  /** Data sequence number of the next byte written. */
  readonly write_seq: bigint;
  /** First data sequence number that the peer has not acknowledged. */
  readonly snd_una: bigint;
  /** Next data sequence number expected from the peer. */
  readonly rcv_nxt: bigint;
  /** 1: DSS checksums are in use. */
  readonly csum_enabled: number;
  /** Data sent again on another subflow, in mappings. */
  readonly retransmits: number;
  /** The same in bytes. */
  readonly bytes_retrans: number;
  /** Bytes sent for the first time. */
  readonly bytes_sent: number;
  /** Bytes received in order. */
  readonly bytes_received: number;
  /** Bytes that the peer acknowledged. */
  readonly bytes_acked: number;
  /** Subflows there are. */
  readonly subflows_total: number;
  /** Milliseconds since data was last sent. */
  readonly last_data_sent: number;
  /** Milliseconds since data last came. */
  readonly last_data_recv: number;
  /** Milliseconds since a DATA_ACK last came. */
  readonly last_ack_recv: number;
}

/** What `SK_MEMINFO` tells of a socket, under its names; in bytes of data, not of the kernel's buffers. */
export interface MemoryInfo {
  /** Memory of what was received and not read, in whole pages of 65536. */
  readonly rmem_alloc: number;
  /** The receive buffer: what the window is of when all is read. */
  readonly rcvbuf: number;
  /** Written and not acknowledged. */
  readonly wmem_queued: number;
  /** The send buffer: write() waits above it. */
  readonly sndbuf: number;
}

/** Members of `struct tcp_info` without `tcpi_`: times in microseconds but for `last_*` (milliseconds), `snd_cwnd` and its like in segments. */
export interface TcpInfo {
  /** Number of the TCP state: 1 established, 2 SYN sent, 3 SYN received, 4 and 5 FIN wait, 6 time wait, 7 closed, 8 close wait, 9 last ACK, 11 closing. */
  readonly state: number;
  /** 0 open, 3 recovery, 4 loss. */
  readonly ca_state: number;
  /** Retransmission timeouts in a row. */
  readonly retransmits: number;
  /** Questions that the peer has not answered: about its window, or whether it is there (keepalive). */
  readonly probes: number;
  /** The same as `retransmits`, as far as the timeout has grown by it. */
  readonly backoff: number;
  /** 1 timestamps, 2 SACK, 4 window scale, 8 ECN was agreed on, 16 something has come that the peer lets routers mark, 32 data were acknowledged with their SYN. */
  readonly options: number;
  /** Shift of the peer's windows. */
  readonly snd_wscale: number;
  /** Shift of ours. */
  readonly rcv_wscale: number;
  /** Retransmission timeout without back-off. */
  readonly rto: number;
  /** How long an acknowledgement may wait for a second segment. */
  readonly ato: number;
  /** Payload of a full segment in bytes. */
  readonly snd_mss: number;
  /** Payload of the largest segment received, in bytes; 536 at least. */
  readonly rcv_mss: number;
  /** Segments in flight or taken for lost. */
  readonly unacked: number;
  /** Segments selectively acknowledged. */
  readonly sacked: number;
  /** Segments taken for lost and not sent again. */
  readonly lost: number;
  /** Segments in flight that went again. */
  readonly retrans: number;
  /** Milliseconds since data was last sent. */
  readonly last_data_sent: number;
  /** 0, as in Linux, which does not remember. */
  readonly last_ack_sent: number;
  /** Milliseconds since data last came. */
  readonly last_data_recv: number;
  /** Milliseconds since an acknowledgement last came. */
  readonly last_ack_recv: number;
  /** Largest packet of the path in bytes. */
  readonly pmtu: number;
  /** Bytes that the window we offer may reach, of the whole connection. */
  readonly rcv_ssthresh: number;
  /** Smoothed round-trip time. */
  readonly rtt: number;
  /** Its deviation. */
  readonly rttvar: number;
  /** Slow-start threshold in segments; 2147483647 before the first loss. */
  readonly snd_ssthresh: number;
  /** Congestion window in segments. */
  readonly snd_cwnd: number;
  /** MSS offered to the peer in bytes. */
  readonly advmss: number;
  /** Duplicates after which a segment is taken for lost, where no time says so before (RFC 8985). */
  readonly reordering: number;
  /** Round trip as the receiver of data sees it. */
  readonly rcv_rtt: number;
  /** Most bytes that the program has read in one round trip, of the whole connection. */
  readonly rcv_space: number;
  /** Segments sent again in all. */
  readonly total_retrans: number;
  /** Bytes per second. */
  readonly pacing_rate: number;
  /** Bytes acknowledged. */
  readonly bytes_acked: number;
  /** Bytes received in order. */
  readonly bytes_received: number;
  /** Segments sent. */
  readonly segs_out: number;
  /** Segments received. */
  readonly segs_in: number;
  /** Bytes written and not sent, of the whole connection: a path is chosen when they are. */
  readonly notsent_bytes: number;
  /** Least round-trip time of the last 10 s. */
  readonly min_rtt: number;
  /** Bytes per second. */
  readonly delivery_rate: number;
  /** How long something was in flight, or waited for the peer's window. */
  readonly busy_time: number;
  /** Of that, while the peer's window was shut to what waited. */
  readonly rwnd_limited: number;
  /** Of that, while nothing waited as the send queue had no room for what the program would write. */
  readonly sndbuf_limited: number;
  /** Bytes sent, again or for the first time. */
  readonly bytes_sent: number;
  /** Bytes sent again. */
  readonly bytes_retrans: number;
  /** Times that reordering was seen. */
  readonly reord_seen: number;
  /** Segments received with data; what a device has merged counts as one, as in `segs_in`. */
  readonly data_segs_in: number;
  /** Segments sent with data; a super-segment counts as one, as in `segs_out`. */
  readonly data_segs_out: number;
  /** Segments delivered, by what the peer has acknowledged and SACKed. */
  readonly delivered: number;
  /** Those of them that the peer has acknowledged with ECN-Echo. */
  readonly delivered_ce: number;
  /** Times that the peer has told of something that came twice. */
  readonly dsack_dups: number;
  /** Segments received out of order. */
  readonly rcv_ooopack: number;
  /** Bytes that the peer allows in flight. */
  readonly snd_wnd: number;
  /** Bytes that we allow the peer. */
  readonly rcv_wnd: number;
}

/** One path in use. */
export interface SubflowInfo {
  /** Names the subflow among those there are. */
  readonly id: number;
  /** Its path index; 1 is the first subflow's. One subflow at a time carries a path, so that `id` is the same. */
  readonly path: PathIndex;
  /** Our end. */
  readonly local: Endpoint;
  /** The peer's end. */
  readonly remote: Endpoint;
  /** Name of the link that its packets leave by. */
  readonly link: string;
  /** Differentiated Services codepoint of its packets (RFC 2474), 0 to 63. */
  readonly dscp: number;
  /** Used only when no other works. */
  readonly backup: boolean;
  /** Nothing was acknowledged for several timeouts (`staleLossCount` of `mptcp`) while another path worked: it gets nothing new until something is. */
  readonly stale: boolean;
  /** Its figures. */
  readonly tcp: TcpInfo;
}

/** A join under way: a subflow that carries nothing yet (RFC 8684 §3.2). */
export interface JoinInfo {
  /** The path index that it will have. */
  readonly path: PathIndex;
  /** Who has begun it. */
  readonly by: "us" | "peer";
  /** Our end. */
  readonly local: Endpoint;
  /** The peer's end. */
  readonly remote: Endpoint;
  /** Id of our address. */
  readonly local_id: number;
  /** Id of the peer's. */
  readonly remote_id: number;
  /** To be used only when no other works. */
  readonly backup: boolean;
  /** Number of the TCP state, as in `tcp_info`: 2 our SYN is out, 3 the peer's was answered, 1 our third ACK waits for its answer. */
  readonly state: number;
  /** Segments of the handshake that went again, as no answer came. */
  readonly retransmits: number;
  /** Milliseconds since the first of them left. */
  readonly age: number;
}

/** What `conn.info()` gives. */
export interface ConnInfo {
  /** The connection. */
  readonly mptcp: MptcpInfo;
  /** Names of the plugins at work. */
  readonly plugins: PolicyNames;
  /** Why it is plain TCP; null: it speaks MPTCP, or has not heard yet whether the peer does. */
  readonly fallback: FallbackReason | null;
  /** Its buffers. */
  readonly skmem: MemoryInfo;
  /** Its paths, by path index. */
  readonly subflows: readonly SubflowInfo[];
  /** Joins that are not established, in the order in which they began. */
  readonly joins: readonly JoinInfo[];
  /** The last RST, of ours or the peer's, that told why it ends a subflow (MP_TCPRST); null: there was none. */
  readonly last_reset: LastResetInfo | null;
  /** What connect() has tried, in that order; none where there was one way only, or the peer has connected. */
  readonly tries: readonly TryInfo[];
}

/** A way that connect() has tried for its first path. */
export interface TryInfo {
  /** Our address. */
  readonly local: string;
  /** The peer's end. */
  readonly remote: Endpoint;
  /**
   * `answered`: it is the first path; `late`: another was answered before; `timeout`, `unreachable` (a router said so), `refused`, `reset`, `closed` (both by the
   * peer); `aborted`: its link went down; `none`: no port was free. Null: nothing has come of it yet.
   */
  readonly outcome:
    | "aborted"
    | "answered"
    | "closed"
    | "late"
    | "none"
    | "refused"
    | "reset"
    | "timeout"
    | "unreachable"
    | null;
}

/** Why a subflow was reset. */
export interface LastResetInfo {
  /** Who has sent it. */
  readonly by: "us" | "peer";
  /** The path index of the subflow that it has ended. */
  readonly path: PathIndex;
  /**
   * 0 unspecified, 1 an MPTCP-specific error, 2 lack of resources, 3 administratively prohibited, 4 too much outstanding data, 5 unacceptable performance,
   * 6 middlebox interference, or unknown (RFC 8684 §3.6).
   */
  readonly reason: number;
  /** The T flag: what it tells is over some time. */
  readonly transient: boolean;
  /** Milliseconds since then. */
  readonly age: number;
}

/** MPTCP_INFO_FLAG_FALLBACK. */
const FLAG_FALLBACK = 1;
/** MPTCP_INFO_FLAG_REMOTE_KEY_RECEIVED. */
const FLAG_REMOTE_KEY = 2;

/** Linux's numbers of the states CLOSED to TIME_WAIT of core/subflow/state.ts. */
const STATES = [7, 2, 3, 1, 4, 5, 8, 11, 9, 6];
/** Linux's numbers of what a sender does about losses. */
const CA_STATES = { open: 0, fast: 3, loss: 4 } as const;
/** TCP_INFINITE_SSTHRESH. */
const INFINITE_SSTHRESH = 2147483647;

function wireDsn(idsn: InitialDsn, offset: number): bigint {
  const first = BigInt(idsn.high >>> 0) << 32n | BigInt(idsn.low >>> 0);
  return BigInt.asUintN(64, first + BigInt(offset));
}

function millisecondsSince(time: Micros, now: Micros): number {
  return Math.max(0, Math.floor((now - time) / 1000));
}

function tcpInfo(socket: InfoSource, subflow: Subflow, now: Micros): TcpInfo {
  const { mss, ssthresh, sender, receiver, acks, ecn, mtu } = subflow;
  const { board, rtt, window } = sender;
  const segments = (bytes: number): number => Math.ceil(bytes / mss);
  return {
    state: STATES[subflow.state] ?? 7,
    ca_state: CA_STATES[sender.recovery.kind],
    retransmits: rtt.timeouts,
    probes: Math.max(socket.timer.probes, subflow.keepaliveProbes),
    backoff: rtt.backedOff,
    options: (subflow.timestamps.on ? 1 : 0) | (sender.sackPermitted ? 2 : 0) |
      (sender.scaled ? 4 : 0) | (ecn.sends ? 8 : 0) | (ecn.seen ? 16 : 0) |
      (subflow.fastOpened ? 32 : 0),
    snd_wscale: window.scale,
    rcv_wscale: sender.scale,
    rto: Math.round(rtt.base),
    ato: acks.delay,
    snd_mss: mss,
    rcv_mss: acks.segment,
    unacked: segments(board.nxt - board.una),
    sacked: segments(board.sacked),
    lost: segments(board.lost),
    retrans: board.repeated,
    last_data_sent: millisecondsSince(sender.lastSent, now),
    last_ack_sent: 0,
    last_data_recv: millisecondsSince(subflow.lastDataReceived, now),
    last_ack_recv: millisecondsSince(sender.lastHeard, now),
    pmtu: mtu.path,
    rcv_ssthresh: socket.receiveQueue.window.limit,
    rtt: Math.round(rtt.srtt),
    rttvar: Math.round(rtt.rttVar),
    snd_ssthresh: ssthresh === Infinity ? INFINITE_SSTHRESH : Math.round(ssthresh / mss),
    snd_cwnd: Math.round(subflow.cwnd / mss),
    advmss: mtu.local,
    reordering: DUP_THRESH,
    rcv_rtt: subflow.receiveRtt,
    rcv_space: socket.receiveQueue.space,
    total_retrans: sender.retransmits,
    pacing_rate: Math.round(subflow.pacingRate),
    bytes_acked: Math.max(0, board.una - 1) + Math.max(0, subflow.fastOpen?.acked ?? 0),
    bytes_received: subflow.bytesReceived,
    segs_out: sender.segments,
    segs_in: subflow.segmentsIn,
    notsent_bytes: socket.sendQueue.unsent,
    min_rtt: Math.round(rtt.minRtt),
    delivery_rate: Math.round(sender.deliveryRate),
    busy_time: Math.round(sender.busy.total(now)),
    rwnd_limited: Math.round(sender.busy.window),
    sndbuf_limited: Math.round(sender.busy.buffer),
    bytes_sent: sender.bytesSent + sender.bytesRetransmitted,
    bytes_retrans: sender.bytesRetransmitted,
    reord_seen: sender.reorderings,
    data_segs_in: subflow.dataSegmentsIn,
    data_segs_out: sender.withData,
    delivered: segments(sender.delivered),
    delivered_ce: ecn.marked,
    dsack_dups: sender.duplicates,
    rcv_ooopack: subflow.outOfOrder,
    snd_wnd: window.size,
    rcv_wnd: Math.max(0, acks.edge - receiver.nxt),
  };
}

function lastReset(reset: LastReset | null, now: Micros): LastResetInfo | null {
  if (reset === null) return null;
  const { by, path, reason, transient, at } = reset;
  return { by, path, reason, transient, age: millisecondsSince(at, now) };
}

/** Collects the figures of a connection. */
export function connectionInfo(socket: InfoSource, now: Micros): ConnInfo {
  const { figures, keys, paths, receiveQueue, sendQueue } = socket;
  const remoteKey = socket.joinable && !socket.fallback;
  return {
    mptcp: {
      subflows: socket.subflows.filter(({ join }) => join).length,
      subflows_max: paths.limits.subflows,
      add_addr_accepted_max: paths.limits.addAddrAccepted,
      local_addr_used: new Set(
        socket.subflows.filter(({ join, active, localId }) => join && active && localId !== 0)
          .map(({ localId }) => localId),
      ).size,
      add_addr_signal: paths.signalled,
      add_addr_accepted: paths.accepted,
      flags: (socket.fallback ? FLAG_FALLBACK : 0) | (remoteKey ? FLAG_REMOTE_KEY : 0),
      token: keys.token >>> 0,
      write_seq: wireDsn(keys.idsn, socket.tail),
      snd_una: wireDsn(keys.idsn, socket.dataUna),
      rcv_nxt: wireDsn(keys.peerIdsn, socket.dataRcvNxt),
      csum_enabled: keys.checksum ? 1 : 0,
      retransmits: figures.repeats,
      bytes_retrans: figures.repeated,
      bytes_sent: figures.bytesSent,
      bytes_received: socket.bytesReceived,
      bytes_acked: socket.dataUna - 1,
      subflows_total: socket.subflows.length,
      last_data_sent: millisecondsSince(figures.lastSent, now),
      last_data_recv: millisecondsSince(figures.lastReceived, now),
      last_ack_recv: millisecondsSince(figures.lastAcked, now),
    },
    plugins: socket.policyNames,
    fallback: socket.fallbackReason,
    skmem: {
      rmem_alloc: receiveQueue.held,
      rcvbuf: receiveQueue.window.limit,
      wmem_queued: socket.tail - socket.dataUna,
      sndbuf: sendQueue.limit,
    },
    subflows: socket.subflows.map((subflow) => ({
      id: subflow.path,
      path: subflow.path,
      local: { ...subflow.local },
      remote: { ...subflow.remote },
      link: subflow.outlet.name,
      dscp: subflow.dscp,
      backup: subflow.backup,
      stale: subflow.stale,
      tcp: tcpInfo(socket, subflow, now),
    })),
    joins: socket.attempts.filter(({ join, opening, provisional, ended }) =>
      join && (opening || provisional) && ended === null
    ).map((subflow) => ({
      path: subflow.path,
      by: subflow.active ? "us" : "peer",
      local: { ...subflow.local },
      remote: { ...subflow.remote },
      local_id: subflow.localId,
      remote_id: subflow.remoteId,
      backup: subflow.backup,
      state: STATES[subflow.state] ?? 7,
      retransmits: subflow.handshakeRepeats,
      age: millisecondsSince(subflow.handshakeBegunAt, now),
    })),
    last_reset: lastReset(figures.lastReset, now),
    tries: socket.tries.map(({ local, remote: { address, port }, outcome }) => ({
      local: local.address,
      remote: { address, port },
      outcome,
    })),
  };
}
