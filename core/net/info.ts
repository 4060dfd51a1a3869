/** Figures of a connection under the names and in the units of Linux: `struct mptcp_info` and `struct tcp_info`, without their prefixes. */

import type { MetaSocket } from "../connection/meta_socket.ts";
import type { Endpoint, Micros, PathIndex } from "../plugin.ts";
import type { Subflow } from "../subflow/subflow.ts";
import type { InitialDsn } from "../wire/seq.ts";

/** What is read of a connection. */
export interface InfoSource extends
  Pick<
    MetaSocket,
    | "addAddrAccepted"
    | "addAddrSignal"
    | "bytesAcked"
    | "bytesReceived"
    | "bytesRetransmitted"
    | "bytesSent"
    | "dataRcvNxt"
    | "dataUna"
    | "dssChecksum"
    | "established"
    | "fallback"
    | "lastAckReceived"
    | "lastDataReceived"
    | "lastDataSent"
    | "localIdsn"
    | "remoteIdsn"
    | "retransmits"
    | "subflowsTotal"
    | "tail"
    | "token"
  > {
  /** Its subflows. */
  readonly subflows: readonly InfoSubflow[];
}

/** What is read of a subflow. */
export type InfoSubflow =
  & Pick<
    Subflow,
    | "backup"
    | "bytesAcked"
    | "bytesReceived"
    | "bytesRetransmitted"
    | "bytesSent"
    | "cwnd"
    | "deliveryRate"
    | "inFlight"
    | "lastAckReceived"
    | "lastDataReceived"
    | "lastDataSent"
    | "local"
    | "localMss"
    | "maxSegment"
    | "minRtt"
    | "mss"
    | "pacingRate"
    | "path"
    | "queued"
    | "rcvEdge"
    | "rcvNxt"
    | "recovery"
    | "remote"
    | "reordSeen"
    | "retransmits"
    | "rttVar"
    | "sackPermitted"
    | "scaled"
    | "segmentsIn"
    | "segmentsOut"
    | "sndScale"
    | "sndNxt"
    | "sndUna"
    | "sndWnd"
    | "srtt"
    | "ssthresh"
    | "stale"
    | "state"
    | "timeouts"
    | "timestamps"
  >
  & {
    /** Its link's part is read. */
    readonly outlet: Pick<Subflow["outlet"], "mtu">;
    /** Its timeout. */
    readonly rtt: Pick<Subflow["rtt"], "rto">;
    /** What is in flight. */
    readonly inFlightList: Pick<Subflow["inFlightList"], "sacked" | "lost">;
    /** Whose scale its windows have. */
    readonly owner: Pick<Subflow["owner"], "receiveScale">;
  };

