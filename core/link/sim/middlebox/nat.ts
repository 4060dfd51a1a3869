/** Translates addresses and ports, and forgets. */

import { sum, u8 } from "../../../../wasm/mod.ts";
import { parseAddress } from "../../../wire/ip.ts";
import type { Micros } from "../../../plugin.ts";
import { type Duration, parseDuration } from "../../units.ts";
import { tcpOffset } from "../../segment_header.ts";
import type { Element, ElementContext } from "../elements/element.ts";
import type { Packet } from "../elements/packet.ts";
import { type Middlebox, Outbox, twoSided } from "./box.ts";
import { FlowTable } from "./flow_table.ts";
import { Model } from "./forge.ts";
import { ACK, get16, put16, RST, TcpSegment } from "./segment.ts";
import { checkChoice, checkInteger, checkNames, shown } from "./select.ts";

/** How {@linkcode nat} translates. */
export interface NatOptions {
  /**
   * The one address that connections from behind the box have in front of it. Packets for it must be routed to the path that the box stands on: in emulate(),
   * 10.0.N.x or fd00:0:0:N::x of path number N.
   *
   * @default {each keeps its own, and only ports are translated}
   */
  readonly address?: string;
  /**
   * First and last port of connections in front of it, 1 to 65535.
   *
   * @default {[16384, 65535]}
   */
  readonly ports?: readonly [first: number, last: number];
  /**
   * How long an established connection is remembered after its last segment.
   *
   * @default {"7440 s": the least that RFC 5382 allows (REQ-5)}
   */
  readonly timeout?: Duration;
  /**
   * The same while the handshake is under way, and once either end has closed or reset it.
   *
   * @default {"240 s": likewise}
   */
  readonly transitory?: Duration;
  /**
   * What becomes of a segment from behind, no SYN, of a connection that it does not remember: it begins a new one, from another port; it is dropped; or it is
   * answered by a RST.
   *
   * @default {"translate"}
   */
  readonly unknown?: "translate" | "drop" | "reset";
}

/** A translator. Made by {@linkcode nat}. */
export interface Nat extends Middlebox {
  /** Forgets all connections, as when it is switched off and on, or a mobile network gives a new address. */
  forget(): void;
  /** Connections that it remembers, those included whose time has passed since anybody asked. */
  readonly connections: number;
}

/** Connections that it has room for. */
const MOST = 32768;

/** A connection: its addresses and ports on either side of the box, and how far it is. */
class Binding {
  #used: Micros = 0;
  #syn = false;
  #answered = false;
  #closing = false;

  constructor(
    /** What it is found by from behind. */
    readonly insideKey: Uint8Array,
    /** What it is found by from in front. */
    readonly outsideKey: Uint8Array,
    readonly inside: Uint8Array,
    readonly insidePort: number,
    readonly outside: Uint8Array,
    readonly outsidePort: number,
  ) {}

