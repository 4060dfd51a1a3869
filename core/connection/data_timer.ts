/** How long the data level waits before it repeats, or asks about a window (RFC 8684 §3.3.6; RFC 9293 §3.8.6.1). */

import type { Micros } from "../plugin.ts";
import { MAX_RTO } from "../subflow/rtt.ts";

/** Before a subflow has told a timeout. */
const NO_TIMEOUT: Micros = 1e6;

/** Back-off of the two waits of one connection. */
export class DataTimer {
  #timeouts = 0;
  #probes = 0;

  /** Until what is not DATA_ACKed goes again; `longest` is the longest timeout among the subflows, 0 for none: less would only outrun TCP. */
  retransmission(longest: Micros): Micros {
    return backedOff(longest, this.#timeouts);
  }

  /** Until a closed window is asked about (draft DA-4). */
  probe(longest: Micros): Micros {
    return backedOff(longest, this.#probes);
  }

  /** It was repeated. */
  repeated(): void {
    this.#timeouts++;
  }

  /** It was asked about. */
  probed(): void {
    this.#probes++;
  }

  /** A DATA_ACK has come. */
  acknowledged(): void {
    this.#timeouts = 0;
  }

  /** The window has moved. */
  opened(): void {
    this.#probes = 0;
  }
}

function backedOff(longest: Micros, times: number): Micros {
  return Math.min(MAX_RTO, (longest === 0 ? NO_TIMEOUT : longest) * 2 ** times);
}

/** The deadlines of a connection; of those due at once the first by name is handled first. */
export type ConnectionTimer = 0 | 1 | 2 | 3 | 4;
/** A connection without subflows, or one that the application left, has waited long enough. */
export const TIMER_CLOSE = 0;
/** The scheduler asked to be asked again. */
export const TIMER_WAKE = 1;
/** Bytes without a mapping have waited for one. */
export const TIMER_UNMAPPED = 2;
/** The peer is to be asked about its window. */
export const TIMER_PERSIST = 3;
/** What is not DATA_ACKed goes again. */
export const TIMER_DATA = 4;
/** How many there are. */
export const CONNECTION_TIMERS = 5;
