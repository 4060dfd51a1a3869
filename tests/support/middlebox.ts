/** Middleboxes as elements of a path: they change packets and make their checksums right again (RFC 8684 §1, §3.7; RFC 6182 §7). IPv4 only. */

import type { ElementFactory } from "../../core/link/sim/elements/element.ts";
import { freePacket, type Packet, takePacket } from "../../core/link/sim/elements/packet.ts";
import { u8 } from "../../wasm/mod.ts";
import { plainSum } from "./sim.ts";

const MPTCP = 30;

/** What a middlebox does on the way up and on the way down; elements that know of each other are made as a pair. */
export interface Box {
  readonly up?: ElementFactory;
  readonly down?: ElementFactory;
}

/** A TCP segment in a packet. */
export interface Segment {
  readonly syn: boolean;
  readonly ack: boolean;
  /** Bytes of payload. */
  readonly length: number;
  /** Counts the packets of this direction, from 0. */
  readonly index: number;
  /** The IP packet. */
  readonly bytes: Uint8Array;
}

function segment(packet: Packet, index: number): Segment {
  const bytes = u8.subarray(packet.address, packet.address + packet.length);
  const flags = bytes[33]!;
  const header = 20 + (bytes[32]! >> 4) * 4;
  return {
    syn: (flags & 2) !== 0,
    ack: (flags & 16) !== 0,
    length: bytes.length - header,
    index,
    bytes,
  };
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset);
}

/** Makes both checksums of a packet right. */
function repair(bytes: Uint8Array): void {
  bytes.set([0, 0], 10);
  const ip = ~plainSum(bytes.subarray(0, 20)) & 0xffff;
  bytes.set([ip >> 8, ip & 255], 10);
  bytes.set([0, 0], 36);
  const start = plainSum(bytes.subarray(12, 20)) + 6 + bytes.length - 20;
  const tcp = ~plainSum(bytes.subarray(20), start) & 0xffff;
  bytes.set([tcp >> 8, tcp & 255], 36);
}

/** Overwrites the MPTCP options of a packet with NOPs. */
function wipe(bytes: Uint8Array): void {
  const end = 20 + (bytes[32]! >> 4) * 4;
  for (let at = 40; at < end;) {
    const kind = bytes[at]!;
    if (kind === 0) return;
    const size = kind === 1 ? 1 : bytes[at + 1]!;
    if (kind === MPTCP) bytes.fill(1, at, at + size);
    at += size;
  }
}

/** A middlebox that changes each segment in place; `change` tells whether it did. */
export function rewriting(name: string, change: (segment: Segment) => boolean): ElementFactory {
  return {
    name,
    create(context, output) {
      let index = 0;
      return {
        push(packet) {
          context.complete(packet);
          const each = segment(packet, index++);
          if (change(each)) {
            repair(each.bytes);
            packet.verified = false;
            packet.partial = false;
          }
          output(packet);
        },
      };
    },
  };
}

/** Two elements as one. */
export function row(first: ElementFactory, second: ElementFactory): ElementFactory {
  return {
    name: `${first.name}, ${second.name}`,
    create(context, output) {
      const behind = second.create(context, output);
      const front = first.create(context, (packet) => behind.push(packet));
      return {
        push: (packet) => front.push(packet),
        clear() {
          front.clear?.();
          behind.clear?.();
        },
      };
    },
  };
}

/** Makes the MSS of SYNs at most `mss`. */
export function clamping(mss: number): ElementFactory {
  return rewriting("clamping", ({ syn, bytes }) => {
    const end = 20 + (bytes[32]! >> 4) * 4;
    for (let at = 40; syn && at < end && bytes[at] !== 0;) {
      if (bytes[at] === 2) {
        viewOf(bytes).setUint16(at + 2, Math.min(mss, viewOf(bytes).getUint16(at + 2)));
        return true;
      }
      at += bytes[at] === 1 ? 1 : bytes[at + 1]!;
    }
    return false;
  });
}

