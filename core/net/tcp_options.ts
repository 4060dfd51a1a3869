/** What a user may choose of the TCP engine: the options, their ranges, and their defaults. */

import { type Duration, parseDuration } from "../link/units.ts";
import type { Micros } from "../plugin.ts";
import {
  type BufferSize,
  DEFAULT_KEEP_ALIVE,
  DEFAULT_SETTINGS,
  FIRST_RECEIVE_BUFFER,
  FIRST_SEND_BUFFER,
  fixedBuffer,
  type KeepAlive,
  type MtuProbing,
  type TcpSettings,
} from "../subflow/settings.ts";
import { MAX_RTO } from "../subflow/rtt.ts";
import { OptionChecks, wholeNumber } from "./option_checks.ts";
import { checkOptions, describe } from "./policies.ts";

export type { MtuProbing };

/** When a peer that says nothing is asked whether it is there (RFC 9293 §3.8.4). */
export interface KeepAliveOptions {
  /**
   * Silence before the first probe, from 1 s to 32767 s.
   *
   * @default {"7200 s"}
   */
  readonly idle?: Duration;
  /**
   * Silence before each that follows, from 1 s to 32767 s.
   *
   * @default {"75 s"}
   */
  readonly interval?: Duration;
  /**
   * Probes without an answer after which a path ends, from 1 to 127.
   *
   * @default {9}
   */
  readonly count?: number;
}

/**
 * Choices about TCP itself, for all subflows of a connection. Those of connect() and listen() stand above those of the host, each by itself.
 *
 * @example One connection without SACK
 * ```ts
 * import { emulate } from "@mptcp/mptcp";
 *
 * await using net = emulate({ paths: { lan: { rate: "20 Mbit/s", delay: "5 ms" } } });
 * using listener = net.server.listen({ port: 80 });
 * const [conn, peer] = await Promise.all([
 *   net.client.connect({ hostname: "server", port: 80, tcp: { sack: false } }),
 *   listener.accept(),
 * ]);
 * conn.close();
 * peer.close();
 * ```
 */
