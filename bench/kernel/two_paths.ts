/** One transfer by MPTCP over two impaired paths: from a kernel to a kernel, or between this stack and a kernel, by the same elements with the same random numbers. */

import { makeNamespace, type Namespace } from "../../cli/namespace.ts";
import { seededRandom } from "../../core/host/random.ts";
import type { ElementFactory } from "../../core/link/sim/elements/element.ts";
import {
  bridge,
  cubic,
  delay,
  Host,
  impair,
  loss,
  type PathManagerPlugin,
  queue,
  rate,
  tun,
} from "../../mod.ts";
import { endpoints } from "../../pm/mod.ts";
import { startPeer } from "../../tests/interop/support/peer.ts";
import { seeded, type Way } from "./impaired.ts";
import { checkEnd, checkSum, receive, send } from "./tools.ts";

/** One of the two paths. */
export interface Path {
  /** Megabits per second. */
  readonly mbit: number;
  /** Milliseconds of one direction. */
  readonly ms: number;
  /** Share of data packets that are lost. */
  readonly lost?: number;
}

/** What is transferred over what. */
export interface TwoPaths {
  readonly paths: readonly [Path, Path];
  /** The second path is cut from this second on, for so many. */
  readonly cut?: readonly [at: number, length: number];
}

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
function manager(end: "sender" | "receiver"): PathManagerPlugin {
  return endpoints({
    subflows: 1,
    addAddrAccepted: 1,
    ...(end === "receiver" && { add: `${addressOf(end, 2)} signal` }),
  });
}

/** Cuts and restores as the cell says; the result takes both back. */
function cutting({ cut }: TwoPaths, link: { cut(): void; restore(): void }): () => void {
  if (cut === undefined) return () => {};
  const [at, length] = cut;
  const timers = [
    setTimeout(() => link.cut(), at * 1000),
    setTimeout(() => link.restore(), (at + length) * 1000),
  ];
  return () => timers.forEach(clearTimeout);
}

async function betweenKernels(over: TwoPaths, bytes: number, seed: number): Promise<number> {
  await using near = await kernel("sender");
  await using far = await kernel("receiver");
  const joined = over.paths.map((path, i) =>
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
  const stop = cutting(over, joined[1]!);
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
  over: TwoPaths,
  ours: "sender" | "receiver",
  seed: number,
) {
  const theirs = ours === "sender" ? "receiver" : "sender";
  const links = over.paths.map((path, i) => {
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

async function toKernel(over: TwoPaths, bytes: number, seed: number): Promise<number> {
  await using far = await kernel("receiver");
  const { host, second } = await hostBeside(far, over, "sender", seed);
  await using _ = host;
  await using sink = await startPeer(far, "listen", "sink", { host: "0.0.0.0" });
  using conn = await host.connect({ hostname: addressOf("receiver", 1), port: sink.port });
  const stop = cutting(over, second);
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

async function fromKernel(over: TwoPaths, bytes: number, seed: number): Promise<number> {
  await using near = await kernel("sender");
  const { host, second } = await hostBeside(near, over, "receiver", seed);
  await using _ = host;
  using listener = host.listen({ port: 0 });
  const target = { host: addressOf("receiver", 1), port: listener.addr.port, size: bytes };
  await using source = await startPeer(near, "connect", "source", target);
  using conn = await listener.accept();
  const stop = cutting(over, second);
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

/**
 * Moves `bytes` over two paths of its own by MPTCP with `cubic` at both ends, the second path by an announced address. The sender is the one that connects;
 * elements draw the same numbers whoever sends and receives. Seconds from when the receiver knows of the connection to the end of the data.
 *
 * @throws {Error} what arrives is not what was sent.
 */
export function transferOverTwo(
  way: Way,
  over: TwoPaths,
  bytes: number,
  seed: number,
): Promise<number> {
  return RUN[way](over, bytes, seed);
}
