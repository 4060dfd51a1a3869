/** What a connection needs from its host. */

import type { GuardedSchedulerPlugin } from "../guard/scheduler.ts";
import type {
  CongestionControlPlugin,
  Endpoint,
  HostAddress,
  Micros,
  SchedulerPlugin,
} from "../plugin.ts";
import type { GuardedCongestionControlPlugin } from "../guard/congestion.ts";
import type { Key } from "../wire/mptcp.ts";
import type {
  Outlet,
  PathTrouble,
  Releasable,
  SubflowHost,
  TimerService,
} from "../subflow/shared.ts";
import type { Subflow } from "../subflow/subflow.ts";
import type { MetaSocket } from "./meta_socket.ts";

/** A way out for a new subflow: its link, its ends and its flow key. */
export interface FlowPlan {
  /** The link that owns the local address. */
  readonly outlet: Outlet;
  /** Local end, its port chosen. */
  readonly local: Endpoint;
  /** Remote end. */
  readonly remote: Endpoint;
  /** Family of both. */
  readonly family: 4 | 6;
  /** Address of the KEY record. */
  readonly key: number;
}

/** The ends of a join to be: the local port is still to be found. */
export interface FlowEnds {
  /** Our address. */
  readonly local: Pick<Endpoint, "address">;
  /** The peer's end. */
  readonly remote: Endpoint;
}

/** A way for a connection of ours to begin: the local port is still to be found. */
export type Way = FlowEnds;

/** What a host remembers of the ways to its destinations, by source address. */
export interface FirstPathMemory {
  /** A handshake, or what was sent since, was answered after `rtt`. */
  answered(way: Way, rtt: Micros, now: Micros): void;
  /** It had not answered when another way did. */
  late(way: Way, now: Micros): void;
  /** Nothing has answered at all, or no longer. */
  silent(way: Way, now: Micros): void;
  /** Whether it is known to answer. */
  answers(way: Way, now: Micros): boolean;
  /** How long `tried` has before `next` tries as well; `delay`: where nothing is known, unless they are `eager` then. */
  wait(tried: Way, next: Way, delay: Micros, eager: boolean, now: Micros): Micros;
}

/** Where the numbers of a flow begin. Both follow from its ends and a secret, so that a flow of the same ends goes on above the one before. */
export interface FlowNumbers {
  /** Initial sequence number (RFC 6528). */
  readonly iss: number;
  /** Offset of its timestamps (RFC 7323 §5.4). */
  readonly timestampOffset: number;
}

/** What a client may put into a SYN (RFC 7413 §4.1.3). */
export interface FastOpenOffer {
  /** The server's cookie; empty: there is none, and it may be asked for one. */
  readonly cookie: Uint8Array;
  /** The server's MSS as it came with the cookie; 0: unknown. */
  readonly mss: number;
}

/** What a host remembers of Fast Open with servers. */
export interface FastOpenMemory {
  /** What may go into a SYN from `local` to `remote`; null: nothing of Fast Open for now. */
  offer(local: Endpoint, remote: Endpoint, now: Micros): FastOpenOffer | null;
  /** A cookie has come. */
  learned(local: Endpoint, remote: Endpoint, cookie: Uint8Array, mss: number): void;
  /** Data in a SYN were acknowledged. */
  worked(local: Endpoint, remote: Endpoint): void;
  /** Neither has come in answer to a SYN that asked for it: it is not tried again for a while. */
  failed(local: Endpoint, remote: Endpoint, now: Micros): void;
}

/** What a host keeps of the joins of peers between SYN and third ACK. */
export interface HalfOpenJoinList {
  /** Whether no more are kept. */
  readonly crowded: boolean;
  /** One has begun. */
  begun(subflow: Subflow): void;
  /** It is proved, or has ended; false: it was none of these. */
  over(subflow: Subflow): boolean;
}