export interface TcpOptions {
  /**
   * Spreads bursts where a round trip is 4 ms or longer: two windows a round trip leave in slow start, 1.2 later, and four initial ones at any time. So
   * ACKs that come one by one are followed at once; what comes after a pause, or together, leaves bit by bit. Two milliseconds at that rate, and four
   * segments, are no burst. A congestion control that sets a `pacingRate` is paced in any case.
   *
   * @default {true}
   */
  readonly pacing?: boolean;
  /**
   * How losses are found:
   *
   * - `"rack"`: by the time that has passed since something was sent (RFC 8985), and by counting duplicate ACKs where the peer has no SACK (RFC 6582).
   * - `"sack"`: by counting what the peer reports above by SACK (RFC 6675), with the window of its §5 instead of proportional rate reduction, and without
   *   tail loss probes. What was sent again and is lost once more waits for a timeout. Without SACK as `"reno-nosack"`.
   * - `"reno-nosack"`: by counting duplicate ACKs, without SACK, whatever `sack` says, and without tail loss probes, as in the simulators behind most
   *   published results. Limited transmit (RFC 3042) stays; `frto`, `undo` and `pacing` are choices of their own.
   *
   * @default {"rack"}
   */
  readonly lossDetection?: "rack" | "sack" | "reno-nosack";
  /**
   * Offers and accepts selective acknowledgements (RFC 2018). Without them losses are found by counting duplicate ACKs (RFC 6582).
   *
   * @default {true}
   */
  readonly sack?: boolean;
  /**
   * Of a listener: most connections between SYN and third ACK, 1 to 65535, as Linux's `net.ipv4.tcp_max_syn_backlog`. Those that wait to be accepted are
   * `backlog` of listen().
   *
   * @default {the `backlog`, 1024 at most}
   */
  readonly synBacklog?: number;
  /**
   * Of a listener: when a SYN is answered by a cookie (RFC 4987 §3.6), so that nothing is kept of it before its sender has shown that it is there. MPTCP
   * and its joins go on through it, and so do SACK and scaled windows where the client sends timestamps. What it costs: the client's MSS is rounded down,
   * and where its last ACK of the handshake is lost nobody sends that again before the client has data. As Linux's `net.ipv4.tcp_syncookies`:
   *
   * - `"off"`, 0: never. Above `synBacklog` the oldest half-open connection makes room, if it is a second old; else the SYN is dropped.
   * - `"pressure"`, 1: above `synBacklog`, and for joins to a connection that has four half-open ones.
   * - `"always"`, 2: each of them.
   *
   * @default {"pressure"}
   */
  readonly synCookies?: "off" | "pressure" | "always";
  /**
   * Differentiated services codepoint (RFC 2474) of every packet, from 0 to 63: the upper six bits of IPv4's type of service and of IPv6's traffic class.
   * A path manager may name another for a path.
   *
   * @default {0}
   */
  readonly dscp?: number;
  /**
   * Explicit congestion notification (RFC 3168): routers mark data instead of dropping them, and the congestion control is told of it as of a loss, without
   * that anything has to be sent again. As Linux's `net.ipv4.tcp_ecn`:
   *
   * - `"off"`, 0: never.
   * - `"accept"`, 2: where the peer asks for it.
   * - `"request"`, 1: asked for in each SYN that opens a connection or a path of it, too. One that is not answered is sent again without, as there are boxes
   *   that drop those.
   *
   * @default {"accept"}
   */
  readonly ecn?: "off" | "accept" | "request";
  /**
   * Whether a peer that says nothing is asked if it is there, on each path, and when (RFC 9293 §3.8.4); `conn.setKeepAlive()` changes it.
   *
   * @default {false}
   */
  readonly keepAlive?: boolean | KeepAliveOptions;
  /**
   * Most bytes of TCP options and data in a segment, from 88 to 65495, in both directions: what the SYN names as MSS and what is sent (RFC 9293 §3.7.1).
   * The link and the peer may ask for less.
   *
   * @default what the link takes
   */
  readonly maxSegment?: number;
  /**
   * How often a SYN, or a listener's SYN/ACK, is sent again before the attempt ends with `Deno.errors.TimedOut`, from 0 to 127. The waits begin with a
   * second and double up to a minute: 6 last for 123 s. One that joins a connection is sent again three times at most.
   *
   * @default {6}
   */
  readonly synRetries?: number;
  /**
   * Of connect() without `localAddress`, or to a name with several addresses: how long the first SYN may be unanswered before one leaves from another address
   * of this host, or to another of the name: the Connection Attempt Delay of RFC 8305 §5, over paths. The first to be answered is the connection; to the peer
   * the others never become one. From 10 ms to 2 s. What is remembered of the destination (10 minutes) stands above it: the address that answers fastest is tried
   * first, and has twice the round trip that is known of it. Where nothing is known, and the path manager uses all addresses alike, it is 10 ms. `false`: one after the other, the next address of a name when the one before has failed.
   *
   * Data with the SYN (`fastOpen`) are sent where the peer has answered that address of late, and then nothing is tried beside it: they cannot be delivered twice.
   *
   * @default {"250 ms"}
   */
  readonly connectionAttemptDelay?: Duration | false;
  /**
   * Asks about the end of what was sent when nothing has answered for two round trips (RFC 8985 §7, tail loss probes), so that its loss does not cost a
   * timeout. Only with SACK, and where `lossDetection` is `"rack"`.
   *
   * @default {true}
   */
  readonly tlp?: boolean;
  /**
   * TCP Fast Open (RFC 7413), in plain TCP and in MPTCP (RFC 8684 appendix B): the first data travel with the SYN, and are with the server's application half
   * a round trip after connect() was called.
   *
   * - Of connect(): `data` leaves with the SYN, as far as one segment takes it, where the host has a cookie of the server; else it asks for one, for the next
   *   connection. Where a server or a path takes no such SYN it is left alone for a minute, twice as long each time after that.
   * - Of listen(): gives out cookies, good for 12 to 24 hours. accept() gives a connection whose SYN has a good one before its handshake is over. SYNs that
   *   are answered by cookies of the other kind (`synCookies`) have their data dropped, and sent again.
   *
   * A SYN that the network doubles, and whose second copy comes late, is a connection of its own with the same data: "a client that cannot handle receiving
   * the same SYN data more than once MUST NOT enable TFO" (RFC 7413 §6.1). So only for requests that may be done twice. Not for what a stranger must not be
   * able to ask for: the cookie shows an address, and nothing else.
   *
   * @example The second connection sends its request with the SYN
   * ```ts
   * import { emulate } from "@mptcp/mptcp";
   * import { assert, assertEquals } from "@std/assert";
   *
   * await using net = emulate({ paths: { lan: { rate: "20 Mbit/s", delay: "50 ms" } } });
   * const tcp = { fastOpen: true };
   * using listener = net.server.listen({ port: 80, tcp });
   * const data = new TextEncoder().encode("GET /");
   * for (const wait of [150, 50]) {
   *   const start = net.now;
   *   const connecting = net.client.connect({ hostname: "server", port: 80, data, tcp });
   *   using peer = await listener.accept();
   *   const request = new Uint8Array(data.length);
   *   assertEquals(await peer.read(request), data.length);
   *   assertEquals(request, data);
   *   assert(net.now - start < wait * 1000 + 2000, "a round trip less the second time");
   *   using _conn = await connecting;
   * }
   * ```
   *
   * @default {false}
   */
  readonly fastOpen?: boolean;
  /**
   * Of a listener: most connections that are given out before their third ACK, those included which were reset in the last minute, 1 to 65535. Above it no
   * data are taken with a SYN, and no cookies given out (RFC 7413 §4.2, PendingFastOpenRequests), as Linux's TCP_FASTOPEN.
   *
   * @default {the `backlog`}
   */
  readonly fastOpenQueue?: number;
  /**
   * How long the acknowledgement of one segment in order may wait for a second (RFC 9293 §3.8.6.3), from 1 ms to 499 ms; `false`: whatever comes is
   * acknowledged at once. Also at once: what is out of order, fills a hole or comes again; each second full segment; and each of those that come 5 to 40 ms
   * apart. Linux's option is `TCP_DELACK_MAX_US`, and of a route `quickack`.
   *
   * @default {"40 ms"}
   */
  readonly delayedAck?: Duration | false;
  /**
   * By how much a retransmission timeout is above the smoothed round trip, at least: four times its deviation where that is more (RFC 6298 §2, whose least
   * timeout is a second). From 1 ms to 60 s. Where it is less than the peer's acknowledgements wait, its pauses are taken for losses. What is counted in
   * timeouts comes sooner, too, though no path beside another one is stale (`staleLossCount`, 4 of them) within 150 ms of the first. As Linux's
   * `net.ipv4.tcp_rto_min_us`, `TCP_RTO_MIN_US`, and `rto_min` of a route.
   *
   * @example A timeout on a network of a millisecond
   * ```ts
   * import { emulate } from "@mptcp/mptcp";
   * import { assert } from "@std/assert";
   *
   * const paths = { rack: { rate: "100 Mbit/s", delay: "500 us" } } as const;
   * await using net = emulate({ paths, tcp: { delayedAck: false, minRto: "5 ms" } });
   * using listener = net.server.listen({ port: 80 });
   * const [conn, peer] = await Promise.all([
   *   net.client.connect({ hostname: "server", port: 80 }),
   *   listener.accept(),
   * ]);
   * const { rto } = conn.info().subflows[0]!.tcp;
   * assert(rto > 5e3 && rto < 10e3, "microseconds");
   * conn.close();
   * peer.close();
   * ```
   *
   * @default {"200 ms"}
   */
  readonly minRto?: Duration;
  /**
   * Sends two new segments after a retransmission timeout, before more is sent again (RFC 5682, F-RTO): where the path was only slow, what they tell takes
   * the timeout back.
   *
   * @default {true}
   */
  readonly frto?: boolean;
  /**
   * Offers and accepts timestamps (RFC 7323 §3): 12 bytes of each segment, by which old segments are told from new ones at any rate, and round trips are
   * known of what was sent again.
   *
   * @default {true}
   */
  readonly timestamps?: boolean;
  /**
   * Takes a loss or a timeout back, and the window with it, where timestamps (RFC 3522) or duplicate SACKs (RFC 3708) show that nothing was lost. Has an
   * effect where the congestion control has `onUndo`, as those here do.
   *
   * @default {true}
   */
  readonly undo?: boolean;
  /**
   * When smaller packets than the link and the peer allow are sent, without a router that asks for them, and larger ones tried again by probes
   * (RFC 4821, RFC 8899):
   *
   * - `"blackhole"`: when large packets are lost and small ones are not. Costs nothing where all packets pass.
   * - `"always"`: from the first one on. Begins with packets of 1,200 bytes (1,280 by IPv6), and never waits for timeouts.
   * - `"off"`: never. What a router has asked for holds for 10 minutes.
   *
   * These are 1, 2 and 0 of Linux's `net.ipv4.tcp_mtu_probing`.
   *
   * @default {"blackhole"}
   */
  readonly mtuProbing?: MtuProbing;
  /**
   * write() waits where so many bytes are unsent, as with TCP_NOTSENT_LOWAT of Linux: an integer from 1, or Infinity. What is not in the queue can still be
   * changed or left out, and no path is chosen for it. It takes no throughput where the program writes on at once; 16384 to 131072 are usual. Less than
   * two segments counts as two. `MptcpConn.setNotSentLowWater()` changes it.
   *
   * @default {Infinity}
   */
  readonly notSentLowWater?: number;
  /**
   * Bytes that a connection may receive before they are read; its paths share them. A number stays what it is, as SO_RCVBUF. `{ max }` begins with
   * 262144, and grows with what the program reads in a round trip of the slowest path, twice over (dynamic right-sizing). From 4096 to 1073741824. None
   * takes more than half of the memory that its host has left.
   *
   * @default {{ max: 67108864 }}
   */
  readonly receiveBuffer?: number | BufferLimit;
  /**
   * Bytes that a connection keeps until the peer has acknowledged them; above it write() waits. A number stays what it is, as SO_SNDBUF. `{ max }` begins
   * with 1048576, and grows with the congestion windows, twice what they have in flight in a round trip of the slowest path; over paths of less than a
   * millisecond to 2097152, or what they hold at 4 Gbit/s. From 4096 to 1073741824.
   *
   * @default {{ max: 67108864 }}
   */
  readonly sendBuffer?: number | BufferLimit;
}

