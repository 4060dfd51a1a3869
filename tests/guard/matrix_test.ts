/**
 * Every callback and every value of every kind of plugin, with everything that it can do wrong: the transfer over two paths is done both ways, and the
 * first fault names plugin, callback and rule; none is told where the contract leaves the plugin free.
 */

import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { lia, reno } from "../../cc/mod.ts";
import type { FaultRule, PluginFault } from "../../core/guard/faults.ts";
import type { Policies } from "../../core/guard/policies.ts";
import type { Plugin } from "../../core/plugin.ts";
import { fullMesh, nDiffPorts, passive } from "../../pm/mod.ts";
import * as sched from "../../sched/mod.ts";
import { type PathShape, Topology } from "../support/topology.ts";
import { changesLater, holds, MISDEEDS, misdoes } from "./misdeeds.js";

/** With queues so short that packets are lost, so that each callback is called. */
const PATHS: Readonly<Record<string, PathShape>> = {
  wifi: { rate: "20 Mbit/s", delay: "5 ms", queue: 4 },
  lte: { rate: "12 Mbit/s", delay: "10 ms", queue: 4 },
};

function policies(plugin: Plugin): Partial<Policies> {
  const base = { congestionControl: reno() };
  switch (plugin.kind) {
    case "scheduler":
      return { ...base, scheduler: plugin };
    case "congestion-control":
      return { congestionControl: plugin };
    case "path-manager":
      return { ...base, pathManager: plugin };
  }
}

/** Lets both ends send, with pauses in which they are idle, and end; the faults that were told. */
function transfer(plugin: Plugin): PluginFault[] {
  using t = new Topology({
    paths: PATHS,
    policies: policies(plugin),
    client: { receiveBuffer: 30e3 },
    server: { receiveBuffer: 30e3 },
  });
  const faults: PluginFault[] = [];
  const pair = t.connect({ bytes: 9e4, pause: 0.5 }, { bytes: 9e4, pause: 0.5 });
  t.runUntil(() => {
    faults.push(...t.faults.splice(0));
    return pair.client.done && pair.server()?.done === true;
  }, 30);
  t.complete(pair, 1);
  if (plugin.kind !== "path-manager") assertEquals(pair.client.socket.subflowsTotal, 2);
  t.runTo(t.seconds + 1);
  faults.push(...t.faults.splice(0));
  assertEquals(faults.filter((fault) => fault.plugin !== "odd" || fault.kind !== plugin.kind), []);
  return faults;
}

/** The first fault of a transfer, as "callback rule"; "sound" where there is none. */
function outcome(plugin: Plugin): string {
  try {
    const [fault] = transfer(plugin);
    return fault === undefined ? "sound" : `${fault.callback} ${fault.rule}`;
  } catch (error) {
    return `FAILS: ${Deno.inspect(error).split("\n", 1)[0]}`;
  }
}

type Kind = Plugin["kind"];
/** What comes of it; a rule that is broken in another callback has that before it. */
type Verdict = FaultRule | `${string} ${FaultRule}` | "sound";
type Judge = (misdeed: string) => Verdict;

/** What is the same wherever it is given. */
function general(misdeed: string): FaultRule | null {
  if (misdeed.startsWith("throws")) return "never-throws";
  if (misdeed === "gives a trap" || misdeed === "gives a revoked") return "never-throws";
  if (/promise|failure$/.test(misdeed)) return "no-promise";
  return null;
}

/** Whether the answer is what a sound plugin would have given. */
function same(misdeed: string): boolean {
  return misdeed === "spoils all" || misdeed === "changes later";
}

/** What is answered counts for nothing. */
const free: Judge = (misdeed) => {
  if (misdeed === "gives a thenable") return "never-throws";
  return general(misdeed) ?? "sound";
};

/** An object with members is expected. */
const makes: Judge = (misdeed) => {
  if (same(misdeed)) return "sound";
  if (misdeed === "gives a thenable") return "never-throws";
  return general(misdeed) ?? "right-shape";
};

/** A value of one of these, or one that a sound plugin gives. */
function takes(...names: string[]): (rule: FaultRule) => Judge {
  return (rule) => (misdeed) => {
    if (same(misdeed) || names.includes(misdeed)) return "sound";
    if (misdeed === "gives a thenable") return "never-throws";
    return general(misdeed) ?? rule;
  };
}

const pick: Judge = (misdeed) => {
  // What nothing is in flight for cannot be waited for.
  if (misdeed === "gives null" || misdeed === "gives []") return "waits-end";
  if (misdeed === "gives {}") return "known-path";
  return takes()("sane-answer")(misdeed);
};

