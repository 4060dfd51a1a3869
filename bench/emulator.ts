/**
 * `deno run -A bench/emulator.ts`: what the emulated network costs. CPU for each data packet that is delivered on a dumbbell of ten flows of reno, with full stacks at all
 * ends and all that `mptcp sim` measures, beside that of a plain transfer over a link that does nothing: the rounds of both in turns.
 */

import process from "node:process";
import { parseArgs } from "../cli/deps.ts";
import { print, report } from "../cli/output.ts";
import { reno } from "../cc/mod.ts";
import { measure, type Scenario } from "../sim/mod.ts";
import { carry } from "./load.ts";
import { Rig } from "./rig.ts";

const USAGE = `deno run -A bench/emulator.ts [OPTIONS]

  --rounds NUMBER   Of each of the two (default 7)
  --seconds NUMBER  Of virtual time in a round of the dumbbell (default 10)
  --json            Prints every round as JSON
  --help            This help`;

const FLOWS = 10;
/** Bytes of a round of the plain transfer. */
const BYTES = 50e6;
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

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1]!;
}

if (import.meta.main) {
  const { rounds, seconds, json, help } = parseArgs(Deno.args, {
    string: ["rounds", "seconds"],
    boolean: ["json", "help"],
    default: { rounds: "7", seconds: "10" },
    unknown: (name) => {
      throw new RangeError(`Cannot measure as there is no option ${name}\n\n${USAGE}`);
    },
  });
  if (help) {
    print(USAGE);
    Deno.exit();
  }
  const count = (name: string, text: string): number => {
    const value = Number(text);
    if (Number.isInteger(value) && value >= 1) return value;
    throw new RangeError(
      `Cannot measure as --${name} must be an integer from 1 on: current value is ${text}`,
    );
  };
  const [times, length] = [count("rounds", rounds), count("seconds", seconds)];
  using rig = new Rig({ paths: { link: [] }, mptcp: false });
  const move = carry(rig);
  move(BYTES);
  bell(length, 1);
  const found: { readonly plain: number; readonly emulated: number; readonly ratio: number }[] = [];
  for (let round = 1; round <= times; round++) {
    const start = cpu();
    move(BYTES);
    const between = cpu();
    const packets = bell(length, 1 + round);
    const end = cpu();
    const [plain, emulated] = [(between - start) / (BYTES / SEGMENT), (end - between) / packets];
    found.push({ plain, emulated, ratio: emulated / plain });
    report(
      `Round ${round} of ${times}: ${plain.toFixed(2)} us, ${emulated.toFixed(2)} us, x ${
        (emulated / plain).toFixed(2)
      }`,
    );
  }
  const of = (name: "plain" | "emulated" | "ratio") => median(found.map((one) => one[name]));
  if (json) print(JSON.stringify(found));
  else {
    print(
      `CPU for each data packet, median of ${times} rounds: plain transfer ${
        of("plain").toFixed(2)
      } us, dumbbell ${of("emulated").toFixed(2)} us, x ${of("ratio").toFixed(2)}`,
    );
  }
}