/** The limit of a buffer that grows. */
export interface BufferLimit {
  /** Most bytes, from 4096 to 1073741824. */
  readonly max: number;
}

const LIMIT: Readonly<Record<keyof BufferLimit, true>> = { max: true };

const LEAST_BUFFER = 4096;
/** What windows of the largest scale can tell (RFC 7323 §2.3). */
const MOST_BUFFER = 2 ** 30;

const OPTIONS: Readonly<Record<keyof TcpOptions, true>> = {
  pacing: true,
  lossDetection: true,
  sack: true,
  synBacklog: true,
  synCookies: true,
  dscp: true,
  ecn: true,
  keepAlive: true,
  maxSegment: true,
  synRetries: true,
  connectionAttemptDelay: true,
  tlp: true,
  fastOpen: true,
  fastOpenQueue: true,
  delayedAck: true,
  minRto: true,
  frto: true,
  timestamps: true,
  undo: true,
  mtuProbing: true,
  notSentLowWater: true,
  receiveBuffer: true,
  sendBuffer: true,
};

const LOSS_DETECTIONS = ["rack", "sack", "reno-nosack"] as const;
const ECN_MODES = ["off", "accept", "request"] as const;
/** What a connection that is opened has no use for. */
const OF_LISTENERS = ["synBacklog", "fastOpenQueue"] as const;
const SYN_COOKIES = ["off", "pressure", "always"] as const;
const PROBINGS = ["off", "blackhole", "always"] as const;

