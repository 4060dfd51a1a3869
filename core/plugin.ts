/**
 * What a plugin is written against: schedulers, congestion controls and path managers, and what they see of a connection. Types only.
 *
 * Views show the stack as it is at the time, and nothing that a plugin does to them reaches it: they are frozen, with getters, so writing to one
 * throws; a spread copies nothing. The same view stands for the same subflow each time and may be kept; one that has left shows its last state.
 * The arrays of a {@linkcode PathContext} are live and throw when written to. `ready`, `sentOn` and `connection.subflows` are filled again before
 * each call: what a plugin does to them lasts as long as the call. Nothing is built for a call. Units are bytes, microseconds and bytes per second.
 *
 * A fault is an exception, a promise as answer (nothing here waits), an unknown or closed path, an endless wait, a member that is no function, or a
 * value that cannot be: NaN, a window of less than a segment. It is caught, counted and reported with the plugin's name, the callback and the rule;
 * the default decides that time, and replaces the plugin after 100 faults; at once when `create` gives nothing that can be used, and when a scheduler
 * waits for two retransmission timeouts (those of the paths that work, with their back-off) while there are data, window and a path with room.
 *
 * A plugin module's default export is a factory, `export default function patient(options = {}): SchedulerPlugin`, and its export `defaults` holds the
 * options that it has, `export const defaults = { ratio: 4 }`, so that `--scheduler ./patient.ts,ratio=3` works and `ratio=foo` is refused.
 *
 * @module
 */