/** By kind and callback. */
const CALLBACKS: Readonly<Record<Kind, Readonly<Record<string, Judge>>>> = {
  "scheduler": {
    create: makes,
    pick,
    repeat: takes("gives true")("sane-answer"),
    onAck: free,
    onLoss: free,
    onBlocked: free,
    onClose: free,
    onSubflow: free,
  },
  "congestion-control": {
    create: makes,
    // A controller that is changed behind the back of its plugin fails there.
    join: (misdeed) => misdeed === "changes later" ? "onAck never-throws" : makes(misdeed),
    onAck: free,
    onCongestion: free,
    onRestart: free,
    leave: free,
  },
  "path-manager": {
    create: makes,
    onEvent: free,
    // 0 is a reason too: the join is refused, and one path does it all.
    refuse: takes("gives undefined", "gives null", "gives 0")("sane-answer"),
    after: free,
  },
};

/** Values are told as they are: a promise is one more that is no number. */
function value(...names: string[]): Judge {
  return (misdeed) => {
    if (misdeed === "gives a thenable") return "never-throws";
    const rule = general(misdeed);
    if (rule === "never-throws") return rule;
    return names.includes(misdeed) ? "sound" : "sane-window";
  };
}

const VALUES: Readonly<Record<Kind, Readonly<Record<string, Judge>>>> = {
  "scheduler": {
    // Refused where plugins are given; a connection does without.
    quantum: () => "sound",
    lookAhead: () => "sound",
  },
  "congestion-control": {
    cwnd: value(),
    ssthresh: value("gives 1e300", "gives Infinity"),
    pacingRate: value("gives undefined", "gives 1e300"),
    ownsRecovery: value("gives undefined", "gives true"),
    accurateEcn: value("gives undefined", "gives true"),
  },
  "path-manager": {},
};

interface Cell {
  readonly expected: string;
  readonly found: string;
}

/** The matrix as text; what is not as expected stands in full below it. */
function draw(columns: readonly string[], rows: ReadonlyMap<string, readonly Cell[]>): string {
  const width = Math.max(...columns.map(({ length }) => length)) + 1;
  const lines = [`${" ".repeat(18)}${columns.map((name) => name.padEnd(width)).join("")}`];
  const wrong: string[] = [];
  for (const [row, cells] of rows) {
    const marks = cells.map(({ expected, found }, i) => {
      if (found !== expected) {
        wrong.push(`${columns[i]} ${row}: expected ${expected}, found ${found}`);
      }
      return (found === expected ? found === "sound" ? "." : "fault" : "WRONG").padEnd(width);
    });
    lines.push(`${row.padEnd(18)}${marks.join("")}`);
  }
  return ["", ...lines, ...wrong].join("\n");
}

/** Fills a matrix and fails, showing it, where one cell is not as expected. */
function check(
  judges: Readonly<Record<string, Judge>>,
  read: boolean,
  make: (column: string, misdeed: string) => Plugin,
): void {
  const columns = Object.keys(judges);
  const rows = new Map<string, Cell[]>();
  const names = read
    ? Object.keys(MISDEEDS).filter((name) => name !== "spoils all")
    : [...Object.keys(MISDEEDS), "changes later"];
  for (const misdeed of names) {
    rows.set(
      misdeed,
      columns.map((column) => {
        const rule = judges[column]!(misdeed);
        // Values are first read when a subflow joins.
        const expected = rule === "sound" || rule.includes(" ")
          ? rule
          : `${read ? "join" : column} ${rule}`;
        return { expected, found: outcome(make(column, misdeed)) };
      }),
    );
  }
  const right = [...rows.values()].flat().every(({ expected, found }) => expected === found);
  assert(right, draw(columns, rows));
}

function deed(misdeed: string): (given: unknown[], sound: () => unknown) => unknown {
  return misdeed === "changes later" ? changesLater() : MISDEEDS[misdeed]!;
}

describe("a transfer over two paths is done, and the fault is told", () => {
  for (const kind of ["scheduler", "congestion-control", "path-manager"] as const) {
    it(`whatever a callback of a ${kind} does`, () => {
      check(
        CALLBACKS[kind],
        false,
        (callback, misdeed) => misdoes(kind, callback, deed(misdeed)),
      );
    });
    if (kind === "path-manager") continue;
    it(`whatever a value of a ${kind} is`, () => {
      check(VALUES[kind], true, (name, misdeed) => holds(kind, name, deed(misdeed)));
    });
  }

  for (
    const plugin of [
      ...Object.values(sched).map((make) => make()),
      sched.timeDistance({ lookAhead: 4 }),
      reno(),
      lia(),
      fullMesh(),
      nDiffPorts(),
      passive(),
    ]
  ) {
    it(`and none is told of ${plugin.name}`, () => assertEquals(transfer(plugin), []));
  }
});