/** Services of the host to its connections. */
export interface ConnectionHost extends SubflowHost {
  /** Time of the batch in hand. */
  readonly now: Micros;
  /** Deadlines. */
  readonly timers: TimerService;
  /** Addresses of the host. */
  readonly addresses: readonly HostAddress[];
  /** The address that its routes choose towards `address`; null when it has none of that family. */
  route(address: string): string | null;
  /** Limits of memory. */
  readonly memory: MemoryLimits;
  /** What a researcher may want to change. */
  readonly experiments: Experiments;
  /** The one timer of a connection; its deadlines are handled when it fires. */
  alarm(connection: MetaSocket): Releasable;
  /** 32 random bits for the random numbers of joins. */
  randomWord(): number;
  /** Initial sequence number and offset of timestamps of a flow that begins now, by its KEY record. */
  flowNumbers(key: number): FlowNumbers;
  /** A number that no connection of the host had before. */
  nextConnection(): number;
  /** A key whose token no connection of the host has (draft ARC-7); null: none was found. */
  newKey(): Key | null;
  /** Whether SYNs with MP_CAPABLE are known not to come to `address`; `timeout`: how long the first time that they did not is remembered. */
  swallows(address: string, timeout: Micros): boolean;
  /** Only a SYN without MP_CAPABLE was answered from `address`. */
  swallowed(address: string, timeout: Micros): void;
  /** One with it was answered with it. */
  passed(address: string): void;
  /** `connection` has announced `address` with a port of its own: only joins are taken there. */
  holdPort(connection: MetaSocket, address: HostAddress): void;
  /** Whether it has announced an address with this port. */
  holdsPort(connection: MetaSocket, local: Endpoint): boolean;
  /** It has taken back the address of this id. */
  releasePort(connection: MetaSocket, id: number): void;
  /** It takes no joins any more. */
  releasePorts(connection: MetaSocket): void;
  /** What it remembers of Fast Open. */
  readonly fastOpens: FastOpenMemory;
  /** Finds link and free local port for a join, the port `wish` where that is free; null when there is none: which of them is counted. */
  planFlow(ends: FlowEnds, dscp: number, wish: number): FlowPlan | null;
  /** The same for a first subflow; `joins`: the port should be free at the host's other addresses, too. */
  planFirst(way: Way, dscp: number, joins: boolean): FlowPlan | null;
  /** What it remembers of where connections begin best. */
  readonly firstPaths: FirstPathMemory;
  /** Enters a subflow of `connection` into the demultiplexer; false when it is full or taken. */
  register(subflow: Subflow, connection: MetaSocket): boolean;
  /** Joins of peers that are not proved. */
  readonly halfOpenJoins: HalfOpenJoinList;
  /** Answers the segment in `rx` with the RST that fits it (RFC 9293 §3.10.7.1), on the flow of a KEY record. */
  refuse(key: number): void;
  /** Lets joins find the connection by its token. */
  claimToken(token: number, connection: MetaSocket): void;
  /** No join may find it any more. */
  releaseToken(token: number, connection: MetaSocket): void;
  /** Ends a batch of the application's calls. */
  flush(now: Micros): void;
  /** What comes next of the data, or belongs before what came last, has probably come by another link. */
  lookElsewhere(): void;
  /** Wants a send pass at the end of the batch. */
  dirty(connection: MetaSocket): void;
  /** Whether its passive open may be completed now: else its third ACK is dropped, and comes again when the SYN/ACK does. */
  mayOpen(connection: MetaSocket): boolean;
  /** Its passive open is complete: a listener may give it out. */
  opened(connection: MetaSocket): void;
  /** A connection that was given out before its third ACK has got that, or has ended before; `reset`: by a RST. */
  proved(connection: MetaSocket, reset: boolean): void;
  /** Calls back at `time`; the result cancels. */
  at(time: Micros, callback: () => void): () => void;
  /** Calls back when a packet comes from `address` that belongs to no flow; the result cancels. */
  onStray(address: string, callback: () => void): () => void;
  /** Puts a scheduler behind the guard that catches its faults. */
  guardScheduler(plugin: SchedulerPlugin): GuardedSchedulerPlugin;
  /** The same for a congestion control. */
  guardCongestionControl(plugin: CongestionControlPlugin): GuardedCongestionControlPlugin;
  /** A plugin's callback threw. */
  report(plugin: string, error: unknown): void;
  /** Nothing is left of it. */
  closed(connection: MetaSocket): void;
}