/**
 * The settings that `options` ask for, `base` where they say nothing.
 *
 * @throws {TypeError} an option is not of its kind, or there is none of its name.
 * @throws {RangeError} a value is out of its range.
 */
export function tcpSettings(
  verb: string,
  options: TcpOptions | undefined,
  base: TcpSettings = DEFAULT_SETTINGS,
): TcpSettings {
  if (options === undefined) return base;
  checkOptions(`${verb} with 'tcp'`, options, OPTIONS);
  for (const name of OF_LISTENERS) {
    if (verb !== "connect" || options[name] === undefined) continue;
    throw new TypeError(`Cannot connect with 'tcp.${name}' as it is an option of listen()`);
  }
  if (verb === "listen" && options.connectionAttemptDelay !== undefined) {
    throw new TypeError(
      "Cannot listen with 'tcp.connectionAttemptDelay' as it is an option of connect()",
    );
  }
  const { notSentLowWater, receiveBuffer, sendBuffer } = options;
  const is = new OptionChecks(verb, "tcp");
  return {
    ...base,
    pacing: is.flag("pacing", options.pacing) ?? base.pacing,
    lossDetection: is.choice("lossDetection", options.lossDetection, LOSS_DETECTIONS) ??
      base.lossDetection,
    sack: is.flag("sack", options.sack) ?? base.sack,
    synBacklog: is.integer("synBacklog", options.synBacklog, 1, 65535) ?? base.synBacklog,
    synCookies: is.choice("synCookies", options.synCookies, SYN_COOKIES) ?? base.synCookies,
    dscp: is.integer("dscp", options.dscp, 0, 63) ?? base.dscp,
    ecn: is.choice("ecn", options.ecn, ECN_MODES) ?? base.ecn,
    keepAlive: keepAlive(verb, options.keepAlive, base.keepAlive),
    maxSegment: is.integer("maxSegment", options.maxSegment, 88, 65495) ?? base.maxSegment,
    synRetries: is.integer("synRetries", options.synRetries, 0, 127) ?? base.synRetries,
    connectionAttemptDelay: attemptDelay(verb, options.connectionAttemptDelay) ??
      (options.connectionAttemptDelay === false ? null : base.connectionAttemptDelay),
    tlp: is.flag("tlp", options.tlp) ?? base.tlp,
    fastOpen: is.flag("fastOpen", options.fastOpen) ?? base.fastOpen,
    fastOpenQueue: is.integer("fastOpenQueue", options.fastOpenQueue, 1, 65535) ??
      base.fastOpenQueue,
    delayedAck: options.delayedAck === false
      ? 0
      : is.time("delayedAck", options.delayedAck, 1e3, MOST_DELAYED_ACK) ?? base.delayedAck,
    minRto: is.time("minRto", options.minRto, 1e3, MAX_RTO) ?? base.minRto,
    frto: is.flag("frto", options.frto) ?? base.frto,
    timestamps: is.flag("timestamps", options.timestamps) ?? base.timestamps,
    undo: is.flag("undo", options.undo) ?? base.undo,
    mtuProbing: is.choice("mtuProbing", options.mtuProbing, PROBINGS) ?? base.mtuProbing,
    notSentLowWater: notSentLowWater === undefined
      ? base.notSentLowWater
      : checkLowWater(`${verb} as 'tcp.notSentLowWater'`, notSentLowWater),
    receiveBuffer: buffer(verb, "receiveBuffer", receiveBuffer, FIRST_RECEIVE_BUFFER) ??
      base.receiveBuffer,
    sendBuffer: buffer(verb, "sendBuffer", sendBuffer, FIRST_SEND_BUFFER) ?? base.sendBuffer,
  };
}

