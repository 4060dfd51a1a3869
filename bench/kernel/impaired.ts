/** One transfer over one impaired path: from a kernel to a kernel, or between this stack and a kernel, by the same elements with the same random numbers. */

import {
  bridge,
  corrupt,
  cubic,
  delay,
  Host,
  impair,
  type ImpairedLink,
  type LaneCounts,
  loss,
  queue,
  rate,
  tun,
} from "../../mod.ts";
import type { Micros } from "../../core/plugin.ts";
import { seededRandom } from "../../core/host/random.ts";
import { makeNamespace, type Namespace } from "../../cli/namespace.ts";
import type {
  ElementContext,
  ElementFactory,
  Packet,
} from "../../core/link/sim/elements/element.ts";
import { freePacket, gatherPacket } from "../../core/link/sim/elements/packet.ts";
import { passive } from "../../pm/mod.ts";
import { startPeer } from "../../tests/interop/support/peer.ts";
import { checkEnd, checkSum, receive, send } from "./tools.ts";

/** What a path does to packets, besides carrying them. Shares are from 0 to 1, of the packets of each direction. */
export interface Impairment {
  /** Lost. */
  readonly loss?: number;
  /** Held for up to 10 ms while others overtake them. */
  readonly reordered?: number;
  /** Delivered twice. */
  readonly duplicated?: number;
  /** Damaged by one bit. */
  readonly corrupted?: number;
}

/** A path. */
export interface Path extends Impairment {
  /** Megabits per second that it carries. */
  readonly mbit: number;
  /** Milliseconds of the round trip while it is empty. */
  readonly rtt: number;
  /** Largest IP packet in bytes. */
  readonly mtu: number;
  readonly family: 4 | 6;
}

/** Who sends and who receives: the kernel, or this stack. */
export type Way = "kernel to kernel" | "to the kernel" | "from the kernel";

/** Each way; the first is what the others are compared with. */
export const WAYS: readonly Way[] = ["kernel to kernel", "to the kernel", "from the kernel"];

/** What came of a transfer. */
export interface Transfer {
  /** From when the receiver knows of the connection to the end of the data. */
  readonly seconds: number;
  /** What both sides counted, under the names of Linux's MIB. */
  readonly counters: {
    readonly sender: Readonly<Record<string, number>>;
    readonly receiver: Readonly<Record<string, number>>;
  };
  /** What the path did to the packets of each direction. */
  readonly passed: { readonly data: LaneCounts; readonly ack: LaneCounts };
}

/** Microseconds that a packet is held at most so that others overtake it. */
const HELD: Micros = 10e3;
/** Milliseconds that the queue of the fastest path holds: one of less could not bridge the pauses of a busy machine. */
const LEAST_QUEUE = 20;

/** Addresses by family: of the sender, and of the receiver. */
const ADDRESSES = {
  4: { sender: "10.77.1.1", receiver: "10.77.1.2", bits: 24 },
  6: { sender: "fd00:77:1::1", receiver: "fd00:77:1::2", bits: 64 },
} as const;

/** Holds a share of the packets for up to {@linkcode HELD}. */
function reorder(share: number): ElementFactory {
  return {
    name: "reorder",
    create(context, output) {
      const held = new Set<Packet>();
      return {
        push(packet) {
          if (context.random() >= share) return output(packet);
          held.add(packet);
          context.at(context.now + context.random() * HELD, () => {
            if (held.delete(packet)) output(packet);
          });
        },
        clear() {
          held.forEach(freePacket);
          held.clear();
        },
      };
    },
  };
}

/** Delivers a share of the packets twice. */
function duplicate(share: number): ElementFactory {
  return {
    name: "duplicate",
    create: (context, output) => ({
      push(packet) {
        const again = context.random() < share ? copyOf(packet) : null;
        output(packet);
        if (again !== null) output(again);
      },
    }),
  };
}

