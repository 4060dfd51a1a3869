/** What the plugins of a command were at fault in counts: what it did is not theirs alone, whatever came of it. */

import type { FaultReport } from "../mod.ts";

/** Plugins of this program's hosts that were at fault, in words. */
const faulty = new Set<string>();

/** Takes faults, and hands them on to `report`. */
export function noteFaults(report: FaultReport): FaultReport {
  return (fault) => {
    // A probe watches, and decides nothing.
    if (fault.kind !== "probe") faulty.add(`${fault.plugin} (${fault.kind.replace("-", " ")})`);
    report(fault);
  };
}

/** The exit code of a command that would end with `code`, once its hosts are closed; says which plugins were at fault. */
export function verdict(code: number, say: (line: string) => void): number {
  if (faulty.size === 0) return code;
  const names = [...faulty].join(" and ");
  faulty.clear();
  say(
    `This is not the work of ${names} alone: the default decided where it was at fault, as said above.`,
  );
  return code === 0 ? 1 : code;
}
