/** What an emulated network shows of its packets: for captures, determinism tests and pictures. */

import type { Micros } from "../../plugin.ts";

/** What happened to a packet: it was put on a link, it came out at the other end, or it was lost on the way. */
export type TraceEvent = "send" | "receive" | "drop";

/** One thing that happened to a packet. */
export interface TraceRecord {
  /** What happened. */
  readonly event: TraceEvent;
  /** When. */
  readonly at: Micros;
  /** Name of the link. */
  readonly link: string;
  /** Name of the host or router that the packet came from. */
  readonly from: string;
  /** Name of the host or router at the other end. */
  readonly to: string;
  /** The IP packet with its checksums filled in. A view of memory, valid during the call. */
  readonly bytes: Uint8Array;
  /** Payload of each segment merged into it; 0 when it is one packet. */
  readonly gsoSize: number;
}

/** Sees every packet. It must not call into the network. */
export type Trace = (record: TraceRecord) => void;
