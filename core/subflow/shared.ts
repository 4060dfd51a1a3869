/** What a subflow is lent from above, and what it answers: the contracts between this room and those that use it. */

import type { Micros, PathIndex } from "../plugin.ts";
import type { Key } from "../wire/mptcp.ts";
import type { PacketOut } from "../wire/packet.ts";
import type { InitialDsn } from "../wire/seq.ts";
import type { SafeProbe } from "./probe.ts";
import type { ReceiveWindow } from "./receive_window.ts";
import type { TcpSettings } from "./settings.ts";
import type { TimeWait } from "./time_wait.ts";

/** Something with a deadline in the host's queue. */
export interface Timed {
  /** When `fire` is due; Infinity when it is not armed. The queue's own. */
  deadline: Micros;
  /** Where the queue last filed it; the queue's own. */
  queuedAt: Micros;
  /** Called once when the deadline has passed. */
  fire(now: Micros): void;
}

/** One that is told when it will never be armed again. */
export interface Releasable extends Timed {
  /** Disarmed for ever: it lets go of what it would call, as an entry of the queue may hold it for hours. */
  release(): void;
}

/** The host's queue of deadlines. */
export interface TimerService {
  /** Sets a deadline; Infinity disarms. Setting it later, or to the same, only writes a number. */
  arm(timed: Timed, deadline: Micros): void;
}

/** Who waits for a link that refused a packet. */
export interface Waiter {
  /** It takes packets again. */
  writable(): void;
}

/** What lies below a subflow: the link that owns its source address. */
export interface Outlet {
  /** What people call the link. */
  readonly name: string;
  /** Largest packet, in bytes. */
  readonly mtu: number;
  /** Most segments of a super-segment. */
  readonly maxSegments: number;
  /** CHECKSUM_* mode of the headers. */
  readonly checksumMode: number;
  /** The device is full: nothing is sent until it is writable. */
  readonly blocked: boolean;
  /** Hands a packet to the link; false when it is full: only who waits then is told when it is not any more. */
  send(packet: Readonly<PacketOut>): boolean;
  /** While it is blocked: has `waiter` told when it is not any more, once, and after those that wait already. */
  wait(waiter: Waiter): void;
}

/** What routers say of a packet that they do not forward (RFC 1122 §4.2.3.9, RFC 4443 §3.1, §3.3). */
export type PathTrouble =
  | "net-unreachable"
  | "host-unreachable"
  | "protocol-unreachable"
  | "port-unreachable"
  | "prohibited"
  | "hops-exceeded";

/** What a host remembers of the path between two addresses (RFC 1191 §6.2, RFC 8201 §5.2). */
export interface PathMemory {
  /** The largest packet that passes, and until when that is believed; null: nothing is known. */
  known(now: Micros): { readonly mtu: number; readonly until: Micros } | null;
  /** Packets of `mtu` bytes pass, and larger ones do not, which is believed until then. */
  found(mtu: number, until: Micros): void;
}

/** What the host gives to every subflow. */
export interface SubflowHost {
  /** The host's handle in WebAssembly memory. */
  readonly wasm: number;
  /** The packet that goes out next; its headers are built at `out.header`, which stays where it is. */
  readonly out: PacketOut;
  /** Who watches; null when nobody does. */
  readonly probe: SafeProbe | null;
  /** Counts an event under its MIB name. */
  count(name: string, by?: number): void;
  /** What is known of the path from one of its addresses to another host's. */
  pathMemory(local: string, remote: string): PathMemory;
  /** Takes a flow out of the demultiplexer; 0 for none. */
  forget(flow: number): void;
  /** Has `timeWait` answer for its flow from now on, for its time. */
  rest(timeWait: TimeWait, now: Micros): void;
}

/** Both keys of a connection, as first data repeats them (RFC 8684 §3.1). */
export interface CapableKeys {
  /** CAPABLE_* bits. */
  readonly flags: number;
  /** Ours. */
  readonly own: Key;
  /** The peer's. */
  readonly peer: Key;
}

