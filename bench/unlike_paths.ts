/**
 * `deno run -A bench/unlike_paths.ts`: RFC 6356's first goal with whole stacks, on pairs of paths that nobody else uses and that lose at random: what MPTCP gets
 * over both, in times of what reno gets over the better one. About 3 minutes.
 */

import { parseArgs, Table } from "../cli/deps.ts";
import { print, report } from "../cli/output.ts";
import { loadWatched } from "../cli/plugin_names.ts";
import { reno } from "../cc/mod.ts";
import { loss } from "../core/link/sim/elements/loss.ts";
import type { CongestionControlPlugin } from "../core/plugin.ts";
import { fullMesh } from "../pm/mod.ts";
import { OneWay } from "../tests/support/one_way.ts";
import { Topology } from "../tests/support/topology.ts";
import { readCount, refuseUnknown, runProgram } from "./flags.ts";

const USAGE = `deno run -A bench/unlike_paths.ts [OPTIONS]

  --cc NAME|FILE|URL[,key=value…]
                  A congestion control; may be given several times (default lia, olia, balia)
  --seeds NUMBER  Runs of each cell (default 3)
  --json          Prints every figure as JSON
  --help          This help`;

/** A path of 100 Mbit/s: nothing but its losses limits a window. */
interface Way {
  /** Milliseconds. */
  readonly rtt: number;
  readonly loss: number;
}

const PAIRS: readonly (readonly Way[])[] = [
  [{ rtt: 20, loss: 0.01 }, { rtt: 150, loss: 0.001 }],
  [{ rtt: 20, loss: 0.005 }, { rtt: 200, loss: 0.005 }],
  [{ rtt: 20, loss: 0.02 }, { rtt: 60, loss: 0.002 }],
  [{ rtt: 40, loss: 0.001 }, { rtt: 100, loss: 0.01 }],
  [{ rtt: 50, loss: 0.002 }, { rtt: 50, loss: 0.002 }],
];

/** Seconds from when on and until when is counted. */
const FROM = 10;
const TO = 55;

/** Bytes that one connection over all of `ways` brings. */
function bytesOf(
  congestionControl: CongestionControlPlugin,
  ways: readonly Way[],
  seed: number,
): number {
  using t = new Topology({
    seed,
    paths: Object.fromEntries(
      ways.map(({ rtt, loss: share }, i) => [`path ${i + 1}`, {
        rate: "100 Mbit/s",
        delay: `${rtt / 2} ms`,
        queue: 1000,
        up: [loss(share)],
      }]),
    ),
  });
  const flow = new OneWay(t, 80, { congestionControl, pathManager: fullMesh() });
  for (let at = 0.05; at < TO; at += 0.05) t.at(at, () => flow.write(1 << 20));
  t.runTo(FROM);
  const before = flow.read;
  t.runTo(TO);
  return flow.read - before;
}

async function main(): Promise<void> {
  const { cc, seeds, json, help } = parseArgs(Deno.args, {
    string: ["cc", "seeds"],
    collect: ["cc"],
    boolean: ["json", "help"],
    default: { seeds: "3" },
    unknown: refuseUnknown(USAGE),
  });
  if (help) {
    print(USAGE);
    Deno.exit();
  }
  const runs = readCount("seeds", seeds);
  const names = cc.length > 0 ? cc : ["lia", "olia", "balia"];
  const plugins = await Promise.all(
    names.map((text) => loadWatched("cc", String(text))),
  );
  const mean = (plugin: CongestionControlPlugin, ways: readonly Way[]): number => {
    let sum = 0;
    for (let seed = 1; seed <= runs; seed++) sum += bytesOf(plugin, ways, seed);
    return sum / runs;
  };
  const rows = PAIRS.map((ways) => {
    const name = ways.map(({ rtt, loss }) => `${loss * 100} % ${rtt} ms`).join(" + ");
    report(name);
    const best = Math.max(...ways.map((way) => mean(reno(), [way])));
    return { name, figures: plugins.map((plugin) => mean(plugin, ways) / best) };
  });
  if (json) print(JSON.stringify({ controls: names, seeds: runs, rows }, null, 2));
  else {
    const table = new Table({
      head: ["", ...plugins.map(({ name }) => name)],
      style: { head: [], border: [] },
    });
    for (const { name, figures } of rows) {
      table.push([name, ...figures.map((value) => value.toFixed(2))]);
    }
    print(`MPTCP over both / reno over the better, ${runs} seeds\n${table}`);
  }
}

if (import.meta.main) await runProgram(main);