/** Takes MPTCP options from the segments for which `when` gives true. */
export function stripping(when: (segment: Segment) => boolean): ElementFactory {
  return rewriting("stripping", (each) => {
    if (!when(each)) return false;
    wipe(each.bytes);
    return true;
  });
}

/** Changes one bit of the payload of the segments for which `when` gives true, as an application-level gateway may. */
export function meddling(when: (segment: Segment) => boolean): ElementFactory {
  return rewriting("meddling", (each) => {
    if (each.length === 0 || !when(each)) return false;
    each.bytes[each.bytes.length - 1 - each.index % each.length]! ^= 4;
    return true;
  });
}

/** Cuts segments with payload in two, from the packet numbered `from` on; MPTCP options stay on the `keep` part. */
export function splitting(keep: "first" | "second" | "both", from = 0): ElementFactory {
  return {
    name: "splitting",
    create(context, output) {
      let index = 0;
      return {
        push(packet) {
          context.complete(packet);
          const { length, bytes } = segment(packet, index++);
          const head = index <= from ? 0 : Math.floor(length / 2);
          const tail = head === 0 ? null : takePacket(bytes.length - head);
          if (tail === null) {
            output(packet);
            return;
          }
          const header = bytes.length - length;
          const second = u8.subarray(tail.address, tail.address + tail.length);
          second.set(bytes.subarray(0, header));
          second.set(bytes.subarray(header + head), header);
          const view = viewOf(second);
          view.setUint32(24, view.getUint32(24) + head);
          packet.length = header + head;
          const first = u8.subarray(packet.address, packet.address + packet.length);
          first[33]! &= ~9; // FIN and PSH belong to the end
          for (const part of [first, second]) {
            part.set([part.length >> 8, part.length & 255], 2);
          }
          if (keep === "first") wipe(second);
          if (keep === "second") wipe(first);
          for (const each of [packet, tail]) {
            repair(u8.subarray(each.address, each.address + each.length));
            each.verified = each.partial = false;
          }
          output(packet);
          output(tail);
        },
      };
    },
  };
}

/** Joins a segment with payload to the next one when that follows within `wait` microseconds, and keeps the options of the first or of the second. */
export function coalescing(keep: "first" | "second", wait = 500): ElementFactory {
  return {
    name: "coalescing",
    create(context, output) {
      let held: Packet | null = null;
      let index = 0;
      const release = (): void => {
        const packet = held;
        held = null;
        if (packet !== null) output(packet);
      };
      return {
        push(packet) {
          context.complete(packet);
          const next = segment(packet, index++);
          if (held === null) {
            if (next.length === 0 || next.syn || next.length > 700) {
              output(packet);
              return;
            }
            held = packet;
            context.at(context.now + wait, () => {
              if (held === packet) release();
            });
            return;
          }
          const first = segment(held, 0);
          const header = first.bytes.length - first.length;
          const nextHeader = next.bytes.length - next.length;
          const sequence = (bytes: Uint8Array): number => viewOf(bytes).getUint32(24);
          const follows = next.length > 0 && header === nextHeader &&
            next.bytes.subarray(20, 24).join() === first.bytes.subarray(20, 24).join() &&
            sequence(next.bytes) === ((sequence(first.bytes) + first.length) >>> 0);
          const both = follows ? takePacket(first.bytes.length + next.length) : null;
          if (both === null) {
            release();
            output(packet);
            return;
          }
          const bytes = u8.subarray(both.address, both.address + both.length);
          bytes.set(first.bytes);
          bytes.set(next.bytes.subarray(nextHeader), first.bytes.length);
          if (keep === "second") bytes.set(next.bytes.subarray(40, nextHeader), 40);
          bytes.set(next.bytes.subarray(28, 36), 28); // the newer ACK, flags and window
          bytes.set([bytes.length >> 8, bytes.length & 255], 2);
          repair(bytes);
          freePacket(held);
          freePacket(packet);
          held = null;
          output(both);
        },
        clear() {
          if (held !== null) freePacket(held);
          held = null;
        },
      };
    },
  };
}

