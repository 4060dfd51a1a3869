/**
 * One measurement of one checkout, in a process of its own: `against_load.ts CHECKOUT CASE` prints one number. It uses only what every checkout has:
 * `Rig` of bench/rig.ts, `Crowd` of bench/crowd.ts, mod.ts and pm/mod.ts, `StackOverTun` of bench/kernel/ends.ts, and `Libc` of core/link/tun/libc.ts.
 */

import { cpuUsage } from "node:process";
import { pathToFileURL } from "node:url";
import { print } from "../cli/output.ts";
import type { ElementFactory } from "../core/link/sim/elements/element.ts";
import type { Direction } from "./kernel/ends.ts";
import { carry } from "./load.ts";
import type { RigOptions } from "./rig.ts";

/** Bytes whose cost is measured, and before them such as only warm up: what V8 compiles meanwhile, in threads of its own, is no cost of theirs. */
const BULK = { warmUp: 1e9, bytes: 2e9 };
const FAR = { bytes: 160e6, buffer: 64e6 };
/**
 * Seconds of a transfer, and of each of those that only warm up: the first connections of a process have V8 compile the same functions again, and so does the
 * first that passes 2^31 and 2^32 bytes, which one as long as what is measured does.
 */
const KERNEL = { warmUp: 0.8, warmUps: 3, seconds: 2 };
/** Connections that are opened and closed at a time, and how often: at first to warm up. */
const CROWD = { connections: 500, warmUps: 10, rounds: 10 };
/** Seconds of opening and closing, and before them such as only warm up: V8 compiles the last of what that takes after some thousands. */
const OPENING = { warmUp: 1, warmUps: 6, seconds: 3, cold: 0.5 };

const [root = "", name = ""] = Deno.args;

function at(path: string): string {
  return pathToFileURL(`${root}/${path}`).href;
}

/** Seconds that this process has had a processor, in the kernel too. */
function processorSeconds(): number {
  const { user, system } = cpuUsage();
  return (user + system) / 1e6;
}

/** Plain TCP, as the tree in hand has it and as older ones had it. */
const PLAIN: object = { mptcp: false, experiments: { mptcp: false } };

/** A connection on the emulated network; the result moves bytes from server to client. */
async function begin(options: RigOptions): Promise<(bytes: number) => void> {
  const { Rig }: typeof import("./rig.ts") = await import(at("bench/rig.ts"));
  return carry(new Rig(options));
}

/** Processor seconds per gigabyte of a transfer as in transfer_bench.ts; 0 subflows: TCP. */
async function bulk(subflows: number): Promise<number> {
  const { nDiffPorts }: typeof import("../pm/mod.ts") = await import(at("pm/mod.ts"));
  const move = await begin({
    paths: { link: [] },
    ...(subflows === 0 ? PLAIN : { policies: { pathManager: nDiffPorts({ subflows }) } }),
  });
  move(BULK.warmUp);
  const before = processorSeconds();
  move(BULK.bytes);
  return (processorSeconds() - before) / BULK.bytes * 1e9;
}

/** Packets per second of real time over 1 Gbit/s with a round trip of 100 ms and 200 Mbit/s with one of 200 ms, slow start included. */
async function far(): Promise<number> {
  const { delay, queue, rate }: typeof import("../mod.ts") = await import(at("mod.ts"));
  let packets = 0;
  const counted: ElementFactory = {
    name: "counted",
    create: (_, output) => ({
      push(packet) {
        packets++;
        output(packet);
      },
    }),
  };
  const move = await begin({
    paths: {
      near: [counted, queue(9000), rate("1 Gbit/s"), delay("50 ms")],
      far: [counted, queue(4000), rate("200 Mbit/s"), delay("100 ms")],
    },
    experiments: { sendBuffer: FAR.buffer, receiveBuffer: FAR.buffer },
  });
  const start = performance.now();
  move(FAR.bytes);
  return packets / (performance.now() - start) * 1e3;
}

/**
 * Processor seconds of this process per gigabyte that it exchanges with the kernel over TUN. `lent`: by fill() and drain(), where the checkout has them, else
 * by write() and read().
 */
async function kernel(direction: Direction, subflows: number, lent = false): Promise<number> {
  const { StackOverTun }: typeof import("./kernel/ends.ts") = await import(
    at("bench/kernel/ends.ts")
  );
  const { Libc }: typeof import("../core/link/tun/libc.ts") = await import(
    at("core/link/tun/libc.ts")
  );
  await using stack = await StackOverTun.open(true, {}, lent);
  // A program opens its host once. Here each transfer does, and would load libc anew: to V8 these are other functions each time, which it calls by longer ways.
  const libc = new Libc();
  for (let i = 0; i < KERNEL.warmUps; i++) {
    await stack.measure(direction, subflows, KERNEL.warmUp);
  }
  await stack.measure(direction, subflows, KERNEL.seconds);
  const before = processorSeconds();
  const rate = await stack.measure(direction, subflows, KERNEL.seconds);
  const spent = processorSeconds() - before;
  libc.close();
  return spent / (rate * KERNEL.seconds) * 1e9;
}

/** Processor milliseconds of opening and closing a connection of two subflows, both ends together. */
async function crowds(): Promise<number> {
  const { Crowd }: typeof import("./crowd.ts") = await import(at("bench/crowd.ts"));
  using crowd = new Crowd();
  const repeat = (times: number): void => {
    for (let i = 0; i < times; i++) {
      crowd.open(CROWD.connections);
      crowd.close();
    }
  };
  repeat(CROWD.warmUps);
  const before = processorSeconds();
  repeat(CROWD.rounds);
  return (processorSeconds() - before) / (CROWD.connections * CROWD.rounds) * 1e3;
}

/** Processor milliseconds of this process for a connection that is opened to the kernel over TUN, and closed by both; `cold`: of the first ones. */
async function openings(subflows: number, cold = false): Promise<number> {
  const { StackOverTun }: typeof import("./kernel/ends.ts") = await import(
    at("bench/kernel/ends.ts")
  );
  await using stack = await StackOverTun.open(true, {});
  if (cold) return (await stack.open(subflows, OPENING.cold)).near;
  for (let i = 0; i < OPENING.warmUps; i++) await stack.open(subflows, OPENING.warmUp);
  return (await stack.open(subflows, OPENING.seconds)).near;
}

/** The cases by name, as against.ts lists them. */
const MEASUREMENTS: Readonly<Record<string, () => Promise<number>>> = {
  "tcp": () => bulk(0),
  "mptcp-1": () => bulk(1),
  "mptcp-2": () => bulk(2),
  "far": far,
  "open": crowds,
  "from-kernel-1": () => kernel("receive", 1),
  "to-kernel-1": () => kernel("send", 1),
  "from-kernel-2": () => kernel("receive", 2),
  "to-kernel-2": () => kernel("send", 2),
  "drain-1": () => kernel("receive", 1, true),
  "fill-1": () => kernel("send", 1, true),
  "drain-2": () => kernel("receive", 2, true),
  "fill-2": () => kernel("send", 2, true),
  "connect": () => openings(1),
  "join": () => openings(2),
  "cold": () => openings(1, true),
};

const measure = MEASUREMENTS[name];
if (measure === undefined) throw new RangeError(`Cannot measure "${name}" as it is no case`);
print(String(await measure()));
