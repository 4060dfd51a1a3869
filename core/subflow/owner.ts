/** What a subflow needs from above: the interfaces that the connection and the host implement for it. */

import type { Micros } from "../plugin.ts";
import type { PacketOut } from "../wire/packet.ts";
import type { InitialDsn } from "../wire/seq.ts";
import type { Subflow } from "./subflow.ts";

/** Something with a deadline in the host's queue. */
export interface Timed {
  /** When `fire` is due; Infinity when it is not armed. Re-arming only writes here. */
  deadline: Micros;
  /** Where the queue last filed it; the queue's own. */
  queuedAt: Micros;
  /** Called once when the deadline has passed. */
  fire(now: Micros): void;
}

/** The host's queue of deadlines. */
export interface TimerService {
  /** Sets a deadline; Infinity disarms. */
  arm(timed: Timed, deadline: Micros): void;
}

/** Who waits for a link that is full. */
export interface Waiter {
  /** A link that was waited for takes packets again. */
  writable(): void;
}

/** What lies below a subflow: the link that owns its source address. */
export interface Outlet {
  /** Largest packet. */
  readonly mtu: number;
  /** Most segments of a super-segment. */
  readonly maxSegments: number;
  /** CHECKSUM_* mode for header_build. */
  readonly checksumMode: number;
  /** The device is full: nothing is sent until it is writable. */
  readonly blocked: boolean;
  /** Hands a packet to the link; false when it is full: only who waits then is told when it is not any more. */
  send(packet: Readonly<PacketOut>): boolean;
  /** While it is blocked: has `waiter` told when it is not any more, once, and after those that wait already. */
  wait(waiter: Waiter): void;
}

/** What the host gives to every subflow. */
export interface SubflowHost {
  /** Deadlines. */
  readonly timers: TimerService;
  /** The host's handle in WebAssembly memory. */
  readonly wasm: number;
  /** The packet that goes out next; its headers are built at `out.header`, which stays where it is. */
  readonly out: PacketOut;
  /** Subflows in TIME-WAIT. */
  timeWaits: number;
  /** Counts an event under its MIB name. */
  count(name: string, by?: number): void;
  /** Answers the segment in RX_* with the RST that fits it (RFC 9293 §3.10.7.1). */
  refuse(): void;
  /** Whether another challenge ACK may be sent now (RFC 5961 §7). */
  mayChallenge(now: Micros): boolean;
  /** Takes the subflow's flow out of the demultiplexer. */
  forget(subflow: Subflow): void;
}

/** What the third ACK of a handshake leads to. */
export type ThirdAck = "accept" | "drop" | "reset";

/** The meta-socket as its subflows see it. */
export interface SubflowOwner extends Waiter {
  /** The host. */
  readonly host: SubflowHost;
  /** Handle of the shared send queue's stream. */
  readonly sendStream: number;
  /** Initial data sequence numbers. */
  readonly localIdsn: InitialDsn;
  /** The peer's. */
  readonly remoteIdsn: InitialDsn;
  /** Next data offset expected from the peer. */
  readonly dataRcvNxt: number;
  /** Bytes that the peer may send beyond `dataRcvNxt`. */
  readonly receiveWindow: number;
  /** Shift of the windows in segments to the peer. */
  readonly receiveScale: number;
  /** Nothing more will come or go at the data level. */
  readonly closed: boolean;
  /** DSS_* flags of a DATA_ACK; 0 while or where none is sent. */
  readonly dataAckFlags: number;
  /** DSS_* flags of a mapping; 0 for plain TCP. */
  readonly mappingFlags: number;
  /** DSS checksums were agreed. */
  readonly dssChecksum: boolean;
  /** A client to which no DSS has come yet: first data repeats the keys (RFC 8684 §3.1). */
  readonly capableData: boolean;
  /** Handle of the stream that received bytes go to. */
  readonly receiveStream: number;
  /** Writes the MPTCP option of a SYN, SYN/ACK or third ACK. */
  writeHandshake(subflow: Subflow, tcpFlags: number): void;
  /** Writes MP_CAPABLE with the data-level length, for first data whose keys the peer may not have yet (RFC 8684 §3.1). */
  writeCapableData(length: number, checksum: number): void;
  /** Judges the options of a SYN/ACK; false resets the subflow. */
  synAckArrived(subflow: Subflow, now: Micros): boolean;
  /** Judges the options of the ACK that ends a passive open. */
  thirdAckArrived(subflow: Subflow, now: Micros): ThirdAck;
  /** Handles the MPTCP options of an acceptable segment; false when it must not be looked at further. */
  optionsArrived(subflow: Subflow, now: Micros): boolean;
  /** Takes payload at `seq`; returns SEGMENT_* bits. */
  payloadArrived(
    subflow: Subflow,
    seq: number,
    address: number,
    length: number,
    now: Micros,
  ): number;
  /** The handshake is over. */
  joined(subflow: Subflow, now: Micros): void;
  /** An acknowledgement told something, or room came otherwise. */
  acknowledged(subflow: Subflow, bytes: number, now: Micros): void;
  /** A retransmission timeout of `subflow`, the `count`-th in a row. */
  timedOut(subflow: Subflow, count: number): void;
  /** The peer's FIN is in order. */
  finArrived(subflow: Subflow, now: Micros): void;
  /** The subflow carries nothing any more: reset, refused, timed out or closed in order. Called once. */
  left(subflow: Subflow, reason: LeaveReason, now: Micros): void;
  /** It wants a send pass. */
  dirty(subflow: Subflow): void;
}

/** Why a subflow ended. */
export type LeaveReason = "closed" | "refused" | "reset" | "timeout" | "aborted" | "unreachable";
