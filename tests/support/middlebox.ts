/** What tests of middleboxes need besides those of core/link/sim/middlebox: several as one, paths that are silent for a while, and bad networks. */

import type { ElementFactory } from "../../core/link/sim/elements/element.ts";
import { freePacket, type Packet, takePacket } from "../../core/link/sim/elements/packet.ts";
import { u8 } from "../../wasm/mod.ts";

const MPTCP = 30;

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