/** The connection as its subflows read it. */
export interface DataLevel {
  /** Its number among the connections of the host, for who watches. */
  readonly id: number;
  /** What was chosen of the TCP engine. */
  readonly tcp: TcpSettings;
  /** Handle of the shared send queue's stream; 0 before something is written. */
  readonly sendStream: number;
  /** Handle of the stream that received bytes go to, made when it is first asked for; 0: there is no memory for it. */
  readonly receiveStream: number;
  /** Our initial data sequence number. */
  readonly localIdsn: InitialDsn;
  /** The peer's. */
  readonly remoteIdsn: InitialDsn;
  /** Next data offset expected from the peer. */
  readonly dataRcvNxt: number;
  /** Bytes that the peer may send beyond it. */
  readonly receiveWindow: number;
  /** The window as offered, in data offsets, and the offset that `receiveWindow` counts from. */
  readonly offered: ReceiveWindow;
  readonly offeredFrom: number;
  /** Shift of the windows in segments to the peer (RFC 7323 §2.3). */
  readonly receiveScale: number;
  /** DSS_* flags of a DATA_ACK; 0 while or where none is sent. */
  readonly dataAckFlags: number;
  /** DSS_* flags of a mapping; 0 for plain TCP. */
  readonly mappingFlags: number;
  /** Those of a mapping of data from offset `dsn` on. */
  mappingFlagsAt(dsn: number): number;
  /** DSS checksums were agreed. */
  readonly dssChecksum: boolean;
  /** Set at a client to which no DSS has come yet: its first data repeats the keys (RFC 8684 §3.1). */
  readonly keysOwed: CapableKeys | null;
  /** Data offset of a DATA_FIN of ours that has left and is not DATA_ACKed; -1: there is none. */
  readonly finOut: number;
  /** Nothing more will come or go at the data level. */
  readonly over: boolean;
  /** A RST that told why it ends a subflow (RFC 8684 §3.6) has left, or has come. */
  resetTold(
    reset: {
      readonly by: "us" | "peer";
      readonly path: PathIndex;
      readonly reason: number;
      readonly transient: boolean;
      readonly at: Micros;
    },
  ): void;
}

/** Why a subflow ended. */
export type LeaveReason = "closed" | "refused" | "reset" | "timeout" | "aborted" | "unreachable";

/** What an event did to a subflow and is left to the connection: OUTCOME_* bits, settled in their order. */
export type Outcome = number;

/** It has ended: `ended` says why. It is buried at the end of the batch; its flow is out of the table at once. */
export const OUTCOME_ENDED = 1;
/** The handshake goes on when the connection has judged the MPTCP options in `rx`: by `admit`, or not. */
export const OUTCOME_JUDGE = 2;
/** It may carry data from now on. */
export const OUTCOME_JOINED = 4;
/** That settled, the segment in `rx` goes on: `proceed`. */
export const OUTCOME_MORE = 8;
/** An acknowledgement told something: bytes delivered, or a window. */
export const OUTCOME_HEARD = 16;
/** MPTCP options, payload and FIN in `rx` are acceptable and wait to be taken. */
export const OUTCOME_SEGMENT = 32;
/** The peer's FIN is in order. */
export const OUTCOME_FIN = 64;
/** A retransmission timeout. */
export const OUTCOME_TIMEOUT = 128;
/** Something is to be sent, or its deadlines moved: the connection needs a pass. */
export const OUTCOME_WORK = 256;
/** The segment in `rx` wants a RST that is no part of this subflow (RFC 9293 §3.10.7.1). */
export const OUTCOME_REFUSE = 512;
/** The peer has begun the join that we have begun: its SYN is in `rx`, and to be judged. */
export const OUTCOME_CROSSED = 1024;
/** It has been silent for long: it may be given up, or is to be asked. */
export const OUTCOME_SILENT = 2048;
/** Nothing was answered when a timeout would have passed, nor the loss probe that has put it off. */
export const OUTCOME_LATE = 4096;