/** Microseconds since the host started; fractions are allowed. */
export type Micros = number;
/** Names a path of a connection: 1 is the first subflow's; an index is never given to another path (draft §2.3). */
export type PathIndex = number;
/** An IP address and port. */
export interface Endpoint {
  /** Dotted quad or RFC 5952. */
  readonly address: string;
  /** 0 = the transport chooses (draft §2.1, message 3). */
  readonly port: number;
}
/** What both sides of the draft's line may know of a path in use. */
export interface PathView {
  /** Its index. */
  readonly path: PathIndex;
  /** Our end. */
  readonly local: Endpoint;
  /** The peer's end. */
  readonly remote: Endpoint;
  /** Address id of our end (RFC 8684 §3.4.1); 0: that of the first subflow. */
  readonly localId: number;
  /** Of the peer's end, as the peer calls it. */
  readonly remoteId: number;
  /** Only when no other works (RFC 8684 §3.3.8). */
  readonly backup: boolean;
  /** Nothing was acknowledged for several timeouts (`staleLossCount` of `mptcp`) while another path worked: it gets nothing new until something is. */
  readonly stale: boolean;
  /** Smoothed round trip: at least 1; 1 s before a first sample. */
  readonly srtt: Micros;
  /** Variation of the round trip (RFC 6298). */
  readonly rttVar: Micros;
  /** Lowest round trip of the last 10 s. */
  readonly minRtt: Micros;
  /** What arrives of what this side sends, in bytes per second; 0 before the first sample. It stays as it was while too little is sent to tell. */
  readonly deliveryRate: number;
  /** Bytes sent so far, again or for the first time. */
  readonly bytesSent: number;
  /** Those of them that were sent again on this path: what grows of them beside `bytesSent` is its loss. */
  readonly bytesRetrans: number;
  /** Bytes received so far, in order. */
  readonly bytesReceived: number;
  /** Bytes that the peer has acknowledged so far, selectively too. */
  readonly delivered: number;
  /** Bytes that were taken for lost so far, those included that turned out not to be. */
  readonly lost: number;
  /** Times that the retransmission timeout has passed so far. */
  readonly timeouts: number;
  /** When an acknowledgement last came; 0 before the first. */
  readonly lastAck: Micros;
}
/** One established subflow. */
export interface SubflowView extends PathView {
  /** Payload of a full segment. */
  readonly mss: number;
  /** Window as its controller set it, not the one of a recovery. */
  readonly cwnd: number;
  /** Bytes of data that it may begin with, and go back to after a pause (RFC 6928 §2). */
  readonly initialWindow: number;
  /** Where slow start ends: Infinity before the first loss or train of acknowledgements, which may yet be refuted. */
  readonly ssthresh: number;
  /** RFC 6675 pipe. */
  readonly inFlight: number;
  /** When what has been in flight longest was sent, for the last time: about a round trip later its acknowledgement makes room. Infinity: nothing is in flight. */
  readonly oldestSent: Micros;
  /** Bytes it can take now; "full" is room < mss. */
  readonly room: number;
  /** Bound and unsent; 0 unless the scheduler has `lookAhead`. */
  readonly queued: number;
  /**
   * Highest `deliveryRate` of the last 10 to 20 round trips in which there was enough to send, in bytes per second: what begins after a pause, and has not
   * filled the path yet, does not lower it, but for ten bursts that have come through more slowly. 0 before the first sample.
   */
  readonly peakRate: number;
  /**
   * Bytes per second at which the path has let a burst through that came behind a pause, and took longer than to send. The round trip in which nothing comes back
   * is not in it, which is most of what a short answer takes, and in its `deliveryRate`. 0: none has told.
   */
  readonly burstRate: number;
  /** Bytes per second, also when not paced: 2 cwnd/srtt in slow start, then 1.2 cwnd/srtt. */
  readonly pacingRate: number;
  /** cwnd is below ssthresh. */
  readonly inSlowStart: boolean;
  /** A loss is being repaired. */
  readonly inRecovery: boolean;
  /**
   * How much longer than at the best of the last 20 s the last packet was on its way out: the queue there. By timestamps (RFC 7323), so whole milliseconds,
   * and a peer that delays its ACKs adds that. Kept from the first time on that it is asked for; 0 until then, and where there are no timestamps.
   */
  readonly delayOut: Micros;
  /** The same for what came in. */
  readonly delayIn: Micros;
}
/** One connection. */
export interface ConnectionView {
  /** Which side opened it. */
  readonly role: "client" | "server";
  /**
   * By path index, stale and backup ones included; a scheduler does not see those that are being closed, which take nothing new. Always the same array,
   * right within each call: it may be destructured.
   */
  readonly subflows: readonly SubflowView[];
  /** Bytes written and not yet given to a subflow. */
  readonly unsent: number;
  /**
   * Bytes that are still to be given to subflows, as far as can be known: `unsent`, what is to be given anew as all are gone that had it, what of a write()
   * waits for room in the send buffer, and what of an announced message (`message` of write()) was not written. Where a write that waits is one of many, as
   * much again as was written in them is taken for what follows. After closeWrite() it is the first two. At least `unsent`, always.
   */
  readonly left: number;
  /** Bytes sent, not DATA_ACKed. */
  readonly unacked: number;
  /** Bytes the peer still allows; "full" is window < mss, seldom exactly 0. */
  readonly window: number;
  /** The most it has allowed at once so far: its receive buffer, as far as it shows that. */
  readonly mostWindow: number;
  /** Bytes that our own receive buffer takes now. */
  readonly receiveBuffer: number;
  /** Bytes that it still allows the peer. */
  readonly receiveWindow: number;
  /** Bytes in it, in order, that the application has not read. */
  readonly readable: number;
  /** Stream position of the last DATA_ACK. */
  readonly acked: number;
  /** Bytes sent again on another subflow so far. */
  readonly repeated: number;
  /** What the application has tagged it with, `conn.setTag()`: a traffic class, a DSCP, whatever both agree on; 0 unless it has. */
  readonly tag: number;
  /** The present. */
  readonly now: Micros;
  /** A number in [0, 1), from a stream of the plugin's own: one more plugin that draws shifts no other. */
  random(): number;
  /** Asks the scheduler again at `at`, or 10 us from now if that is later, whatever happens. Throws a RangeError unless `at` is still to come. */
  wake(at: Micros): void;
}
/** Bytes that wait to be sent. Reused: copy what you keep. */
export interface Chunk {
  /** Stream position of the first. */
  readonly offset: number;
  /** Most that one decision sends on one subflow. */
  readonly length: number;
  /** Those that carry it already, all of it; empty = new data, or what only paths had that are gone (`sentAt`). */
  readonly sentOn: readonly SubflowView[];
  /** When it was first sent; 0 = not yet. */
  readonly sentAt: Micros;
  /** What its write() said of it, `{ hint }`: a class, a priority, a deadline, whatever both agree on; 0 unless it did. A chunk has one. */
  readonly hint: number;
  /** When its first byte was written, where its write() gave a hint; else 0. */
  readonly written: Micros;
}
/** One path of an answer. */
export interface Answer {
  /** Its index. */
  readonly path: PathIndex;
  /** Most bytes that this answer binds there, from 1 on, rounded down to whole segments, one at least; default: the chunk's `length`, which is the most. */
  readonly bytes?: number;
}
/** A scheduler's answer: a path, a copy on each of several, of which all take what the least of them does, or `null` to wait. */
export type Choice = Answer | readonly Answer[] | null;
/** What happened to a subflow. */
export type SubflowChange = "joined" | "left" | "priority" | "stale" | "revived";

