/** How a UDP link is made, and what of it is wrong. */

import type { Micros } from "../../plugin.ts";
import { formatAddress, parseAddress } from "../../wire/ip.ts";
import { checkNames, shown } from "../option_names.ts";
import { type Duration, parseDuration } from "../units.ts";
import { overhead } from "./inner_packet.ts";
import { parseSocketAddress, type SocketAddress, socketAddress } from "./socket_address.ts";

/** UDP port of hosts that are connected to, unless another is named. */
export const DEFAULT_UDP_PORT = 8684;
/** Associations that a link has room for. */
const MOST_PEERS = 4096;

/** How a UDP link is made. */
export interface UdpOptions {
  /**
   * UDP port of ours, 1 to 65535: peers may turn to it. Without one it is any, and nobody may.
   *
   * @default any that is free, and nobody may begin anything
   */
  readonly port?: number;
  /**
   * Address that the socket is bound to, where it is another than the host has on this link: behind a translator that the host's address is in front of, or
   * "0.0.0.0" for whatever the system chooses.
   *
   * @default the host's address on this link
   */
  readonly bind?: string;
  /**
   * UDP port of those whom this host connects to, 1 to 65535.
   *
   * @default {8684}
   */
  readonly peerPort?: number;
  /** Where addresses are that this host connects to, when it is not there: { "10.0.0.1": "203.0.113.7:9000" }. */
  readonly peers?: Readonly<Record<string, string>>;
  /** The one network interface that datagrams leave and come in by, whatever routes say: "wlan0". Linux from 5.7 on, with --allow-ffi. */
  readonly interface?: string;
  /** What both ends know, 16 to 64 octets: who does not know it begins no association, by a copy of what another has sent neither, and moves nobody's. */
  readonly key?: Uint8Array;
  /**
   * Silence after which what this host has begun is kept awake for translators on the way, 1 s to 600 s; "off": it is not.
   *
   * @default {"15 s"}
   */
  readonly keepAlive?: Duration | "off";
  /**
   * Largest IP packet that the path may take, in bytes, 576 to 65535; 1298 is the least where the host's address is IPv6. What passes is looked for below it.
   *
   * @default {1500}
   */
  readonly mtu?: number;
  /**
   * Whether sockets are the kernel's, by FFI: many datagrams a system call, where Linux has UDP_SEGMENT and UDP_GRO. `false`: those of the runtime, one datagram
   * at a time. `true`: an error where they cannot be had.
   *
   * @default where --allow-ffi is given and this is Linux
   */
  readonly offload?: boolean;
  /**
   * Most peers at once, 1 to 65536. Without a `key` those at one address, or in one IPv6 network of 64 bits, may have begun a quarter of them, 16 at least.
   *
   * @default {4096}
   */
  readonly maxPeers?: number;
}

/** The same, read. */
export interface CheckedOptions {
  readonly accept: boolean;
  readonly bind: SocketAddress;
  readonly peerPort: number;
  /** By their addresses as {@linkcode formatAddress} writes them. */
  readonly peers: ReadonlyMap<string, SocketAddress>;
  readonly interface: string | undefined;
  readonly key: Uint8Array;
  readonly keepAlive: Micros;
  readonly mtu: number;
  readonly offload: boolean | undefined;
  readonly most: number;
}

const NAMES: Readonly<Record<keyof UdpOptions, true>> = {
  port: true,
  bind: true,
  peerPort: true,
  peers: true,
  interface: true,
  key: true,
  keepAlive: true,
  mtu: true,
  offload: true,
  maxPeers: true,
};

function integer(name: string, value: unknown, least: number, most: number): number {
  if (Number.isInteger(value) && (value as number) >= least && (value as number) <= most) {
    return value as number;
  }
  const Class = typeof value === "number" ? RangeError : TypeError;
  throw new Class(
    `Cannot make a UDP link as '${name}' must be an integer from ${least} to ${most}: current value is ${
      shown(value)
    }`,
  );
}

