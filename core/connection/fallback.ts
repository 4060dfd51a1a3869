/** Falling back to plain TCP (RFC 8684 §3.7): one subflow, its sequence space is the data's. */

import { receiver_map } from "../../wasm/mod.ts";
import type { Micros } from "../plugin.ts";
import { updateMss } from "../subflow/send.ts";
import type { Subflow } from "../subflow/subflow.ts";
import type { MetaSocket } from "./meta_socket.ts";
import { dataAcknowledged } from "./reinject.ts";

/** Length of a mapping without end. */
const INFINITE = 2 ** 52;

/** From now on, and from data offset = sequence offset, both directions are plain TCP on `subflow`. Idempotent. */
export function startFallback(meta: MetaSocket, subflow: Subflow): void {
  if (!meta.fallback) {
    meta.fallback = true;
    meta.mappingFlags = 0;
    meta.dataAckFlags = 0;
    if (meta.capable) meta.host.releaseToken(meta.token);
  }
  if (subflow.receiver === 0) return;
  receiver_map(subflow.receiver, 1, 1, INFINITE, -1, meta.rcvEdge + meta.windowSlack);
  updateMss(subflow);
}

/** Takes what the subflow's own acknowledgements tell for DATA_ACK and window. */
export function fallbackAcknowledged(meta: MetaSocket, subflow: Subflow, now: Micros): void {
  if (subflow.sndUna < 1) return;
  dataAcknowledged(meta, subflow.sndUna, subflow.sndUna + subflow.sndWnd, now);
}
