/**
 * What a path that is cut for a while costs a transfer, and when it is used again. `deno run -A tests/scenario/path_cut_matrix.ts` prints the table, each
 * cell with the rule that it is held to, and exits with 1 where one is broken.
 *
 *     client ── wifi (first) ─┬─ router ── server
 *            ── lte (joined) ─┘
 *
 * A path is cut for what the client sends ("up"), for what the server sends ("down"), or for both; the other one goes on. "backup": the joined path is
 * one that is used only while the first is not (RFC 8684 §3.3.8).
 */

import { assert } from "@std/assert";
import type { PathContext, PathManagerPlugin } from "../../core/plugin.ts";
import { freePacket } from "../../core/link/sim/elements/packet.ts";
import type { ElementFactory } from "../../core/link/sim/elements/element.ts";
import type { Probe } from "../../core/subflow/probe.ts";
import { fullMesh } from "../../pm/mod.ts";
import { type PathShape, Topology } from "../support/topology.ts";

/** One cell. */
export interface Cut {
  readonly seconds: number;
  readonly path: "first" | "joined";
  /** Whose packets do not pass. */
  readonly way: "both" | "up" | "down";
  /** Who sends data. */
  readonly sender: "client" | "server";
  readonly joined: "regular" | "backup";
}

/** What came of it; times in seconds. */
export interface CutResult extends Cut {
  /** Longest time between two reads that gave something, from the cut to 5 s after its end. */
  readonly stall: number;
  /** From the end of the cut until new data leave on the path that was cut; null: none did. */
  readonly again: number | null;
  /** From the end of the cut until a backup carries nothing new any more; null: it carried nothing, or is none. */
  readonly relieved: number | null;
  /** Segments that left on the path while it was cut, the first second not counted: what it costs to ask. */
  readonly asked: number;
  /** Bytes that the reader's host was brought twice. */
  readonly stale: number;
  /** What is wrong; null: nothing. */
  readonly wrong: string | null;
}

const SHAPES = {
  wifi: { rate: "2 Mbit/s", delay: "15 ms", queue: 20 },
  lte: { rate: "1 Mbit/s", delay: "30 ms", queue: 20 },
} as const satisfies Record<string, PathShape>;

/** When the cut begins. */
const FROM = 3;
/** How long the transfer is watched after it. */
const AFTER = 5;
/** Asked at least once in so many seconds (core/subflow/silence.ts). */
const ASKS = 1;
/** A round trip of each path without a queue, with the packets on their way: of a full segment up to 12 ms. */
const ROUND_TRIP = { first: 0.03 + 0.012, joined: 0.06 + 0.024 };
/** Longest time without progress when nothing is cut: a queue that overflows. */
const LULL = 0.3;
/** Longest time without progress: what is lost goes again after the timeout of its path, a queue of 20 packets and the least timeout at most… */
const LOST = 0.6 + 2 * 0.24;
/** …and on a backup when the other is given up, after four such. */
const GIVEN_UP = 4 * LOST;

/** Drops packets while it is closed. */
class Breaker {
  closed = false;
  readonly element: ElementFactory = {
    name: "breaker",
    create: (_context, output) => ({
      push: (packet) => this.closed ? freePacket(packet) : output(packet),
    }),
  };
}

/** A path manager whose client joins over a backup. */
function backups(): PathManagerPlugin {
  const mesh = fullMesh();
  return {
    ...mesh,
    create(context: PathContext) {
      const use = (paths: readonly number[]): void => {
        if (context.role === "client") {
          for (const path of paths) if (path !== 1) context.setBackup(path, true);
        }
        context.use(paths);
      };
      return mesh.create(Object.create(context, { use: { value: use } }));
    },
  };
}