/** Decides which subflow carries what. */
export interface Scheduler {
  /**
   * Which subflow carries the next bytes? `ready` holds those that can: established, with room, backup ones only if no other works, stale
   * ones only if all are; empty only with `lookAhead`. A subflow that is not among them means "wait for that one", `null` "wait", several
   * "a copy on each", of which those that are not among them are left out. With `lookAhead` the bytes are bound to one that is not among them, as long as
   * that has less than so many `queued` beyond its `room`. Asked again until nothing is left or the answer is to wait. Reinjections (`sentOn`) come before new data.
   */
  pick(ready: readonly SubflowView[], chunk: Chunk): Choice;
  /**
   * Shall `subflow`, which has room, also carry this chunk, which others carry and the peer has not DATA_ACKed? Asked before `pick`, from
   * the oldest on, until no; "skip": not this one, what about the next? Who skips much is asked much: for all that is out, at every pass.
   */
  repeat?(subflow: SubflowView, chunk: Chunk): boolean | "skip";
  /** `bytes` were acknowledged on `subflow`. */
  onAck?(subflow: SubflowView, bytes: number): void;
  /** `bytes` were taken for lost on `subflow`; by a timeout all that was in flight on it. */
  onLoss?(subflow: SubflowView, bytes: number): void;
  /** The retransmission timeout of `subflow` has passed, the first or one more in a row. What it carries is offered to the others after the first. */
  onTimeout?(subflow: SubflowView): void;
  /**
   * The peer's window keeps from leaving what is written, and those of `ready` have room for it. Told when it comes to that, and again when it does once
   * more after something could leave.
   */
  onBlocked?(ready: readonly SubflowView[]): void;
  /** A subflow changed; "joined" is repeated for each after a live swap. */
  onSubflow?(subflow: SubflowView, change: SubflowChange): void;
  /**
   * The application changes what may be changed while it runs, `conn.tuneScheduler({ ratio: 3 })`. Throws a RangeError or TypeError, which goes to the
   * application, for what it does not have or take; then nothing is changed. Without this member there is nothing to tune.
   */
  tune?(parameters: Readonly<Record<string, unknown>>): void;
  /** The connection is over, or another scheduler takes over: nothing is asked or told after this. */
  onClose?(): void;
}
/** A scheduler that can be named in options and on a command line. */
export interface SchedulerPlugin {
  /** Tells the kinds apart when loaded from a file or URL. */
  readonly kind: "scheduler";
  /** For reports and tables. */
  readonly name: string;
  /** Most bytes one answer binds, from 1 on, rounded down to whole segments, one at least; default 65535. */
  readonly quantum?: number;
  /** Bytes bound beyond room: 0 pull (SQ-1), some = hybrid (SQ-8), Infinity = push (ALT-5). What is bound waits on its subflow until there is room, as far ahead of the window as that may be. */
  readonly lookAhead?: number;
  /**
   * Where an option of the connection does not say otherwise, the stack relieves head-of-line blocking: opportunistic retransmission, penalties and tail
   * reinjection (`mptcp` in docs/mptcp.md). A scheduler that repeats by itself needs none.
   *
   * @default {false}
   */
  readonly relief?: boolean;
  /**
   * What it is for, and so what the plugin kit holds it to. "aggregate", the default: all paths together carry what they can. "redundant": the same bytes go
   * over several, which carry no more than the best one, and no later for what happens to another. "selective": some paths are left alone on purpose, also while
   * they could carry more.
   */
  readonly family?: "aggregate" | "redundant" | "selective";
  /** Called once a connection, before its first data leave: one that only receives has no scheduler. */
  create(connection: ConnectionView): Scheduler;
}

