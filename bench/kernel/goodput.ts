/**
 * `deno task bench:goodput`: MPTCP over two impaired paths, from a kernel to a kernel, from this stack to a kernel and from a kernel to this stack, in turns.
 * The same elements with the same random numbers for each, `cubic` at both ends, the second path by an announced address. Needs root.
 *
 * Goodput is compared with the sum of the two rates, and with that of two kernels.
 */

import {
  helpOfOptions,
  type Option,
  readArguments,
  readInteger,
  UsageError,
} from "../../cli/arguments.ts";
import { Table } from "../../cli/deps.ts";
import { makeNamespace, type Namespace } from "../../cli/namespace.ts";
import { print, report } from "../../cli/output.ts";
import { seededRandom } from "../../core/host/random.ts";
import type { ElementFactory } from "../../core/link/sim/elements/element.ts";
import { bridge, cubic, delay, Host, impair, loss, queue, rate, tun } from "../../mod.ts";
import { endpoints } from "../../pm/mod.ts";
import { startPeer } from "../../tests/interop/support/peer.ts";
import { seeded, type Way, WAYS } from "./impaired.ts";
import { checkEnd, checkSum, machine, median, receive, runTask, send } from "./tools.ts";

/** One of the two paths. */
interface Path {
  /** Megabits per second. */
  readonly mbit: number;
  /** Milliseconds of one direction. */
  readonly ms: number;
  /** Share of data packets that are lost. */
  readonly lost?: number;
}

/** One row. */
export interface Cell {
  readonly name: string;
  readonly paths: readonly [Path, Path];
  readonly megabytes: number;
  /** The second path is cut from this second on, for so many. */
  readonly cut?: readonly [at: number, length: number];
}

/** All rows. */
export const CELLS: readonly Cell[] = [
  {
    name: "50 + 50 Mbit/s, 10 ms",
    paths: [{ mbit: 50, ms: 10 }, { mbit: 50, ms: 10 }],
    megabytes: 70,
  },
  {
    name: "50 Mbit/s 10 ms + 10 Mbit/s 25 ms",
    paths: [{ mbit: 50, ms: 10 }, { mbit: 10, ms: 25 }],
    megabytes: 42,
  },
  {
    name: "100 Mbit/s 5 ms + 10 Mbit/s 50 ms",
    paths: [{ mbit: 100, ms: 5 }, { mbit: 10, ms: 50 }],
    megabytes: 77,
  },
  {
    name: "50 + 50 Mbit/s, 10 ms, 1 % lost on one",
    paths: [{ mbit: 50, ms: 10 }, { mbit: 50, ms: 10, lost: 0.01 }],
    megabytes: 42,
  },
  {
    name: "50 + 50 Mbit/s, 10 ms, one cut for 2 s",
    paths: [{ mbit: 50, ms: 10 }, { mbit: 50, ms: 10 }],
    megabytes: 70,
    cut: [1.5, 2],
  },
];

/** Rows in which so much of the sum is to be reached by this stack as sender. */
const OF_THE_SUM = 0.92;
/** What two kernels reach, at least so much of it as receiver. */
const OF_THE_KERNEL = 0.97;

const OPTIONS: Readonly<Record<string, Option>> = {
  rounds: { value: "NUMBER", help: "How often everything is measured (default 3)" },
  seed: {
    value: "NUMBER",
    help: "Of the first round; each following one has the next (default 1)",
  },
  json: { help: "Prints every figure as JSON" },
  help: { alias: "h", help: "This help" },
};

/** Bytes of each queue. */
const QUEUE = 150_000;

/** Address of an end on a path, from 1. */
function addressOf(end: "sender" | "receiver", path: number): string {
  return `10.77.${path}.${end === "sender" ? 1 : 2}`;
}

function elementsOf(
  { mbit, ms, lost = 0 }: Path,
  direction: "data" | "ack",
  path: number,
  seed: number,
): ElementFactory[] {
  const random = seededRandom(seed);
  return [
    queue({ bytes: QUEUE }),
    rate(`${mbit} Mbit/s`),
    ...(lost > 0 && direction === "data" ? [seeded(loss(lost), random(`loss ${path}`).float)] : []),
    delay(`${ms} ms`),
  ];
}