/**
 * An unsent low-water mark.
 *
 * @throws {TypeError} it is no number.
 * @throws {RangeError} it is out of its range.
 */
export function checkLowWater(what: string, bytes: unknown): number {
  if (bytes === Infinity || (Number.isSafeInteger(bytes) && (bytes as number) >= 1)) {
    return bytes as number;
  }
  const ErrorClass = typeof bytes === "number" ? RangeError : TypeError;
  throw new ErrorClass(
    `Cannot ${what} must be an integer of bytes from 1, or Infinity: current value is ${
      describe(bytes)
    }`,
  );
}

/** RFC 9293 §3.8.6.3: "the delay MUST be less than 0.5 seconds". */
const MOST_DELAYED_ACK: Micros = 499e3;

/** RFC 8305 §5: "MUST have a lower bound of 10 milliseconds", "the maximum delay is recommended to be 2 seconds". */
const LEAST_ATTEMPT_DELAY: Micros = 10e3;
const MOST_ATTEMPT_DELAY: Micros = 2e6;

function attemptDelay(verb: string, value: Duration | false | undefined): Micros | undefined {
  if (value === undefined || value === false) return undefined;
  const time = parseDuration(value, "tcp.connectionAttemptDelay");
  if (time >= LEAST_ATTEMPT_DELAY && time <= MOST_ATTEMPT_DELAY) return time;
  throw new RangeError(
    `Cannot ${verb} as 'tcp.connectionAttemptDelay' must be from 10 ms to 2 s, or false: current value is ${
      describe(value)
    }`,
  );
}

