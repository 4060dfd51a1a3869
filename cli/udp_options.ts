/** The options that say how a gateway's packets travel: through TUN devices, or over UDP. */

import { type HostInterface, udp } from "../mod.ts";
import { DEFAULT_UDP_PORT } from "../core/link/udp/options.ts";
import { isHostAddress, parseAddress } from "../core/wire/ip.ts";
import { type Given, type Option, readInteger, UsageError } from "./arguments.ts";
import type { SharedKey } from "./gateway/key.ts";
import { addressesOf } from "./gateway/names.ts";
import { TargetError } from "./gateway/target.ts";
import { report } from "./output.ts";
import { devicesTowards, readRoutes } from "./routes.ts";
import { tunInterfaces } from "./tun_options.ts";

/** The options, for a command's list. */
export const VIA_OPTIONS: Readonly<Record<string, Option>> = {
  via: {
    value: "tun|udp",
    help: "How packets travel: through TUN devices, or in UDP datagrams, which need no\n" +
      "privileges and pass address translators. The same at both ends. Default: tun",
  },
  udp: {
    value: "[NAME=]ADDRESS",
    several: true,
    help: "With --via udp: an address of this machine; once for each path.\n" +
      "Default: all but loopback and link-local ones, and, before a relay, those\n" +
      "of cards from which no route leads to it",
  },
  "udp-port": {
    value: "NUMBER",
    help: `With --via udp: the port of the relay, 1 to 65535. Default: ${DEFAULT_UDP_PORT}`,
  },
};

/** One address to send datagrams from. */
interface UdpSpec {
  readonly name: string;
  /** With the length of its network's prefix. */
  readonly address: string;
  /** The network interface that has it; undefined: not known. */
  readonly device: string | undefined;
}

/** An interface of this machine, as far as it matters here. */
export type SystemAddress = Pick<Deno.NetworkInterfaceInfo, "name" | "address" | "cidr">;

/** The network card of an address. */
export function deviceOf({ name }: SystemAddress): string {
  // Linux names an address that has a label by it: "eth0:1" is on the device eth0.
  return name.replace(/:.*$/, "");
}

/** Whether two such addresses are good for the same: neither loopback nor of one link alone. */
export function reachesOthers(address: string): boolean {
  const parsed = parseAddress(address);
  if (parsed === null || !isHostAddress(parsed.bytes)) return false;
  const [first = 0, second = 0] = parsed.bytes;
  return parsed.family === 6
    ? !(first === 0xfe && (second & 0xc0) === 0x80)
    : !(first === 169 && second === 254);
}

/**
 * Reads the addresses that were given, or takes those of the system.
 *
 * @throws {UsageError} One is none, or the system has none.
 */
export function udpAddresses(
  texts: readonly string[],
  system: readonly SystemAddress[],
): UdpSpec[] {
  const wanted = texts.length > 0
    ? texts
    : system.map(({ address }) => address).filter(reachesOthers);
  if (wanted.length === 0) {
    throw new UsageError(
      "--via udp finds no address of this machine but loopback and link-local ones: name one by --udp ADDRESS",
    );
  }
  const names = new Set<string>();
  return wanted.map((text, i) => {
    const [, given, address = ""] = /^(?:([^=]+)=)?(.*)$/.exec(text)!;
    const parsed = parseAddress(address);
    if (parsed === null) {
      throw new UsageError(
        `--udp must be [NAME=]ADDRESS, for example wifi=192.168.1.5: it is "${text}"`,
      );
    }
    const known = system.find((one) => one.address === address);
    let name = given ?? known?.name ?? `udp${i}`;
    for (let n = 2; names.has(name); n++) name = `${given ?? known?.name ?? "udp"}-${n}`;
    names.add(name);
    return {
      name,
      address: known?.cidr ?? `${address}/${parsed.bytes.length * 8}`,
      device: known !== undefined && reachesOthers(address) ? deviceOf(known) : undefined,
    };
  });
}

/**
 * Of the addresses of the system those that are no paths to a relay: from the card of each no route leads to it, as from one with a network of its own behind
 * it. Where that leaves none, or nothing is known of routes, all may be.
 *
 * @param towards The devices that lead to the relay by each family; null: not known, or it has no address of that family.
 */