/** What one acknowledgement told. A copy, reused: spread what you keep. */
export interface AckSample {
  /** Bytes newly acknowledged, selectively too. */
  readonly acked: number;
  /** Bytes newly taken for lost. */
  readonly lost: number;
  /**
   * Those of `acked` that came with ECN-Echo (RFC 3168), where both sides use ECN. With `accurateEcn` at the peer they are those that were marked, give or
   * take what one acknowledgement tells; else all from the first one marked on until the peer has heard of the reduction, a round trip later.
   */
  readonly marked: number;
  /** Unsmoothed round trip; -1 = none. */
  readonly rtt: Micros;
  /** Bytes in flight before it. */
  readonly inFlight: number;
  /** Only then may cwnd grow (RFC 7661). */
  readonly cwndLimited: boolean;
  /** All bytes delivered so far. */
  readonly delivered: number;
  /** `delivered` when the newest acknowledged segment was sent: counts rounds. */
  readonly priorDelivered: number;
  /** Bytes per second; 0 = none. */
  readonly deliveryRate: number;
  /** Application or scheduler gave too little. */
  readonly appLimited: boolean;
}
/** Sets the window of one subflow; its values are read after every callback. */
export interface CongestionController {
  /** Bytes that may be in flight: never set to less than a segment, or more than 2^30. Parts of a byte are left out. */
  readonly cwnd: number;
  /** Where slow start ends; Infinity while nothing tells of an end, never set to less than a segment. */
  readonly ssthresh: number;
  /**
   * The threshold for another controller that takes the subflow over; absent = `ssthresh`. Infinity where that is in doubt yet: a threshold that is handed on
   * is never refuted. Asked for once, then; never less than a segment.
   */
  readonly ssthreshLeft?: number | undefined;
  /**
   * The window for another controller that takes the subflow over, no more than `cwnd`; absent = that. What fills the path, where the pace and not the window
   * holds the subflow back. Asked for once, then; never less than a segment.
   */
  readonly cwndLeft?: number | undefined;
  /**
   * Bytes per second, a segment a minute at least; absent = not paced. Leaves in bursts of what it gives in 1 ms, of two segments at least and 64 KiB at
   * most; of 2 ms, or four segments, after a pause. While it holds a subflow back, that has no `room`. Repeats keep to it as well.
   */
  readonly pacingRate?: number | undefined;
  /** cwnd rules in recovery, in place of PRR (bbr). */
  readonly ownsRecovery?: boolean;
  /**
   * Marks are echoed as they come, an acknowledgement at each change (RFC 8257 §3.2), so that the peer can count them; absent = one is echoed until the peer
   * has reduced its window (RFC 3168 §6.1.3). It concerns what this side receives: only where both use such a controller both can count.
   */
  readonly accurateEcn?: boolean;
  /** Something was acknowledged, in recovery too. */
  onAck(ack: AckSample): void;
  /**
   * Once per recovery, per window of data with marks, per first timeout, per penalty (NSDI'12 M2); `flightSize` of RFC 5681 eq. 4, before anything was
   * taken for lost. For "ecn" nothing was lost: the window is what it is set to, at once. One that came before a loss in the same window of data stands for
   * that, too (RFC 3168 §6.1.2). "penalty": the subflow keeps the receive window shut for faster ones.
   */
  onCongestion(cause: "loss" | "ecn" | "timeout" | "penalty", flightSize: number): void;
  /**
   * The last loss or timeout that it was told of was none: the path has only reordered, or stalled (RFC 3522, RFC 3708, RFC 5682). At most once for each, also
   * when the recovery is over. What was in flight is so again; window and threshold are the controller's to bring back, no less
   * than a segment, which may have grown meanwhile: without this they stay.
   */
  onUndo?(): void;
  /** Sending starts again after `idle` without, which was more than `timeout`, that of retransmissions (RFC 5681 §4.1). */
  onRestart?(idle: Micros, timeout: Micros): void;
}
/** The controllers of one connection: coupled state lives here. */
export interface CongestionControl {
  /**
   * A subflow is established, or was another's until now; its controller starts at subflow.cwnd, and subflow.ssthresh is what the former left, or Infinity.
   * After `leave` it may join again: a loss that the former was told of was none, and it starts where that was before.
   */
  join(subflow: SubflowView): CongestionController;
  /** It is gone. */
  leave?(subflow: SubflowView): void;
}
/** A congestion control that can be named in options and on a command line. */
export interface CongestionControlPlugin {
  /** Tells the kinds apart when loaded from a file or URL. */
  readonly kind: "congestion-control";
  /** For reports and tables. */
  readonly name: string;
  /**
   * What it heeds: losses (reno), delay and losses (wvegas), or a model of the path that may take a loss for none of its doing (bbr). Tells the plugin kit
   * what to ask of it, and nothing else.
   *
   * @default {"loss"}
   */
  readonly basis?: "loss" | "delay" | "model";
  /** Called once a connection, before its first data leave, or when ECN is agreed: one that only receives has no congestion control. */
  create(connection: ConnectionView): CongestionControl;
}