function readPeers(peers: unknown): Map<string, SocketAddress> {
  const found = new Map<string, SocketAddress>();
  if (peers !== undefined && (typeof peers !== "object" || peers === null)) {
    throw new TypeError(
      `Cannot make a UDP link as 'peers' must tell of addresses where they are, such as { "10.0.0.1": "203.0.113.7:8684" }: current value is ${
        shown(peers)
      }`,
    );
  }
  for (const [address, where] of Object.entries(peers ?? {})) {
    const parsed = parseAddress(address);
    const end = typeof where === "string" ? parseSocketAddress(where, DEFAULT_UDP_PORT) : null;
    if (parsed === null || end === null || end.port === 0) {
      throw new TypeError(
        `Cannot make a UDP link as 'peers' must tell of addresses where they are, such as { "10.0.0.1": "203.0.113.7:8684" }: current value has ${
          shown(address)
        }: ${shown(where)}`,
      );
    }
    found.set(formatAddress(parsed.bytes), end);
  }
  return found;
}

function readKeepAlive(value: Duration | "off"): Micros {
  if (value === "off") return Infinity;
  const time = parseDuration(value, "keepAlive");
  if (time >= 1e6 && time <= 600e6) return time;
  throw new RangeError(
    `Cannot make a UDP link as 'keepAlive' must be from 1 s to 600 s, or "off": current value is ${
      shown(value)
    }`,
  );
}

/**
 * Reads options; `own`: the host's address on the link, null while it is not known.
 *
 * @throws {TypeError | RangeError} One is wrong.
 */
export function checkUdpOptions(options: UdpOptions, own: Uint8Array | null): CheckedOptions {
  checkNames("make a UDP link", options, Object.keys(NAMES));
  const { port, bind, key, offload } = options;
  const number = port === undefined ? 0 : integer("port", port, 1, 65535);
  const parsed = typeof bind === "string" ? parseAddress(bind) : null;
  if (bind !== undefined && parsed === null) {
    throw new TypeError(
      `Cannot make a UDP link as 'bind' must be an address, such as "0.0.0.0": current value is ${
        shown(bind)
      }`,
    );
  }
  if (key !== undefined && (!(key instanceof Uint8Array) || key.length < 16 || key.length > 64)) {
    throw new TypeError("Cannot make a UDP link as 'key' must be 16 to 64 octets");
  }
  if (offload !== undefined && typeof offload !== "boolean") {
    throw new TypeError(
      `Cannot make a UDP link as 'offload' must be true or false: current value is ${
        shown(offload)
      }`,
    );
  }
  const device = options.interface;
  if (device !== undefined && (typeof device !== "string" || !/^[^\s/]{1,15}$/.test(device))) {
    throw new TypeError(
      `Cannot make a UDP link as 'interface' must be the name of one, such as "wlan0": current value is ${
        shown(device)
      }`,
    );
  }
  if (device !== undefined && offload === false) {
    throw new TypeError(
      `Cannot make a UDP link as 'interface' needs the kernel's sockets: leave out 'offload', or give 'bind'`,
    );
  }
  const address = parsed?.bytes ?? own ?? new Uint8Array(4);
  const mtu = integer("mtu", options.mtu ?? 1500, 576, 65535);
  if (own !== null) {
    const [outer, inner] = [address.length, own.length].map((size) => size === 4 ? 4 : 6) as [
      4 | 6,
      4 | 6,
    ];
    const least = (inner === 6 ? 1280 : 576) + overhead(outer, inner);
    if (inner === 6 && mtu < least) {
      throw new RangeError( // RFC 8200 §5
        `Cannot make a UDP link as 'mtu' must be at least ${least} where the host's address is IPv6: current value is ${mtu}`,
      );
    }
  }
  return {
    accept: port !== undefined,
    bind: socketAddress(address, number),
    peerPort: integer("peerPort", options.peerPort ?? DEFAULT_UDP_PORT, 1, 65535),
    peers: readPeers(options.peers),
    interface: device,
    key: key?.slice() ?? new Uint8Array(0),
    keepAlive: readKeepAlive(options.keepAlive ?? "15 s"),
    mtu,
    offload,
    most: integer("maxPeers", options.maxPeers ?? MOST_PEERS, 1, 65536),
  };
}