/** Runs one cell. */
export function runCut(cut: Cut): CutResult {
  const { seconds, path, way, sender, joined } = cut;
  const up = new Breaker();
  const down = new Breaker();
  const name = path === "first" ? "wifi" : "lte";
  const index = path === "first" ? 1 : 2;
  const highest = [0, 0, 0];
  const end = FROM + seconds;
  let again: number | null = null;
  let carried = -1;
  let asked = 0;
  let stale = 0;
  const probe: Probe = {
    segmentSent(now, _connection, on, seq, length) {
      const at = now / 1e6;
      if (on === index && at > FROM + 1 && at < end) asked++;
      if (length === 0 || seq < highest[on]!) return;
      highest[on] = seq + length;
      if (on === index && at >= end) again ??= at - end;
      if (on === 2 && at > FROM) carried = at;
    },
    subflowChanged(_now, _connection, _path, change) {
      if (change === "stale") stale++;
    },
  };
  using t = new Topology({
    paths: {
      ...SHAPES,
      [name]: { ...SHAPES[name], up: [up.element], down: [down.element] },
    },
    probes: { [sender]: probe },
    ...(joined === "backup" && { policies: { pathManager: backups() } }),
  });
  const data = { bytes: 375_000 * (seconds + FROM + AFTER) };
  const ends = sender === "client" ? t.connect(data, { bytes: 0 }) : t.connect({ bytes: 0 }, data);
  t.at(FROM, () => {
    up.closed = way !== "down";
    down.closed = way !== "up";
    const reader = sender === "client" ? ends.server() : ends.client;
    reader.stall = 0;
  });
  t.at(end, () => up.closed = down.closed = false);
  t.runTo(end + AFTER);
  const reader = sender === "client" ? ends.server() : ends.client;
  const stall = Math.max(reader.stall, t.now - reader.lastRead) / 1e6;
  const backup = joined === "backup" && carried >= 0;
  const relieved = backup && path === "first" ? Math.max(0, carried - end) : null;
  let wrong: string | null = null;
  try {
    t.complete(ends, 60 + 3 * seconds);
  } catch (error) {
    wrong = String(error).split("\n")[0]!;
  }
  const result = { ...cut, stall, again, relieved, asked, stale, wrong };
  return { ...result, wrong: wrong ?? judge(result) };
}

/** What a cell must be. */
function judge({ seconds, path, joined, stall, again, relieved, asked }: CutResult): string | null {
  const idle = joined === "backup" && path === "joined";
  const most = idle ? LULL : joined === "backup" ? GIVEN_UP : LOST;
  if (stall > most) return `no progress for ${stall.toFixed(2)} s, more than ${most.toFixed(2)}`;
  if (idle) return again === null ? null : "a backup carries data beside a regular path";
  const soon = ASKS + ROUND_TRIP[path];
  if (again === null || again > soon) {
    return `used again after ${again?.toFixed(3) ?? "never"}, later than ${soon.toFixed(3)}`;
  }
  if (relieved !== null && relieved > soon) return `backup used ${relieved.toFixed(2)} s too long`;
  if (asked > 2 * seconds) return `asked ${asked} times in ${seconds} s`;
  return null;
}

/** All cells of these lengths. */
export function* cuts(lengths: readonly number[] = [1, 10, 60]): Generator<Cut> {
  for (const seconds of lengths) {
    for (const joined of ["regular", "backup"] as const) {
      for (const path of ["first", "joined"] as const) {
        for (const way of ["both", "up", "down"] as const) {
          for (const sender of ["client", "server"] as const) {
            yield { seconds, path, way, sender, joined };
          }
        }
      }
    }
  }
}

/** The table. */
export function printCuts(results: readonly CutResult[]): string {
  const time = (value: number | null): string => value === null ? "-" : value.toFixed(3);
  const rows = results.map((each) => [
    `${each.seconds} s`,
    each.path,
    each.way,
    each.sender,
    each.joined,
    time(each.stall),
    time(each.again),
    time(each.relieved),
    `${each.asked}`,
    `${each.stale}`,
    each.wrong ?? "ok",
  ]);
  const head = "cut|path|way|sender|joined|stall s|again s|relieved s|asked|stale|".split("|");
  const widths = head.map((word, i) => Math.max(word.length, ...rows.map((row) => row[i]!.length)));
  return [head, ...rows].map((row) =>
    row.map((cell, i) => cell.padEnd(widths[i]!)).join("  ").trimEnd()
  ).join("\n");
}

if (import.meta.main) {
  const lengths = Deno.args.map(Number);
  assert(lengths.every((length) => length > 0), "lengths of cuts in seconds");
  const results = [...cuts(lengths.length > 0 ? lengths : undefined)].map(runCut);
  const wrong = results.filter((result) => result.wrong !== null).length;
  await Deno.stdout.write(
    new TextEncoder().encode(`${printCuts(results)}\n\n${results.length} cells, ${wrong} wrong\n`),
  );
  Deno.exitCode = wrong === 0 ? 0 : 1;
}
