/**
 * `deno run -A bench/emulator.ts`: what the emulated network costs. CPU for each data packet that is delivered on a dumbbell of ten flows of reno, with full stacks at all
 * ends and all that `mptcp sim` measures, beside that of a plain transfer over a link that does nothing, and beside that of as many stacks without an emulated network,
 * to which packets come one a turn as on the dumbbell: the rounds of all three in turns.
 */

import process from "node:process";
import { parseArgs } from "../cli/deps.ts";
import { print, report } from "../cli/output.ts";
import { reno } from "../cc/mod.ts";
import { measure, type Scenario } from "../sim/mod.ts";
import { readCount, refuseUnknown, runProgram } from "./flags.ts";
import { BareStacks } from "./bare_stacks.ts";
import { carry } from "./load.ts";
import { Rig } from "./rig.ts";

const USAGE = `deno run -A bench/emulator.ts [OPTIONS]

  --rounds NUMBER   Of each of the three (default 7)
  --seconds NUMBER  Of virtual time in a round of the dumbbell (default 10)
  --json            Prints every round as JSON
  --help            This help`;

const FLOWS = 10;
/** Bytes of a round of the plain transfer. */
const BYTES = 50e6;
/** Packets of a round of bare stacks. */
const PACKETS = 50_000;
/** Payload of a packet of 1500 bytes with timestamps. */
const SEGMENT = 1448;

/** Ten flows of reno over 100 Mbit/s, a round trip of 44 ms, and a queue of 300 packets. */
export const DUMBBELL: Scenario = {
  name: "dumbbell",
  dumbbell: {
    pairs: FLOWS,
    bottleneck: { rate: "100 Mbit/s", delay: "22 ms", queue: 300 },
  },
  hosts: Object.fromEntries(
    Array.from({ length: FLOWS }, (_, i) => [`left${i + 1}`, `right${i + 1}`]).flat()
      .map((name) => [name, { mptcp: false as const }]),
  ),
  traffic: Object.fromEntries(
    Array.from({ length: FLOWS }, (_, i) => [
      `flow ${i + 1}`,
      {
        kind: "bulk" as const,
        client: `left${i + 1}`,
        server: `right${i + 1}`,
        direction: "up" as const,
        start: `${i * 10} ms` as const,
      },
    ]),
  ),
};

/** Microseconds of CPU of the whole process, its garbage collection included. */
function cpu(): number {
  const { user, system } = process.cpuUsage();
  return user + system;
}

/** Runs the dumbbell for so long; how many data packets came through its bottleneck. */
function bell(seconds: number, seed: number): number {
  const { links } = measure(
    { ...DUMBBELL, duration: `${seconds} s` },
    { congestionControl: reno() },
    { seed },
  );
  return links.bottleneck!.forward.delivered;
}

/** Microseconds for each data packet, and how many times that of the plain transfer the dumbbell takes. */
interface Round {
  readonly plain: number;
  readonly stacks: number;
  readonly emulated: number;
  readonly ratio: number;
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1]!;
}

function main(): void {
  const { rounds, seconds, json, help } = parseArgs(Deno.args, {
    string: ["rounds", "seconds"],
    boolean: ["json", "help"],
    default: { rounds: "7", seconds: "10" },
    unknown: refuseUnknown(USAGE),
  });
  if (help) {
    print(USAGE);
    Deno.exit();
  }
  const [times, length] = [readCount("rounds", rounds), readCount("seconds", seconds)];
  using rig = new Rig({ paths: { link: [] }, mptcp: false });
  const move = carry(rig);
  const bare = new BareStacks(FLOWS, 1);
  move(BYTES);
  bare.run(PACKETS);
  bell(length, 1);
  const found: Round[] = [];
  for (let round = 1; round <= times; round++) {
    const start = cpu();
    move(BYTES);
    const moved = cpu();
    bare.run(PACKETS);
    const between = cpu();
    const packets = bell(length, 1 + round);
    const end = cpu();
    const plain = (moved - start) / (BYTES / SEGMENT);
    const stacks = (between - moved) / PACKETS;
    const emulated = (end - between) / packets;
    found.push({ plain, stacks, emulated, ratio: emulated / plain });
    const text = [plain, stacks, emulated].map((each) => `${each.toFixed(2)} us`).join(", ");
    report(`Round ${round} of ${times}: ${text}, x ${(emulated / plain).toFixed(2)}`);
  }
  const of = (name: keyof Round): string => median(found.map((one) => one[name])).toFixed(2);
  if (json) print(JSON.stringify(found));
  else {
    print(
      `CPU for each data packet, median of ${times} rounds: plain transfer ${
        of("plain")
      } us, stacks alone at one packet a turn ${of("stacks")} us, dumbbell ${
        of("emulated")
      } us, x ${of("ratio")}`,
    );
  }
}

if (import.meta.main) await runProgram(main);