/** An address of either host. */
export interface HostAddress extends Endpoint {
  /** RFC 8684 §3.4.1; 0 = the first subflow's. */
  readonly id: number;
  /** IP version. */
  readonly family: 4 | 6;
  /** The link that owns it; empty for the peer's. */
  readonly link: string;
}
/** What makes a path: equal in all of it = the same path. */
export interface PathSpec {
  /** Our end. */
  readonly local: HostAddress;
  /** The peer's end, of the same family. */
  readonly remote: HostAddress;
  /** Several over one pair: another local port. */
  readonly copy?: number;
  /** Written into each packet (draft A.2). */
  readonly dscp?: number;
}
/** How much of what a path manager wants is done, as `ip mptcp limits` has it. */
export interface PathLimitsView {
  /** Most subflows besides the first, opened by either side. */
  readonly subflows: number;
  /** Most addresses taken from the peer's ADD_ADDR. */
  readonly addAddrAccepted: number;
}
/** What a path manager is told. */
export type PathEvent =
  | {
    /** Addresses may be announced, and paths used: they are opened as soon as a DSS has come (RFC 8684 §3.1). */ readonly type:
      "start";
  }
  | {
    /** It has: paths are opened. */ readonly type: "established";
  }
  | {
    /** Something was not done as a limit of the host's, or of this connection's, is reached; told once for each path and address. */
    readonly type: "limit";
    /** Which: `path` waits until another leaves, `address` was not taken into `remotes`. */
    readonly limit: "subflows" | "addAddrAccepted";
    /** The path that is not opened. */
    readonly path?: PathIndex;
    /** The address that the peer has announced. */
    readonly address?: HostAddress;
  }
  | {
    /** Which table changed. */
    readonly type: "local" | "remote";
    /** The address. */
    readonly address: HostAddress;
    /** How. */
    readonly change: "added" | "removed" | "changed";
    /** The peer has said so by an ADD_ADDR: an address that was seen in a join alone need not be one to connect to. */
    readonly announced?: boolean;
  }
  | {
    /** The peer has confirmed an announcement. */
    readonly type: "echo";
    /** The address announced. */
    readonly address: HostAddress;
  }
  | {
    /** A subflow changed. */
    readonly type: "subflow";
    /** Its path. */
    readonly path: PathIndex;
    /** How. */
    readonly change: SubflowChange;
    /** Why, where one is known. */
    readonly reason?: string;
    /** What the peer's RST says of it, where it does: MP_TCPRST (RFC 8684 §3.6). */
    readonly reset?: ResetReason;
  };
/** An MP_TCPRST (RFC 8684 §3.6). */
export interface ResetReason {
  /**
   * 0 unspecified, 1 an MPTCP-specific error, 2 lack of resources, 3 administratively prohibited, 4 too much outstanding data, 5 unacceptable performance, 6
   * middlebox interference; others are unknown.
   */
  readonly reason: number;
  /** The T flag: the path may be tried again. */
  readonly transient: boolean;
}
/** Knows addresses and paths, nothing of queues and windows (draft §2.1). */
export interface PathManager {
  /** Something changed; tables are up to date. */
  onEvent(event: PathEvent): void;
  /** A join wants in: MP_TCPRST reason, or null to accept. */
  refuse?(remote: HostAddress, local: HostAddress): number | null;
  /** Whether we are to use a path that the peer opens to `local` as a backup: our SYN/ACK says so (RFC 8684 §3.2, B flag). No word: as any other. */
  joinsAsBackup?(local: HostAddress): boolean;
  /** The connection has ended: nothing is told any more, and nothing that is asked for happens. */
  end?(): void;
}
/**
 * What a path manager sees and does; `conn.paths` gives an application the same. Its functions may be destructured. Its arrays are live and cannot be
 * written to: `[...locals].sort()`, not `locals.sort()`. Addresses are frozen copies, the same one each time.
 *
 * A path manager that wraps another one gives that a context derived from its own, `Object.create(context, { use: { value: … } })`: a spread, `{ ...context }`,
 * is empty, as members are getters of a class.
 */