  /** A segment has come. */
  saw(segment: TcpSegment, up: boolean, now: Micros): void {
    this.#used = now;
    if (segment.syn && up && this.#closing) this.#closing = this.#answered = false;
    if (segment.syn && !segment.ack) this.#syn = true;
    if (!up) this.#answered = true;
    if (segment.fin || segment.rst) this.#closing = true;
  }

  /** When its last segment came. */
  get used(): Micros {
    return this.#used;
  }

  /** Begun by a handshake that is not over, or closed from either side. */
  get transitory(): boolean {
    return this.#closing || (this.#syn && !this.#answered);
  }
}

const ICMP = 1;
const ICMPV6 = 58;

/** Where the packet begins that the ICMP error in `packet` quotes, with its ports; 0: it is none. */
function quoted({ address: ip, length }: Packet): number {
  if (length < 28) return 0;
  if (u8[ip]! >> 4 === 4) {
    const icmp = ip + tcpOffset(ip);
    const error = u8[ip + 9] === ICMP && [3, 4, 11, 12].includes(u8[icmp]!);
    return error && icmp + 8 + 28 <= ip + length ? icmp + 8 : 0;
  }
  if (u8[ip]! >> 4 !== 6 || u8[ip + 6] !== ICMPV6 || u8[ip + 40]! >= 128) return 0;
  return 40 + 8 + 44 <= length ? ip + 48 : 0;
}

function putIpSum(ip: number): void {
  if (u8[ip]! >> 4 !== 4) return;
  put16(ip + 10, 0);
  put16(ip + 10, ~sum(ip, tcpOffset(ip)));
}

/** Makes the checksum of an ICMP error right. */
function putIcmpSum({ address: ip, length }: Packet): void {
  const four = u8[ip]! >> 4 === 4;
  const icmp = ip + (four ? tcpOffset(ip) : 40);
  const size = ip + length - icmp;
  put16(icmp + 2, 0);
  let total = sum(icmp, size);
  if (!four) total += sum(ip + 8, 32) + size + ICMPV6;
  total = (total & 0xffff) + (total >>> 16);
  put16(icmp + 2, ~((total & 0xffff) + (total >>> 16)));
}

/** Where the source, or the destination, of the packet at `ip` stands. */
function addressAt(ip: number, source: boolean): number {
  const four = u8[ip]! >> 4 === 4;
  return ip + (four ? (source ? 12 : 16) : (source ? 8 : 24));
}

function equals(at: number, bytes: Uint8Array): boolean {
  for (let i = 0; i < bytes.length; i++) if (u8[at + i] !== bytes[i]) return false;
  return true;
}

class Translator {
  readonly #address: Uint8Array | null;
  readonly #first: number;
  readonly #last: number;
  readonly #timeout: Micros;
  readonly #transitory: Micros;
  readonly #unknown: "translate" | "drop" | "reset";
  readonly #inside = new FlowTable<Binding>();
  readonly #outside = new FlowTable<Binding>();
  #port = -1;
  #back: Outbox | null = null;