/** Adds a constant to the sequence numbers of one direction, and takes it from the acknowledgements of the other: for both in turn, as firewalls do. */
export function renumbering(shift: number): Required<Box> {
  const add = (bytes: Uint8Array, at: number, value: number): void => {
    const view = viewOf(bytes);
    view.setUint32(at, view.getUint32(at) + value);
  };
  return {
    up: rewriting("renumbering", ({ bytes }) => {
      add(bytes, 24, shift);
      return true;
    }),
    down: rewriting("renumbering", ({ bytes, ack }) => {
      if (ack) add(bytes, 28, -shift);
      const end = 20 + (bytes[32]! >> 4) * 4;
      for (let at = 40; at < end;) {
        const kind = bytes[at]!;
        if (kind === 0) break;
        if (kind === 5) {
          for (let edge = at + 2; edge < at + bytes[at + 1]!; edge += 4) add(bytes, edge, -shift);
        }
        at += kind === 1 ? 1 : bytes[at + 1]!;
      }
      return true;
    }),
  };
}

/** Sends a packet of its own: headers of 40 octets, ports, numbers and flags as told, the rest from `model`. */
function inject(
  model: Uint8Array,
  back: boolean,
  fields: { readonly seq: number; readonly ack: number; readonly flags: number },
  output: (packet: Packet) => void,
): void {
  const packet = takePacket(40);
  if (packet === null) return;
  const bytes = u8.subarray(packet.address, packet.address + 40);
  bytes.set(model.subarray(0, 40));
  if (back) {
    bytes.set(model.subarray(16, 20), 12);
    bytes.set(model.subarray(12, 16), 16);
    bytes.set(model.subarray(22, 24), 20);
    bytes.set(model.subarray(20, 22), 22);
  }
  const view = viewOf(bytes);
  view.setUint16(2, 40);
  view.setUint32(24, fields.seq);
  view.setUint32(28, fields.ack);
  bytes[32] = 5 << 4;
  bytes[33] = fields.flags;
  view.setUint16(34, 0xffff);
  repair(bytes);
  output(packet);
}

/**
 * A proxy that acknowledges each `every`th segment with data of one direction to its sender, and then drops it, once some went through (RFC 8684
 * §3.3.6: "middleboxes that proactively ACK data").
 */
export function acknowledging(direction: "up" | "down", every: number): Required<Box> {
  let back: ((packet: Packet) => void) | null = null;
  const forward: ElementFactory = {
    name: "acknowledging",
    create(context, output) {
      let count = 0;
      return {
        push(packet) {
          context.complete(packet);
          const { bytes, length } = segment(packet, 0);
          if (length === 0 || back === null || ++count <= 20 || count % every !== 0) {
            output(packet);
            return;
          }
          const view = viewOf(bytes);
          const [seq, ack] = [view.getUint32(28), view.getUint32(24) + length];
          inject(bytes, true, { seq, ack, flags: 16 }, back);
          context.drop(packet);
        },
      };
    },
  };
  const backward: ElementFactory = {
    name: "acknowledged",
    create(_context, output) {
      back = output;
      return { push: output };
    },
  };
  return direction === "up" ? { up: forward, down: backward } : { up: backward, down: forward };
}

/** An address translator that loses its memory at time `micros`: flows go on from other ports of the client, what comes for the old ones is lost. */
export function rebinding(micros: number): Required<Box> {
  const later = new Set<number>();
  const rebound = new Set<number>();
  const turn = (packet: Packet, bytes: Uint8Array, place: number): void => {
    bytes[place]! ^= 8;
    repair(bytes);
    packet.verified = packet.partial = false;
  };
  return {
    up: {
      name: "rebinding",
      create: (context, output) => ({
        push(packet) {
          context.complete(packet);
          const { bytes, syn } = segment(packet, 0);
          const port = viewOf(bytes).getUint16(20);
          if (context.now >= micros && syn) later.add(port);
          if (context.now >= micros && !later.has(port)) {
            rebound.add(port ^ 0x800);
            turn(packet, bytes, 20);
          }
          output(packet);
        },
      }),
    },
    down: {
      name: "rebound",
      create: (context, output) => ({
        push(packet) {
          context.complete(packet);
          const { bytes } = segment(packet, 0);
          const port = viewOf(bytes).getUint16(22);
          if (context.now < micros || later.has(port)) {
            output(packet);
          } else if (rebound.has(port)) {
            turn(packet, bytes, 22);
            output(packet);
          } else context.drop(packet);
        },
      }),
    },
  };
}

