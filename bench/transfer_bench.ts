/**
 * A transfer within this process: both stacks, an unshaped emulated link between them, packets of 1500 bytes one by one, application reads included.
 * One iteration moves 100 Mbit, so that 100 divided by the milliseconds is Gbit/s; a copy of as many bytes in memory stands beside it.
 */

import { nDiffPorts } from "../pm/mod.ts";
import { carry } from "./load.ts";
import { Rig, type RigOptions } from "./rig.ts";

/** 100 Mbit. */
const BYTES = 12_500_000;
const GROUP = "in-process transfer of 100 Mbit";

const here = new Uint8Array(BYTES);
const there = new Uint8Array(BYTES);
Deno.bench({ group: GROUP, name: "memory copy", fn: () => there.set(here) });

/** Registers a transfer over a connection that stays open, so that neither handshake nor slow start counts. */
function transfer(name: string, baseline: boolean, options: Partial<RigOptions>): void {
  let move: ((bytes: number) => void) | null = null;
  Deno.bench({
    group: GROUP,
    name,
    baseline,
    fn() {
      move ??= carry(new Rig({ paths: { link: [] }, ...options }));
      move(BYTES);
    },
  });
}

transfer("TCP", false, { mptcp: false });
transfer("MPTCP, 1 subflow", true, { policies: { pathManager: nDiffPorts({ subflows: 1 }) } });
transfer("MPTCP, 2 subflows", false, { policies: { pathManager: nDiffPorts({ subflows: 2 }) } });