function copyOf(packet: Packet): Packet | null {
  const copy = gatherPacket(packet.address, packet.length, 0, 0, 0, 0);
  if (copy === null) return null;
  const { gsoSize, verified, partial } = packet;
  return Object.assign(copy, { gsoSize, verified, partial });
}

/** An element's surroundings with random numbers of our own: what a host or a bridge calls its streams is different. */
class Seeded implements ElementContext {
  readonly random: () => number;
  readonly #context: ElementContext;

  constructor(context: ElementContext, random: () => number) {
    this.#context = context;
    this.random = random;
  }

  get now(): Micros {
    return this.#context.now;
  }

  get next(): ElementContext["next"] {
    return this.#context.next;
  }

  at(time: Micros, callback: () => void): () => void {
    return this.#context.at(time, callback);
  }

  timer(callback: () => void): ReturnType<ElementContext["timer"]> {
    return this.#context.timer(callback);
  }

  drop(packet: Packet): void {
    this.#context.drop(packet);
  }

  answer(packet: Packet): void {
    this.#context.answer(packet);
  }

  complete(packet: Packet): void {
    this.#context.complete(packet);
  }
}

/** `element` with random numbers of our own. */
export function seeded(element: ElementFactory, random: () => number): ElementFactory {
  return {
    name: element.name,
    create: (context, output) => element.create(new Seeded(context, random), output),
  };
}

/** What the packets of one direction pass: a bottleneck with its queue, then what happens to them, then the delay. */
export function elementsOf(path: Path, direction: "data" | "ack", seed: number): ElementFactory[] {
  const { mbit, rtt, loss: lost, reordered, duplicated, corrupted } = path;
  const impairments = [
    ...(lost ? [loss(lost)] : []),
    ...(reordered ? [reorder(reordered)] : []),
    ...(duplicated ? [duplicate(duplicated)] : []),
    ...(corrupted ? [corrupt(corrupted)] : []),
  ];
  const random = seededRandom(seed);
  return [
    queue({ bytes: Math.round(mbit * 1e3 / 8 * Math.max(rtt, LEAST_QUEUE)) }),
    rate(`${mbit} Mbit/s`),
    ...impairments.map((element) => seeded(element, random(`${direction} ${element.name}`).float)),
    delay(`${rtt / 2} ms`),
  ];
}

/** A namespace whose kernel learns nothing for the next connection. */
async function kernel(): Promise<Namespace> {
  const namespace = await makeNamespace();
  await namespace.sysctl({ "net/ipv4/tcp_no_metrics_save": 1 });
  return namespace;
}