/** Most bytes that connections take, for data, lists and records alike. */
export interface MemoryLimits {
  /** All of a host. @default {268435456} */
  readonly host?: number | undefined;
  /** What one connection has received. @default twice its receive buffer, 16 MB at least where that may grow so far, a megabyte elsewhere */
  readonly receive?: number | undefined;
}

/** Fixed values in place of what the stack would choose; for research. */
export interface Experiments {
  /** Bytes of the shared receive buffer, always. @default what the connection's TCP options say: it grows */
  readonly receiveBuffer?: number;
  /** Bytes of the shared send queue, always. @default what the connection's TCP options say: it grows */
  readonly sendBuffer?: number;
  /** What the send queue's size follows from: the windows of the subflows, or how fast their sequence numbers move (draft SBF-3, SBF-4). @default {"windows"} */
  readonly sendEstimate?: "windows" | "progress";
  /** Where a scheduler with `lookAhead` has bound data to the wrong path, everything is taken back and bound anew. @default {true} */
  readonly reallocate?: boolean;
  /** Every initial sequence number and offset of timestamps. @default {what RFC 6528 and RFC 7323 §5.4 say} */
  readonly isn?: number;
  /** Most subflows of a host in TIME-WAIT: above it the next one ends at once. @default {16384} */
  readonly timeWaits?: number;
}

/** What the application layer hears of a connection; called at the end of a batch. */
export interface ConnectionObserver {
  /** The first subflow is established. */
  onEstablished(): void;
  /** There are bytes, or the end, to read. */
  onReadable(): void;
  /** There is room to write. */
  onWritable(): void;
  /** Nothing will come any more; the code tells how it failed, null for an end in order, and the reason, where there is one, what led to that. */
  onClosed(code: NetworkCode | null, reason: EndReason | null): void;
}

/** How the network can fail a connection. */
export type NetworkCode =
  | "ConnectionRefused"
  | "ConnectionReset"
  | "ConnectionAborted"
  | "TimedOut"
  | "NetworkUnreachable"
  | "AddrInUse"
  | "AddrNotAvailable";

/** What led to the end of a connection, where its code alone would not say; core/net/errors.ts has the words. */
export type EndReason =
  /** A router said so, by ICMP, and nothing came from the peer since. */
  | PathTrouble
  /** A middlebox took MPTCP options away on the only path (RFC 8684 §3.7). */
  | "options-removed"
  /** More or fewer bytes came on the only path than were sent on it. */
  | "bytes-miscounted"
  /** What came on the only path is not what its DSS checksum says (RFC 8684 §3.3.1), or the peer says so of ours: a RST with MP_FAIL (§3.7). */
  | "checksum-failed"
  /** The peer found a middlebox at work on the only path: MP_TCPRST with reason 6 (RFC 8684 §3.6). */
  | "interference-told"
  /** The user timeout: nothing came from the peer while something waited for its answer (RFC 9293 §3.8.3). */
  | "unanswered"
  /** The peer took nothing of what was written before close(), although it answered. */
  | "not-taken"
  /** The peer's application ended it at once: MP_FASTCLOSE (RFC 8684 §3.5). */
  | "aborted-by-peer"
  /** The peer closed its last path, and not its data: FIN without DATA_FIN (RFC 8684 §3.3.3). */
  | "ended-early"
  /** The peer reset the last path, and none was opened in its place. */
  | "path-reset"
  /** The devices of all links of this host are gone. */
  | "links-gone"
  /** This side's path manager, or its application, left the last path, and none was opened in its place. */
  | "path-left";