  constructor(
    address: Uint8Array | null,
    ports: readonly [number, number],
    timeout: Micros,
    transitory: Micros,
    unknown: "translate" | "drop" | "reset",
  ) {
    this.#address = address;
    [this.#first, this.#last] = ports;
    this.#timeout = timeout;
    this.#transitory = transitory;
    this.#unknown = unknown;
  }

  get connections(): number {
    return this.#inside.size;
  }

  forget(): void {
    this.#inside.clear();
    this.#outside.clear();
  }

  up(context: ElementContext, output: (packet: Packet) => void): Element {
    const segment = new TcpSegment(context);
    return {
      push: (packet) => {
        if (!segment.read(packet)) {
          this.#passOther(packet, true, context, output);
          return;
        }
        const { now } = context;
        let binding = this.#alive(this.#inside.find(segment, false), now);
        if (binding === undefined) {
          const begins = segment.syn && !segment.ack;
          if (!begins && this.#unknown !== "translate") {
            if (this.#unknown === "reset" && !segment.rst) this.#refuse(segment, packet);
            context.drop(packet);
            return;
          }
          binding = this.#bind(segment, context);
          if (binding === undefined) {
            context.drop(packet);
            return;
          }
        }
        binding.saw(segment, true, now);
        u8.set(binding.outside, addressAt(segment.ip, true));
        put16(segment.tcp, binding.outsidePort);
        segment.seal();
        output(packet);
      },
    };
  }

  down(context: ElementContext, output: (packet: Packet) => void): Element {
    const segment = new TcpSegment(context);
    const own = this.#back = new Outbox(context, output);
    return {
      push: (packet) => {
        if (!segment.read(packet)) {
          this.#passOther(packet, false, context, output);
          return;
        }
        const { now } = context;
        const binding = this.#alive(this.#outside.find(segment, false), now);
        if (binding === undefined) {
          context.drop(packet);
          return;
        }
        binding.saw(segment, false, now);
        u8.set(binding.inside, addressAt(segment.ip, false));
        put16(segment.tcp + 2, binding.insidePort);
        segment.seal();
        output(packet);
      },
      clear: () => own.clear(),
    };
  }

  /** One whose time has not passed. */
  #alive(binding: Binding | undefined, now: Micros): Binding | undefined {
    if (binding === undefined || this.#remembers(binding, now)) return binding;
    this.#drop(binding);
    return undefined;
  }

  #remembers(binding: Binding, now: Micros): boolean {
    return now - binding.used < (binding.transitory ? this.#transitory : this.#timeout);
  }

  #drop(binding: Binding): void {
    this.#inside.drop(binding.insideKey);
    this.#outside.drop(binding.outsideKey);
  }

  /** Begins to remember a connection; undefined: no port is left. */
  #bind(segment: TcpSegment, context: ElementContext): Binding | undefined {
    const { now } = context;
    if (this.#inside.size >= MOST) {
      const gone = (binding: Binding): boolean => !this.#remembers(binding, now);
      this.#inside.sweep(gone);
      this.#outside.sweep(gone);
      if (this.#inside.size >= MOST) return undefined;
    }
    const { ip, tcp } = segment;
    const size = u8[ip]! >> 4 === 4 ? 4 : 16;
    if (this.#address !== null && this.#address.length !== size) return undefined;
    const from = addressAt(ip, true);
    const inside = u8.slice(from, from + size);
    const insidePort = get16(tcp);
    const outside = this.#address ?? inside;
    const insideKey = FlowTable.key(segment, false);
    u8.set(outside, from);
    const ports = this.#last - this.#first + 1;
    if (this.#port < 0) this.#port = Math.floor(context.random() * ports);
    let binding: Binding | undefined;
    for (let tries = 0; tries < ports && binding === undefined; tries++) {
      this.#port = (this.#port + 1) % ports;
      put16(tcp, this.#first + this.#port);
      // What comes back has them the other way round.
      const outsideKey = FlowTable.key(segment, true);
      if (this.#alive(this.#outside.get(outsideKey), now) !== undefined) continue;
      const port = this.#first + this.#port;
      binding = new Binding(insideKey, outsideKey, inside, insidePort, outside, port);
    }
    u8.set(inside, from);
    put16(tcp, insidePort);
    if (binding === undefined) return undefined;
    this.#inside.put(insideKey, binding);
    this.#outside.put(binding.outsideKey, binding);
    return binding;
  }

  /** A RST as from the peer (RFC 9293 §3.10.7.1). */
  #refuse(segment: TcpSegment, packet: Packet): void {
    const { seq, ackNumber, length } = segment;
    const forged = segment.ack
      ? { seq: ackNumber, ack: 0, flags: RST }
      : { seq: 0, ack: seq + length, flags: RST | ACK };
    this.#back?.send(Model.of(segment, packet, true).make(forged));
  }

  /** What is no TCP segment passes: ICMP errors with what they quote translated; what has no port to be told by, if addresses stay as they are. */
  #passOther(
    packet: Packet,
    up: boolean,
    context: ElementContext,
    output: (packet: Packet) => void,
  ): void {
    const quote = quoted(packet);
    const binding = quote === 0 ? undefined : this.#about(quote, up);
    if (binding !== undefined) {
      const ip = packet.address;
      const [port, bytes] = up
        ? [binding.outsidePort, binding.outside]
        : [binding.insidePort, binding.inside];
      // It goes back: what it quotes came from where it goes to.
      u8.set(bytes, addressAt(quote, !up));
      put16(quote + tcpOffset(quote) + (up ? 2 : 0), port);
      putIpSum(quote);
      const own = addressAt(ip, up);
      if (!up || equals(own, binding.inside)) u8.set(bytes, own);
      putIpSum(ip);
      putIcmpSum(packet);
      output(packet);
    } else if (this.#address === null) output(packet);
    else context.drop(packet);
  }

  /** The connection of the packet that an ICMP error quotes, which came up or down. */
  #about(quote: number, up: boolean): Binding | undefined {
    const key = FlowTable.keyAt(quote, quote + tcpOffset(quote), true);
    return (up ? this.#inside : this.#outside).get(key);
  }
}

/**
 * Translates addresses and ports of TCP connections from behind it (RFC 3022), one port for each, remembers them for a time (RFC 5382), and lets nothing
 * in that it does not remember. ICMP errors are translated with what they quote (RFC 5508 §4.2); with an `address`, no other protocol passes.
 *
 * A connection that is idle for longer than the box remembers goes on from another port, where the server answers by a RST, or gets no answer at all: the
 * usual fate of plain TCP on mobile networks. MPTCP goes on over another path, or, once it is told by a RST, over a new subflow (RFC 8684 §3.3.3, break
 * before make).
 *
 * @throws {TypeError} If an option is wrong.
 * @throws {RangeError} If a number is out of its range.
 * @example A box that remembers for 30 seconds, and a connection that is silent for a minute
 * ```ts
 * import { emulate, nat } from "@mptcp/mptcp";
 * import { assertEquals } from "@std/assert";
 *
 * const box = nat({ address: "10.0.1.99", timeout: "30 s", unknown: "drop" });
 * await using net = emulate({
 *   paths: {
 *     lte: { rate: "12 Mbit/s", delay: "40 ms", up: [box.up], down: [box.down] },
 *     wifi: { rate: "20 Mbit/s", delay: "15 ms" },
 *   },
 * });
 * using listener = net.server.listen({ port: 80 });
 * const [conn, peer] = await Promise.all([
 *   net.client.connect({
 *     hostname: "server",
 *     port: 80,
 *     tcp: { connectionAttemptDelay: false },
 *   }),
 *   listener.accept(),
 * ]);
 * assertEquals(peer.remoteAddr.hostname, "10.0.1.99");
 * const buffer = new Uint8Array(100);
 * const send = async (text: string) => {
 *   await conn.write(new TextEncoder().encode(text));
 *   const length = await peer.read(buffer);
 *   assertEquals(new TextDecoder().decode(buffer.subarray(0, length!)), text);
 * };
 * await send("hello");
 * await net.sleep("60 s");
 * await send("still here");
 * ```
 */
export function nat(options: NatOptions = {}): Nat {
  const doing = "translate addresses";
  checkNames(doing, options, ["address", "ports", "timeout", "transitory", "unknown"]);
  const { address, ports = [16384, 65535] as const } = options;
  const parsed = address === undefined ? null : parseAddress(address);
  if (address !== undefined && parsed === null) {
    throw new TypeError(
      `Cannot ${doing} as 'address' must be an IP address such as "10.0.1.99": current value is ${
        shown(address)
      }`,
    );
  }
  if (!Array.isArray(ports) || ports.length !== 2) {
    throw new TypeError(
      `Cannot ${doing} as 'ports' must be the first and the last port: current value is ${
        shown(ports)
      }`,
    );
  }
  const first = checkInteger(doing, "ports[0]", ports[0], 1, 65535);
  const last = checkInteger(doing, "ports[1]", ports[1], first, 65535);
  const translator = new Translator(
    parsed === null ? null : parsed.bytes,
    [first, last],
    parseDuration(options.timeout ?? "7440 s", "timeout"),
    parseDuration(options.transitory ?? "240 s", "transitory"),
    checkChoice(doing, "unknown", options.unknown ?? "translate", ["translate", "drop", "reset"]),
  );
  const { up, down } = twoSided(
    "nat",
    (context, output) => translator.up(context, output),
    (context, output) => translator.down(context, output),
  );
  return {
    up,
    down,
    forget: () => translator.forget(),
    get connections(): number {
      return translator.connections;
    },
  };
}