export function offTheWay(
  specs: readonly UdpSpec[],
  towards: Readonly<Record<4 | 6, ReadonlySet<string> | null>>,
): UdpSpec[] {
  const off = specs.filter(({ address, device }) => {
    const devices = towards[address.includes(":") ? 6 : 4];
    return device !== undefined && devices !== null && !devices.has(device);
  });
  return off.length < specs.length ? off : [];
}

/** Leaves out those, and says so. */
async function onTheWay(specs: UdpSpec[], relay: string): Promise<UdpSpec[]> {
  // Who does not know its name yet is told so by others.
  const addresses = await addressesOf(relay).catch(() => []);
  const known = addresses.flatMap((text) => parseAddress(text) ?? []);
  const towards = async (family: 4 | 6): Promise<Set<string> | null> => {
    const its = known.filter((address) => address.family === family);
    const routes = its.length === 0 ? null : await readRoutes(family);
    return routes === null ? null : devicesTowards(its, routes);
  };
  const off = offTheWay(specs, { 4: await towards(4), 6: await towards(6) });
  for (const { name, address } of off) {
    const plain = address.replace(/\/.*$/, "");
    report(
      `${name} (${plain}) is no path, as no route leads from it to ${relay}: --udp, once for each address, chooses them.`,
    );
  }
  return specs.filter((spec) => !off.includes(spec));
}

/**
 * Over UDP nobody is met but a relay.
 *
 * @throws {UsageError} Servers are to be met, too.
 */
export function refuseDirectOverUdp(given: Given): void {
  if (given.value("via") !== "udp" || !given.has("direct")) return;
  throw new UsageError("--direct does not go with --via udp: servers do not speak it");
}

/** How a host is reached that is reached in datagrams, for people who guard it; empty: it is not. */
export function sayUdpPort(given: Given): string {
  if (given.value("via") !== "udp") return "";
  const port = readInteger(given, "udp-port", DEFAULT_UDP_PORT, [1, 65535]);
  return `in datagrams to UDP port ${port}`;
}

/**
 * Says of a relay that has not answered what may keep it from it; other errors say it themselves.
 *
 * @param udpPort As {@linkcode sayUdpPort} has it.
 */
export function explainSilence(error: unknown, relay: string, udpPort: string): unknown {
  if (!(error instanceof Deno.errors.TimedOut)) return error;
  const check = udpPort === ""
    ? "packets from the devices' addresses have to find their way there and back (--via udp needs no routes)"
    : `it has to run with --via udp and the same key, and be reached ${udpPort}`;
  return new TargetError("timed out", `${relay} does not answer: ${check}`, { cause: error });
}

/**
 * The interfaces of a gateway's host; `serves`: the other end turns to it; else `relay` is the host that it turns to, where that is known.
 *
 * @throws {UsageError} The options contradict each other.
 */
export async function gatewayInterfaces(
  given: Given,
  key: SharedKey | null,
  serves: boolean,
  relay?: string,
): Promise<HostInterface[]> {
  const via = given.value("via") ?? "tun";
  if (via !== "tun" && via !== "udp") {
    throw new UsageError(`--via must be tun or udp: it is "${via}"`);
  }
  const others = via === "tun" ? ["udp", "udp-port"] : ["tun"];
  for (const other of others) {
    if (given.values(other).length > 0) {
      throw new UsageError(`--${other} does not go with --via ${via}`);
    }
  }
  if (via === "tun") return tunInterfaces(given);
  const port = readInteger(given, "udp-port", DEFAULT_UDP_PORT, [1, 65535]);
  // To one network of a laptop that has two, packets leave by what their address belongs to, whatever the routes say.
  const ffi = await Deno.permissions.query({ name: "ffi" });
  const binds = !serves && Deno.build.os === "linux" && ffi.state === "granted";
  const named = given.values("udp");
  const specs = udpAddresses(named, Deno.networkInterfaces());
  const paths = named.length > 0 || serves || relay === undefined
    ? specs
    : await onTheWay(specs, relay);
  return paths.map(({ name, address, device }) => ({
    link: udp(name, {
      ...(key !== null && { key: key.mac("udp") }),
      ...(serves ? { port } : { peerPort: port }),
      ...(binds && device !== undefined && { interface: device }),
    }),
    addresses: [address],
  }));
}