/** Members of `struct mptcp_info` without `mptcpi_`. Sequence numbers are those on the wire. */
export interface MptcpInfo {
  /** Subflows beside the first. */
  readonly subflows: number;
  /** Addresses announced to the peer. */
  readonly add_addr_signal: number;
  /** Announcements of the peer accepted. */
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

/** Members of `struct tcp_info` without `tcpi_`: times in microseconds but for `last_*` (milliseconds), `snd_cwnd` and its like in segments. */
export interface TcpInfo {
  /** Number of the TCP state: 1 established, 2 SYN sent, 3 SYN received, 4 and 5 FIN wait, 6 time wait, 7 closed, 8 close wait, 9 last ACK, 11 closing. */
  readonly state: number;
  /** 0 open, 3 recovery, 4 loss. */
  readonly ca_state: number;
  /** Retransmission timeouts in a row. */
  readonly retransmits: number;
  /** The same. */
  readonly backoff: number;
  /** 1 timestamps, 2 SACK, 4 window scale. */
  readonly options: number;
  /** Shift of the peer's windows. */
  readonly snd_wscale: number;
  /** Shift of ours. */
  readonly rcv_wscale: number;
  /** Retransmission timeout without back-off. */
  readonly rto: number;
  /** Payload of a full segment in bytes. */
  readonly snd_mss: number;
  /** Segments in flight or taken for lost. */
  readonly unacked: number;
  /** Segments selectively acknowledged. */
  readonly sacked: number;
  /** Segments taken for lost and not sent again. */
  readonly lost: number;
  /** Milliseconds since data was last sent. */
  readonly last_data_sent: number;
  /** Milliseconds since data last came. */
  readonly last_data_recv: number;
  /** Milliseconds since an acknowledgement last came. */
  readonly last_ack_recv: number;
  /** Largest packet of the path in bytes. */
  readonly pmtu: number;
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
  /** Segments sent again in all. */
  readonly total_retrans: number;
  /** Bytes per second. */
  readonly pacing_rate: number;
  /** Bytes acknowledged. */
  readonly bytes_acked: number;
  /** Bytes received. */
  readonly bytes_received: number;
  /** Segments sent. */
  readonly segs_out: number;
  /** Segments received. */
  readonly segs_in: number;
  /** Bytes bound to this path and not sent. */
  readonly notsent_bytes: number;
  /** Least round-trip time of the last 10 s. */
  readonly min_rtt: number;
  /** Bytes per second. */
  readonly delivery_rate: number;
  /** Bytes sent, again or for the first time. */
  readonly bytes_sent: number;
  /** Bytes sent again. */
  readonly bytes_retrans: number;
  /** Times that reordering was seen. */
  readonly reord_seen: number;
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
  /** Used only when no other works. */
  readonly backup: boolean;
  /** Nothing was acknowledged for several timeouts. */
  readonly stale: boolean;
  /** Its figures. */
  readonly tcp: TcpInfo;
}

/** What `conn.info()` gives. */
export interface ConnInfo {
  /** The connection. */
  readonly mptcp: MptcpInfo;
  /** Its paths, by path index. */
  readonly subflows: readonly SubflowInfo[];
}

/** MPTCP_INFO_FLAG_FALLBACK. */
const FLAG_FALLBACK = 1;
/** MPTCP_INFO_FLAG_REMOTE_KEY_RECEIVED. */
const FLAG_REMOTE_KEY = 2;

/** Linux's numbers of the states CLOSED to TIME_WAIT of core/subflow/subflow.ts. */
const STATES = [7, 2, 3, 1, 4, 5, 8, 11, 9, 6];
/** Linux's numbers of OPEN, RECOVERY, LOSS. */
const CA_STATES = [0, 3, 4];
/** TCP_INFINITE_SSTHRESH. */
const INFINITE_SSTHRESH = 2147483647;

function wireDsn(idsn: InitialDsn, offset: number): bigint {
  const first = BigInt(idsn.high >>> 0) << 32n | BigInt(idsn.low >>> 0);
  return BigInt.asUintN(64, first + BigInt(offset));
}

function millisecondsSince(time: Micros, now: Micros): number {
  return Math.max(0, Math.floor((now - time) / 1000));
}

function tcpInfo(subflow: InfoSubflow, now: Micros): TcpInfo {
  const { mss, inFlightList, ssthresh } = subflow;
  const segments = (bytes: number): number => Math.ceil(bytes / mss);
  return {
    state: STATES[subflow.state] ?? 7,
    ca_state: CA_STATES[subflow.recovery] ?? 0,
    retransmits: subflow.timeouts,
    backoff: subflow.timeouts,
    options: (subflow.timestamps ? 1 : 0) | (subflow.sackPermitted ? 2 : 0) |
      (subflow.scaled ? 4 : 0),
    snd_wscale: subflow.sndScale,
    rcv_wscale: subflow.scaled ? subflow.owner.receiveScale : 0,
    rto: Math.round(subflow.rtt.rto),
    snd_mss: mss,
    unacked: segments(subflow.sndNxt - subflow.sndUna),
    sacked: segments(inFlightList.sacked),
    lost: segments(inFlightList.lost),
    last_data_sent: millisecondsSince(subflow.lastDataSent, now),
    last_data_recv: millisecondsSince(subflow.lastDataReceived, now),
    last_ack_recv: millisecondsSince(subflow.lastAckReceived, now),
    pmtu: subflow.outlet.mtu,
    rtt: Math.round(subflow.srtt),
    rttvar: Math.round(subflow.rttVar),
    snd_ssthresh: ssthresh === Infinity ? INFINITE_SSTHRESH : Math.round(ssthresh / mss),
    snd_cwnd: Math.round(subflow.cwnd / mss),
    advmss: subflow.localMss,
    total_retrans: subflow.retransmits,
    pacing_rate: Math.round(subflow.pacingRate),
    bytes_acked: subflow.bytesAcked,
    bytes_received: subflow.bytesReceived,
    segs_out: subflow.segmentsOut,
    segs_in: subflow.segmentsIn,
    notsent_bytes: subflow.queued,
    min_rtt: Math.round(subflow.minRtt),
    delivery_rate: Math.round(subflow.deliveryRate),
    bytes_sent: subflow.bytesSent,
    bytes_retrans: subflow.bytesRetransmitted,
    reord_seen: subflow.reordSeen,
    snd_wnd: subflow.sndWnd,
    rcv_wnd: Math.max(0, subflow.rcvEdge - subflow.rcvNxt),
  };
}

/** Collects the figures of a connection. */
export function connectionInfo(socket: InfoSource, now: Micros): ConnInfo {
  const remoteKey = socket.established && !socket.fallback;
  return {
    mptcp: {
      subflows: Math.max(0, socket.subflows.length - 1),
      add_addr_signal: socket.addAddrSignal,
      add_addr_accepted: socket.addAddrAccepted,
      flags: (socket.fallback ? FLAG_FALLBACK : 0) | (remoteKey ? FLAG_REMOTE_KEY : 0),
      token: socket.token >>> 0,
      write_seq: wireDsn(socket.localIdsn, socket.tail),
      snd_una: wireDsn(socket.localIdsn, socket.dataUna),
      rcv_nxt: wireDsn(socket.remoteIdsn, socket.dataRcvNxt),
      csum_enabled: socket.dssChecksum ? 1 : 0,
      retransmits: socket.retransmits,
      bytes_retrans: socket.bytesRetransmitted,
      bytes_sent: socket.bytesSent,
      bytes_received: socket.bytesReceived,
      bytes_acked: socket.bytesAcked,
      subflows_total: socket.subflows.length,
      last_data_sent: millisecondsSince(socket.lastDataSent, now),
      last_data_recv: millisecondsSince(socket.lastDataReceived, now),
      last_ack_recv: millisecondsSince(socket.lastAckReceived, now),
    },
    subflows: socket.subflows.map((subflow) => ({
      id: subflow.path,
      path: subflow.path,
      local: { ...subflow.local },
      remote: { ...subflow.remote },
      backup: subflow.backup,
      stale: subflow.stale,
      tcp: tcpInfo(subflow, now),
    })),
  };
}