/** A kernel that announces its second address, or joins one that is announced. */
async function kernel(end: "sender" | "receiver"): Promise<Namespace> {
  const namespace = await makeNamespace();
  await namespace.sysctl({ "net/ipv4/tcp_no_metrics_save": 1 });
  await namespace.ip(
    "mptcp limits set subflows 1 add_addr_accepted 1",
    ...(end === "receiver" ? [`mptcp endpoint add ${addressOf(end, 2)} signal`] : []),
  );
  return namespace;
}

/** This stack does the same. */
function manager(end: "sender" | "receiver") {
  return endpoints({
    subflows: 1,
    addAddrAccepted: 1,
    ...(end === "receiver" && { add: `${addressOf(end, 2)} signal` }),
  });
}

/** Cuts and restores as the cell says; the result takes both back. */
function cutting({ cut }: Cell, link: { cut(): void; restore(): void }): () => void {
  if (cut === undefined) return () => {};
  const [at, length] = cut;
  const timers = [
    setTimeout(() => link.cut(), at * 1000),
    setTimeout(() => link.restore(), (at + length) * 1000),
  ];
  return () => timers.forEach(clearTimeout);
}

async function betweenKernels(cell: Cell, bytes: number, seed: number): Promise<number> {
  await using near = await kernel("sender");
  await using far = await kernel("receiver");
  const joined = cell.paths.map((path, i) =>
    bridge(
      tun(`near${i + 1}`, {
        namespace: near.name,
        kernelAddresses: [`${addressOf("sender", i + 1)}/24`],
      }),
      tun(`far${i + 1}`, {
        namespace: far.name,
        kernelAddresses: [`${addressOf("receiver", i + 1)}/24`],
      }),
      {
        forward: elementsOf(path, "data", i + 1, seed),
        backward: elementsOf(path, "ack", i + 1, seed),
      },
    )
  );
  await using links = new AsyncDisposableStack();
  joined.forEach((each) => links.use(each));
  await using sink = await startPeer(far, "listen", "sink", { host: "0.0.0.0" });
  const target = { host: addressOf("receiver", 1), port: sink.port, size: bytes };
  await using source = await startPeer(near, "connect", "source", target);
  const stop = cutting(cell, joined[1]!);
  try {
    const end = checkEnd("kernel to kernel", await sink.until("end"));
    const sent = checkEnd("kernel to kernel", await source.until("end"));
    checkSum("kernel to kernel", [bytes, sent.sentSha256], [end.received, end.receivedSha256]);
    return end.seconds;
  } finally {
    stop();
  }
}

/** Two paths to the kernel of a namespace, and this stack at their other end. */
async function hostBeside(
  namespace: Namespace,
  cell: Cell,
  ours: "sender" | "receiver",
  seed: number,
) {
  const theirs = ours === "sender" ? "receiver" : "sender";
  const links = cell.paths.map((path, i) => {
    const data = elementsOf(path, "data", i + 1, seed);
    const ack = elementsOf(path, "ack", i + 1, seed);
    return impair(
      tun(`far${i + 1}`, {
        namespace: namespace.name,
        kernelAddresses: [`${addressOf(theirs, i + 1)}/24`],
      }),
      ours === "sender" ? { send: data, receive: ack } : { send: ack, receive: data },
    );
  });
  const host = await Host.open({
    interfaces: links.map((link, i) => ({ link, addresses: [`${addressOf(ours, i + 1)}/24`] })),
    congestionControl: cubic(),
    pathManager: manager(ours),
    linger: "1 s",
  });
  return { host, second: links[1]! };
}

async function toKernel(cell: Cell, bytes: number, seed: number): Promise<number> {
  await using far = await kernel("receiver");
  const { host, second } = await hostBeside(far, cell, "sender", seed);
  await using _ = host;
  await using sink = await startPeer(far, "listen", "sink", { host: "0.0.0.0" });
  using conn = await host.connect({ hostname: addressOf("receiver", 1), port: sink.port });
  const stop = cutting(cell, second);
  try {
    const [sum, end] = await Promise.all([send(conn, bytes), sink.until("end")]);
    checkSum("to the kernel", [bytes, sum], [
      checkEnd("to the kernel", end).received,
      end.receivedSha256,
    ]);
    return end.seconds;
  } finally {
    stop();
  }
}