/** Slips a RST with the exact number in front of the `nth` segment with data. */
export function resetting(nth: number): ElementFactory {
  return {
    name: "resetting",
    create(context, output) {
      let count = 0;
      return {
        push(packet) {
          context.complete(packet);
          const { bytes, length } = segment(packet, 0);
          if (length > 0 && ++count === nth) {
            const view = viewOf(bytes);
            const [seq, ack] = [view.getUint32(24), view.getUint32(28)];
            inject(bytes, false, { seq, ack, flags: 4 }, output);
          }
          output(packet);
        },
      };
    },
  };
}

/** Changes what is sent a second time; `silencing` on the other way makes that happen. */
export function altering(): ElementFactory {
  const seen = new Set<number>();
  return rewriting("altering", ({ bytes, length }) => {
    if (length === 0) return false;
    const seq = viewOf(bytes).getUint32(24);
    if (!seen.has(seq)) {
      seen.add(seq);
      return false;
    }
    bytes[bytes.length - 1]! ^= 4;
    return true;
  });
}

/** Loses all packets from time `from` to time `to`. */
export function silencing(from: number, to: number): ElementFactory {
  return {
    name: "silencing",
    create(context, output) {
      return {
        push(packet) {
          if (context.now >= from && context.now < to) context.drop(packet);
          else output(packet);
        },
      };
    },
  };
}

/** Drops the packets for which `when` gives true, IPv4 or IPv6: their TCP flags, and whether they have an MPTCP option. */
export function dropping(when: (flags: number, mptcp: boolean) => boolean): ElementFactory {
  return {
    name: "dropping",
    create(context, output) {
      return {
        push(packet) {
          const bytes = u8.subarray(packet.address, packet.address + packet.length);
          const tcp = bytes[0]! >> 4 === 4 ? 20 : 40;
          if (when(bytes[tcp + 13]!, hasMptcp(bytes, tcp))) context.drop(packet);
          else output(packet);
        },
      };
    },
  };
}

/** Whether the TCP header at `tcp` has an MPTCP option. */
function hasMptcp(bytes: Uint8Array, tcp: number): boolean {
  const end = tcp + (bytes[tcp + 12]! >> 4) * 4;
  for (let at = tcp + 20; at < end && bytes[at] !== 0;) {
    if (bytes[at] === MPTCP) return true;
    at += bytes[at] === 1 ? 1 : bytes[at + 1]!;
  }
  return false;
}

/** A bad network: a share of the packets is held back for up to 20 ms, comes twice, or has a bit changed, which the checksums tell. */
export function disorder(share: number): ElementFactory {
  return {
    name: "disorder",
    create(context, output) {
      const held = new Set<Packet>();
      const later = (packet: Packet): void => {
        held.add(packet);
        context.at(context.now + 20e3 * context.random(), () => {
          if (held.delete(packet)) output(packet);
        });
      };
      return {
        push(packet) {
          context.complete(packet);
          if (context.random() < share) {
            const copy = takePacket(packet.length)!;
            u8.copyWithin(copy.address, packet.address, packet.address + packet.length);
            copy.verified = packet.verified;
            later(copy);
          }
          if (context.random() < share) {
            u8[packet.address + Math.floor(context.random() * packet.length)]! ^= 1 <<
              Math.floor(8 * context.random());
            packet.verified = packet.partial = false;
          }
          if (context.random() < share) later(packet);
          else output(packet);
        },
        clear() {
          for (const packet of held) freePacket(packet);
          held.clear();
        },
      };
    },
  };
}
