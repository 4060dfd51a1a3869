/** How much of what a path manager wants is done: the transport decides how many subflows to open (draft §2.1, ARC-3). */

import type { PathLimitsView } from "../plugin.ts";

/** Bounds of one connection. */
export interface PathLimits extends PathLimitsView {
  /** Entries in each address table. */
  readonly addresses: number;
  /** Entries in the path table. */
  readonly paths: number;
}

/** What holds unless options say otherwise: the most that the kernel allows, and tables that no peer can fill memory with. */
export const DEFAULT_LIMITS: PathLimits = {
  subflows: 8,
  addAddrAccepted: 8,
  addresses: 16,
  paths: 1024,
};

/** MP_TCPRST reason "administratively prohibited" (RFC 8684 §3.6), which the kernel too sends above its limits. */
export const RESET_PROHIBITED = 3;

/** Whether one more subflow fits beside `used` ones, the first included. */
export function mayAdd(used: number, limits: PathLimits): boolean {
  return used < limits.subflows + 1;
}