async function fromKernel(cell: Cell, bytes: number, seed: number): Promise<number> {
  await using near = await kernel("sender");
  const { host, second } = await hostBeside(near, cell, "receiver", seed);
  await using _ = host;
  using listener = host.listen({ port: 0 });
  const target = { host: addressOf("receiver", 1), port: listener.addr.port, size: bytes };
  await using source = await startPeer(near, "connect", "source", target);
  using conn = await listener.accept();
  const stop = cutting(cell, second);
  try {
    const { received, sum, seconds } = await receive(conn);
    await conn.closeWrite();
    const end = checkEnd("from the kernel", await source.until("end"));
    checkSum("from the kernel", [bytes, end.sentSha256], [received, sum]);
    return seconds;
  } finally {
    stop();
  }
}

const RUN: Readonly<Record<Way, typeof toKernel>> = {
  "kernel to kernel": betweenKernels,
  "to the kernel": toKernel,
  "from the kernel": fromKernel,
};

/** Goodput of a cell in Mbit/s, by way: medians. */
interface Figures {
  readonly cell: Cell;
  readonly runs: Readonly<Record<Way, number[]>>;
}

function sumOf({ paths }: Cell): number {
  return paths[0].mbit + paths[1].mbit;
}

function missed({ cell, runs }: Figures, row: number): string[] {
  const [kernels, to, from] = WAYS.map((way) => median(runs[way])) as [number, number, number];
  return [
    ...(row < 3 && to < OF_THE_SUM * sumOf(cell)
      ? [`to the kernel below ${OF_THE_SUM} of the sum`]
      : []),
    ...(to < kernels ? ["to the kernel below two kernels"] : []),
    ...(from < OF_THE_KERNEL * kernels
      ? [`from the kernel below ${OF_THE_KERNEL} of two kernels`]
      : []),
  ];
}

async function main(args: readonly string[]): Promise<number> {
  const given = readArguments(args, OPTIONS);
  const [stray] = [...given.positional, ...given.rest];
  if (stray !== undefined) throw new UsageError(`Unknown argument ${stray}`);
  if (given.has("help")) {
    print(["deno task bench:goodput [OPTIONS]", "", ...helpOfOptions(OPTIONS)].join("\n"));
    return 0;
  }
  const rounds = readInteger(given, "rounds", 3, [1, 1000]);
  const first = readInteger(given, "seed", 1, [0, 2 ** 31]);
  const head =
    `${machine()}. MPTCP, two subflows, cubic and the default scheduler at both ends; Mbit/s, medians of ${rounds} rounds, seeds ${first} to ${
      first + rounds - 1
    }.`;
  report(`${head} Load: ${Deno.loadavg().map((load) => load.toFixed(1)).join(" ")}.`);
  const all = CELLS.map((cell): Figures => ({
    cell,
    runs: { "kernel to kernel": [], "to the kernel": [], "from the kernel": [] },
  }));
  for (let round = 0; round < rounds; round++) {
    for (const { cell, runs } of all) {
      for (const way of WAYS) {
        const bytes = cell.megabytes * 1e6;
        const goodput = bytes * 8 / 1e6 / await RUN[way](cell, bytes, first + round);
        runs[way].push(goodput);
        report(
          `round ${round + 1} of ${rounds}  ${cell.name}  ${way}: ${goodput.toFixed(1)} Mbit/s`,
        );
      }
    }
  }
  const misses = all.map(missed);
  if (given.has("json")) {
    print(JSON.stringify({ head, cells: all.map((one, i) => ({ ...one, missed: misses[i] })) }));
  } else {
    const rows = new Table({
      head: [
        "",
        "kernel to kernel",
        "to the kernel",
        "of the sum",
        "of kernels",
        "from the kernel",
        "of kernels",
        "",
      ],
      colAligns: ["left", "right", "right", "right", "right", "right", "right", "left"],
      style: { head: [], border: [] },
    });
    all.forEach(({ cell, runs }, i) => {
      const [kernels, to, from] = WAYS.map((way) => median(runs[way])) as [number, number, number];
      rows.push([
        cell.name,
        kernels.toFixed(1),
        to.toFixed(1),
        (to / sumOf(cell)).toFixed(2),
        (to / kernels).toFixed(2),
        from.toFixed(1),
        (from / kernels).toFixed(2),
        misses[i]!.length === 0 ? "pass" : `miss: ${misses[i]!.join("; ")}`,
      ]);
    });
    print(`${head}\n${rows.toString()}`);
  }
  return misses.every((each) => each.length === 0) ? 0 : 1;
}

if (import.meta.main) await runTask("bench:goodput", main);