export interface PathContext {
  /** Which side opened the connection. */
  readonly role: "client" | "server";
  /** Names the connection on this host: what the peer's joins carry (RFC 8684 §3.2). */
  readonly token: number;
  /** How many subflows there may be and how many addresses are taken: the host's limits, or lower ones of {@linkcode limitSubflows}. */
  readonly limits: PathLimitsView;
  /** This host's addresses. */
  readonly locals: readonly HostAddress[];
  /** The peer's: first subflow's, announced, or seen in a join. */
  readonly remotes: readonly HostAddress[];
  /** Those in use. */
  readonly paths: readonly PathView[];
  /** C flag of MP_CAPABLE: no join to the address of the first subflow. */
  readonly peerDeniesJoinToInitial: boolean;
  /** The address of this host that its routes choose towards `remote`; null when it has none of that family. */
  route(remote: HostAddress): HostAddress | null;
  /**
   * Gives an address of this host another id, and gives back what stands in `locals` from now on. Throws a RangeError when the id is no integer from 1 to
   * 255 or another address has it, or when the peer knows the address by the id it has.
   */
  identify(address: HostAddress, id: number): HostAddress;
  /** Lowers the most subflows besides the first, opened by either side, for this connection; the host's limit stands above it. Those there are stay. */
  limitSubflows(subflows: number): void;
  /** The index of a path, the same each time. Throws a RangeError when the families differ, or an id is no integer from 0 to 255. */
  index(spec: PathSpec): PathIndex;
  /**
   * Message 1, always the full set: the transport opens as many as its limits allow, in this order, and closes what is missing by a FIN exchange. Throws
   * a RangeError for an index that was never given or is named twice.
   */
  use(paths: readonly PathIndex[]): void;
  /** Makes a path a backup or not, now (MP_PRIO) or when it is opened (B bit). */
  setBackup(path: PathIndex, backup: boolean): void;
  /** Tells the peer one of `locals` (ADD_ADDR); idempotent. Its port is sent unless 0: it is then held for joins alone, where no application listens already. */
  announce(address: HostAddress): void;
  /**
   * Tells the peer that an address is used no longer, announced or known by a path that was opened from it (REMOVE_ADDR), and ends the paths over it, as
   * the peer does; all of one batch in one option. The address stays in `locals`.
   */
  withdraw(address: HostAddress): void;
  /**
   * Calls back after `delay`, in a batch of its own: what is called for from outside of a callback is done there, `after(0, …)`. The result cancels. A path manager gets 100 callbacks in a millisecond, the others later, and that is a fault; it has
   * 1000 timers at most.
   */
  after(delay: Micros, callback: () => void): () => void;
}
/** A path manager that can be named in options and on a command line. */
export interface PathManagerPlugin {
  /** Tells the kinds apart when loaded from a file or URL. */
  readonly kind: "path-manager";
  /** For reports and tables. */
  readonly name: string;
  /**
   * Where connect() may begin. `true`: all addresses of the host are used alike, so that those that nothing is known of are tried one right after the other, and
   * the first to be answered is taken. `false`: they are not, so that the routes choose, and another begins only where there is no answer. Default: at the one
   * that is known to answer fastest; what nothing is known of is tried when there is no answer for a while.
   */
  readonly beginsAnywhere?: boolean;
  /** Called once a connection. */
  create(context: PathContext): PathManager;
  /** Told of the listeners of a host that uses it for all its connections; the address is empty where one listens on all. */
  onListener?(change: "created" | "closed", local: Endpoint): void;
  /**
   * Does what `mptcp endpoint` or `mptcp limits` asks of a host that uses it for all its connections: the words behind them, as `ip mptcp` has them. What it
   * gives is shown to who asked, as is the message of an error that it throws.
   */
  configure?(object: "endpoint" | "limits", words: readonly string[]): unknown;
}
/** Any plugin. */
export type Plugin = SchedulerPlugin | CongestionControlPlugin | PathManagerPlugin;
