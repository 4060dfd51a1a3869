/** What can be chosen of the TCP engine, for a host and for a connection: plain values, checked where the user gives them (net/tcp_options.ts). */

import type { Micros } from "../plugin.ts";
import { DELAYED_ACK } from "./acks.ts";
import type { EcnMode } from "./ecn.ts";
import { MIN_RTO } from "./rtt.ts";

/** How a connection that is idle is asked whether its peer is there (RFC 9293 §3.8.4). */
export interface KeepAlive {
  /** Silence before the first probe. */
  readonly idle: Micros;
  /** Silence before each that follows. */
  readonly interval: Micros;
  /** Probes without answer after which the peer is gone. */
  readonly count: number;
}

/** As in Linux: "this interval MUST default to no less than two hours" (RFC 9293 §3.8.4). */
export const DEFAULT_KEEP_ALIVE: KeepAlive = Object.freeze({
  idle: 7200e6,
  interval: 75e6,
  count: 9,
});

/** When packets smaller than link and peer allow are tried, beside where routers ask for them: see `mtuProbing` of net/tcp_options.ts. */
export type MtuProbing = "off" | "blackhole" | "always";
/** Bytes of a buffer: what it begins with, and what it may grow to. Both are the same where it is fixed. */
export interface BufferSize {
  /** At first. */
  readonly first: number;
  /** At most. */
  readonly most: number;
}

/** A buffer that stays as it is. */
export function fixedBuffer(bytes: number): BufferSize {
  return { first: bytes, most: bytes };
}

/** The choices that hold for one connection and all of its subflows. */
export interface TcpSettings {
  /** Bursts are spread (RFC 9002 §7.7). */
  readonly pacing: boolean;
  /** How losses are found. */
  readonly lossDetection: LossDetectionName;
  /** SACK is offered and accepted (RFC 2018 §2). */
  readonly sack: boolean;
  /** Most connections of a listener between SYN and third ACK; null: as many as may wait to be accepted, 1024 at most. */
  readonly synBacklog: number | null;
  /** When a listener answers SYNs by cookies, without keeping anything (RFC 4987 §3.6): never, above `synBacklog`, or always. */
  readonly synCookies: SynCookieMode;
  /** Differentiated services field of every packet (RFC 2474), where a path names none of its own. */
  readonly dscp: number;
  /** When explicit congestion notification is used (RFC 3168). */
  readonly ecn: EcnMode;
  /** Bytes of options and payload of a segment, at most, in both directions (RFC 9293 §3.7.1). */
  readonly maxSegment: number;
  /** Null: an idle peer is not asked. */
  readonly keepAlive: KeepAlive | null;
  /** SYNs, or SYN/ACKs, sent again before a first subflow is given up. */
  readonly synRetries: number;
  /** How long a first SYN may be unanswered before one leaves from another address; null: until it is given up. */
  readonly connectionAttemptDelay: Micros | null;
  /** Tail loss probes are sent (RFC 8985 §7). */
  readonly tlp: boolean;
  /** Data may travel in a SYN (RFC 7413). */
  readonly fastOpen: boolean;
  /** Most connections of a listener that are served before their third ACK; null: as many as may wait to be accepted. */
  readonly fastOpenQueue: number | null;
  /** How long the acknowledgement of one segment may wait for a second; 0: none waits. */
  readonly delayedAck: Micros;
  /** By how much a retransmission timeout is above the round trip, at least. */
  readonly minRto: Micros;
  /** After a timeout new data tell whether it was needless (RFC 5682). */
  readonly frto: boolean;
  /** Timestamps are offered and accepted (RFC 7323 §3). */
  readonly timestamps: boolean;
  /** What timestamps or D-SACKs show to have been no loss is taken back (RFC 3522, RFC 3708). */
  readonly undo: boolean;
  /** When packet sizes are searched for (RFC 4821). */
  readonly mtuProbing: MtuProbing;
  /** A write waits where so many bytes are unsent (TCP_NOTSENT_LOWAT); Infinity: the send buffer alone holds it back. */
  readonly notSentLowWater: number;
  /** The receive buffer of a connection. */
  readonly receiveBuffer: BufferSize;
  /** Its send queue. */
  readonly sendBuffer: BufferSize;
}

/** How losses are found: by time (RFC 8985), by what is SACKed (RFC 6675), or by duplicate ACKs without SACK (RFC 6582). */
export type LossDetectionName = "rack" | "sack" | "reno-nosack";

/** When SYNs are answered by cookies. */
export type SynCookieMode = "off" | "pressure" | "always";

/** Most bytes of a buffer where nothing else is asked for: what 5 Gbit/s take at 50 ms, twice over. */
export const MOST_BUFFER = 67108864;

/**
 * What a receive buffer begins with. Until a round trip is over nothing tells what the path can do: four times the first flights (RFC 6928 §2) of
 * four subflows are 234 KB. A reader that stops leaves no more than this in memory, before it has ever read faster.
 */
export const FIRST_RECEIVE_BUFFER = 262144;

/** What a send queue holds at least: less than a megabyte costs turns of the event loop and short super-segments on a fast link. */
export const FIRST_SEND_BUFFER = 1048576;

/** What holds where nothing else is asked for. */
export const DEFAULT_SETTINGS: TcpSettings = Object.freeze({
  pacing: true,
  lossDetection: "rack",
  sack: true,
  synBacklog: null,
  synCookies: "pressure",
  dscp: 0,
  ecn: "accept",
  keepAlive: null,
  maxSegment: 65535,
  synRetries: 6,
  connectionAttemptDelay: 250e3,
  tlp: true,
  fastOpen: false,
  fastOpenQueue: null,
  delayedAck: DELAYED_ACK,
  minRto: MIN_RTO,
  frto: true,
  timestamps: true,
  undo: true,
  mtuProbing: "blackhole",
  notSentLowWater: Infinity,
  receiveBuffer: Object.freeze({ first: FIRST_RECEIVE_BUFFER, most: MOST_BUFFER }),
  // RFC 8684 §3.3.5: "The send buffer MUST, at a minimum, be as big as the receive buffer"
  sendBuffer: Object.freeze({ first: FIRST_SEND_BUFFER, most: MOST_BUFFER }),
});

/** Whether SACK is offered and accepted. */
export function offersSack(settings: TcpSettings): boolean {
  return settings.sack && settings.lossDetection !== "reno-nosack";
}
