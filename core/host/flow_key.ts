/** Flow keys in WebAssembly memory: what the flow table compares and headers are made from. */

import { memory_alloc, u16, u32, u8 } from "../../wasm/mod.ts";
import {
  KEY_DSCP,
  KEY_FAMILY,
  KEY_IP_ID,
  KEY_LOCAL,
  KEY_LOCAL_PORT,
  KEY_REMOTE,
  KEY_REMOTE_PORT,
  KEY_SIZE,
} from "../../wasm/layout.ts";
import type { Endpoint } from "../plugin.ts";
import type { IpAddress } from "../wire/ip.ts";

/** Writes a key into a block of its own, or into `into`; free it with memory_free. 0 when there is no memory. */
export function writeKey(
  local: IpAddress,
  localPort: number,
  remote: IpAddress,
  remotePort: number,
  dscp: number,
  into: number = memory_alloc(KEY_SIZE),
): number {
  if (into === 0) return 0;
  u8.fill(0, into, into + KEY_SIZE);
  u32[(into + KEY_FAMILY) >> 2] = local.family;
  u16[(into + KEY_LOCAL_PORT) >> 1] = localPort;
  u16[(into + KEY_REMOTE_PORT) >> 1] = remotePort;
  u16[(into + KEY_IP_ID) >> 1] = 0;
  u8[into + KEY_DSCP] = dscp;
  u8.set(local.bytes, into + KEY_LOCAL);
  u8.set(remote.bytes, into + KEY_REMOTE);
  return into;
}

/** The last ends of flows, ours and the other one. */
const latest: Endpoint[] = [];

/** An end of a flow, `side` 0 ours, 1 the other one: the same object as the last where that is the same, as many flows come to one place, or go to one. */
export function endpoint(side: 0 | 1, address: string, port: number): Endpoint {
  const last = latest[side];
  if (last?.address === address && last.port === port) return last;
  return latest[side] = { address, port };
}