/** The size of a buffer. */
function buffer(
  verb: string,
  name: string,
  value: unknown,
  first: number,
): BufferSize | undefined {
  if (value === undefined) return undefined;
  if (typeof value === "number") {
    return fixedBuffer(wholeNumber(verb, `tcp.${name}`, value, LEAST_BUFFER, MOST_BUFFER)!);
  }
  if (typeof value !== "object" || value === null) {
    throw new TypeError(
      `Cannot ${verb} as 'tcp.${name}' must be a number of bytes or { max }: current value is ${
        describe(value)
      }`,
    );
  }
  checkOptions(`${verb} with 'tcp.${name}'`, value as BufferLimit, LIMIT);
  const { max } = value as BufferLimit;
  const most = wholeNumber(verb, `tcp.${name}.max`, max, LEAST_BUFFER, MOST_BUFFER);
  if (most === undefined) {
    throw new TypeError(`Cannot ${verb} with 'tcp.${name}' as it needs 'max', a number of bytes`);
  }
  return { first: Math.min(first, most), most };
}

/** The option `keepAlive`, `base` where it says nothing. */
function keepAlive(
  verb: string,
  value: TcpOptions["keepAlive"],
  base: KeepAlive | null,
): KeepAlive | null {
  if (value === undefined) return base;
  if (value === false) return null;
  if (value === true) return base ?? DEFAULT_KEEP_ALIVE;
  if (typeof value !== "object" || value === null) {
    throw new TypeError(
      `Cannot ${verb} as 'tcp.keepAlive' must be true, false or { idle, interval, count }: current value is ${
        describe(value)
      }`,
    );
  }
  return keepAliveTimes(verb, "tcp.keepAlive", value, base ?? DEFAULT_KEEP_ALIVE);
}

const KEEP_ALIVE: Readonly<Record<keyof KeepAliveOptions, true>> = {
  idle: true,
  interval: true,
  count: true,
};
/** Bounds of its times, as Linux has them. */
const LEAST_SILENCE: Micros = 1e6;
const MOST_SILENCE: Micros = 32767e6;

/**
 * Times of keepalive, `base` where `options` say nothing; `name` is the option that they are in, if any.
 *
 * @throws {TypeError | RangeError} one is wrong.
 */
export function keepAliveTimes(
  verb: string,
  name: string,
  options: KeepAliveOptions | undefined,
  base: KeepAlive,
): KeepAlive {
  if (options === undefined) return base;
  const where = name === "" ? verb : `${verb} with '${name}'`;
  checkOptions(where, options, KEEP_ALIVE);
  const { idle, interval, count } = options;
  return {
    idle: silence(where, "idle", idle) ?? base.idle,
    interval: silence(where, "interval", interval) ?? base.interval,
    count: wholeNumber(where, "count", count, 1, 127) ?? base.count,
  };
}

function silence(where: string, name: string, value: Duration | undefined): Micros | undefined {
  if (value === undefined) return undefined;
  const time = parseDuration(value, name);
  if (time >= LEAST_SILENCE && time <= MOST_SILENCE) return time;
  throw new RangeError(
    `Cannot ${where} as '${name}' must be from 1 s to 32767 s: current value is ${describe(value)}`,
  );
}