/** Addresses of the kernel can be used: one of IPv6 is tentative (RFC 4862 §5.4) until a thread of the kernel's has come to it, though there is nobody to be asked. */
async function ready(...namespaces: readonly Namespace[]): Promise<void> {
  for (const namespace of namespaces) {
    const list = ["ip", "-6", "-o", "address", "show", "tentative"];
    while ((await namespace.exec(list)).stdout !== "") {
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }
}

/**
 * Moves `bytes` over a path of its own by plain TCP with `cubic` at both ends. The sender is the one that connects; elements draw the same numbers whoever
 * sends and receives, in another run too.
 *
 * @throws {Error} what arrives is not what was sent.
 */
export function transfer(way: Way, path: Path, bytes: number, seed: number): Promise<Transfer> {
  switch (way) {
    case "kernel to kernel":
      return betweenKernels(path, bytes, seed);
    case "to the kernel":
      return toKernel(path, bytes, seed);
    case "from the kernel":
      return fromKernel(path, bytes, seed);
  }
}

async function betweenKernels(path: Path, bytes: number, seed: number): Promise<Transfer> {
  const { sender, receiver, bits } = ADDRESSES[path.family];
  await using near = await kernel();
  await using far = await kernel();
  const { mtu } = path;
  await using joined = bridge(
    tun("near", { namespace: near.name, kernelAddresses: [`${sender}/${bits}`], mtu }),
    tun("far", { namespace: far.name, kernelAddresses: [`${receiver}/${bits}`], mtu }),
    { forward: elementsOf(path, "data", seed), backward: elementsOf(path, "ack", seed) },
  );
  await ready(near, far);
  await using sink = await startPeer(far, "listen", "sink", { host: receiver, tcp: true });
  const target = { host: receiver, port: sink.port, size: bytes, tcp: true };
  await using source = await startPeer(near, "connect", "source", target);
  const end = checkEnd("kernel to kernel", await sink.until("end"));
  const sent = checkEnd("kernel to kernel", await source.until("end"));
  checkSum("kernel to kernel", [bytes, sent.sentSha256], [end.received, end.receivedSha256]);
  const { forward: data, backward: ack } = joined.counts;
  const counters = { sender: await countersOf(near), receiver: await countersOf(far) };
  return { seconds: end.seconds, counters, passed: { data, ack } };
}

async function toKernel(path: Path, bytes: number, seed: number): Promise<Transfer> {
  const { receiver } = ADDRESSES[path.family];
  await using far = await kernel();
  const link = linkTo(far, path, "sender", seed);
  await using host = await openHost(link, path, "sender");
  await ready(far);
  await using sink = await startPeer(far, "listen", "sink", { host: receiver, tcp: true });
  using conn = await host.connect({ hostname: receiver, port: sink.port });
  const [sum, end] = await Promise.all([send(conn, bytes), sink.until("end")]);
  checkEnd("to the kernel", end);
  checkSum("to the kernel", [bytes, sum], [end.received, end.receivedSha256]);
  const { send: data, receive: ack } = link.counts!;
  const counters = { sender: host.counters, receiver: await countersOf(far) };
  return { seconds: end.seconds, counters, passed: { data, ack } };
}

async function fromKernel(path: Path, bytes: number, seed: number): Promise<Transfer> {
  const { receiver } = ADDRESSES[path.family];
  await using near = await kernel();
  const link = linkTo(near, path, "receiver", seed);
  await using host = await openHost(link, path, "receiver");
  using listener = host.listen({ port: 0 });
  const { port } = listener.addr;
  const target = { host: receiver, port, size: bytes, tcp: true };
  await ready(near);
  await using source = await startPeer(near, "connect", "source", target);
  using conn = await listener.accept();
  const { received, sum, seconds } = await receive(conn);
  await conn.closeWrite();
  const end = checkEnd("from the kernel", await source.until("end"));
  checkSum("from the kernel", [bytes, end.sentSha256], [received, sum]);
  const { send: ack, receive: data } = link.counts!;
  const counters = { sender: await countersOf(near), receiver: host.counters };
  return { seconds, counters, passed: { data, ack } };
}

/** Which end of the path is ours. */
type End = "sender" | "receiver";

/** The path to the kernel of a namespace. */
function linkTo(namespace: Namespace, path: Path, ours: End, seed: number): ImpairedLink {
  const { bits, ...addresses } = ADDRESSES[path.family];
  const theirs = addresses[ours === "sender" ? "receiver" : "sender"];
  const { mtu } = path;
  const device = tun("far", {
    namespace: namespace.name,
    kernelAddresses: [`${theirs}/${bits}`],
    mtu,
  });
  const data = elementsOf(path, "data", seed);
  const ack = elementsOf(path, "ack", seed);
  return impair(
    device,
    ours === "sender" ? { send: data, receive: ack } : { send: ack, receive: data },
  );
}

/** This stack at one end of the path. */
function openHost(link: ImpairedLink, path: Path, ours: End): Promise<Host> {
  const { bits, ...addresses } = ADDRESSES[path.family];
  return Host.open({
    interfaces: [{ link, addresses: [`${addresses[ours]}/${bits}`] }],
    congestionControl: cubic(),
    pathManager: passive(),
    mptcp: false,
    linger: "1 s",
  });
}

async function countersOf(namespace: Namespace): Promise<Record<string, number>> {
  return await namespace.nstat("TcpExt");
}
