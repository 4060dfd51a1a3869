/** Explicit congestion notification that does not get through (RFC 3168). */

import { sum, u8 } from "../../../../wasm/mod.ts";
import { tcpOffset } from "../../segment_header.ts";
import type { ElementFactory } from "../elements/element.ts";
import type { Packet } from "../elements/packet.ts";
import { CWR, ECE, put16, TcpSegment } from "./segment.ts";
import { checkBoolean, checkNames } from "./select.ts";

/** What {@linkcode bleachEcn} takes away. */
export interface BleachEcnOptions {
  /**
   * The two bits of the IP header: packets are neither capable of ECN nor marked.
   *
   * @default {true}
   */
  readonly ip?: boolean;
  /**
   * ECE and CWR in TCP headers: nobody agrees on ECN, and marks are not told.
   *
   * @default {false}
   */
  readonly tcp?: boolean;
}

/** Makes an IP packet one that is not capable of ECN. */
function bleach({ address: ip, length }: Packet): void {
  if (length < 20) return;
  if (u8[ip]! >> 4 === 6) {
    u8[ip + 1]! &= 0xcf;
  } else if (u8[ip]! >> 4 === 4 && (u8[ip + 1]! & 3) !== 0) {
    const header = tcpOffset(ip);
    // A damaged header is left damaged.
    const good = header <= length && sum(ip, header) === 0xffff;
    u8[ip + 1]! &= 0xfc;
    if (!good) return;
    put16(ip + 10, 0);
    put16(ip + 10, ~sum(ip, header));
  }
}

/**
 * Clears the ECN field of IP headers, as routers do that take it for a part of the old type of service, or ECE and CWR of TCP headers, or both. Where only
 * the IP headers are bleached, the ends agree on ECN, and the marks of routers in front of this one never arrive: behind such a box, queues must drop.
 *
 * @throws {TypeError} If an option is wrong.
 * @example
 * ```ts
 * import { bleachEcn, emulate } from "@mptcp/mptcp";
 * import { assertEquals } from "@std/assert";
 *
 * await using net = emulate({
 *   paths: { wifi: { rate: "20 Mbit/s", delay: "15 ms", elements: [bleachEcn({ tcp: true })] } },
 *   tcp: { ecn: "request" },
 * });
 * using listener = net.server.listen({ port: 80 });
 * const [conn] = await Promise.all([
 *   net.client.connect({ hostname: "server", port: 80 }),
 *   listener.accept(),
 * ]);
 * assertEquals(conn.info().mptcp.flags & 1, 0); // no plain TCP
 * ```
 */
export function bleachEcn(options: BleachEcnOptions = {}): ElementFactory {
  const doing = "bleach ECN";
  checkNames(doing, options, ["ip", "tcp"]);
  const ip = checkBoolean(doing, "ip", options.ip ?? true);
  const tcp = checkBoolean(doing, "tcp", options.tcp ?? false);
  return {
    name: "bleachEcn",
    create(context, output) {
      const segment = new TcpSegment(context);
      return {
        push(packet) {
          if (tcp && segment.read(packet) && (segment.flags & (ECE | CWR)) !== 0) {
            segment.flags &= ~(ECE | CWR);
            segment.seal();
          }
          if (ip) bleach(packet);
          output(packet);
        },
      };
    },
  };
}
