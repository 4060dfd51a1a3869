/** Makes and configures TUN devices with ioctl(2), as `ip tuntap`, `ip address` and `ip link` do. */

import type { IpPrefix } from "../../wire/ip.ts";
import { formatPrefix } from "./addresses.ts";
import {
  cString,
  EACCES,
  EBUSY,
  EINVAL,
  ENODEV,
  ENOENT,
  ENXIO,
  EPERM,
  type Libc,
  O_CLOEXEC,
  O_NONBLOCK,
  O_RDONLY,
  O_RDWR,
} from "./libc.ts";
import { VNET_HEADER } from "./vnet_header.ts";

const TUNSETIFF = 0x400454can;
const TUNGETIFF = 0x800454d2n;
const TUNSETOFFLOAD = 0x400454d0n;
const TUNSETVNETHDRSZ = 0x400454d8n;
const SIOCGIFFLAGS = 0x8913n;
const SIOCSIFFLAGS = 0x8914n;
const SIOCGIFADDR = 0x8915n;
const SIOCSIFADDR = 0x8916n;
const SIOCSIFNETMASK = 0x891cn;
const SIOCGIFMTU = 0x8921n;
const SIOCSIFMTU = 0x8922n;
const SIOCSIFTXQLEN = 0x8943n;

const IFF_UP = 1;
const IFF_TUN = 1;
const IFF_NO_PI = 0x1000;
const IFF_VNET_HDR = 0x4000;

const TUN_F_CSUM = 1;
const TUN_F_TSO4 = 2;
const TUN_F_TSO6 = 4;

const AF_INET = 2;
const AF_INET6 = 10;
const SOCK_DGRAM = 2;
const SOCK_CLOEXEC = 0o2000000;
const CLONE_NEWNET = 0x40000000;

/** Longest name of a device, in octets. */
export const NAME_LENGTH = 15;

/** `struct ifreq`: a name in 16 octets, then 24 whose meaning the request tells. */
function interfaceRequest(name: string): { bytes: Uint8Array<ArrayBuffer>; value: DataView } {
  const bytes = new Uint8Array(40);
  bytes.set(cString(name));
  return { bytes, value: new DataView(bytes.buffer, 16) };
}

function errorText(number: number): string {
  const names: Readonly<Record<number, string>> = {
    1: "EPERM",
    13: "EACCES",
    16: "EBUSY",
    17: "EEXIST",
    19: "ENODEV",
    22: "EINVAL",
    95: "EOPNOTSUPP",
    97: "EAFNOSUPPORT",
    99: "EADDRNOTAVAIL",
  };
  return names[number] ?? `errno ${number}`;
}

/**
 * Runs `work` with the calling thread in another network namespace; a path, or a name as `ip netns` knows it. Devices and sockets that it makes stay there.
 *
 * @throws {Deno.errors.NotFound} If there is none of that name.
 * @throws {Deno.errors.PermissionDenied} Without CAP_SYS_ADMIN.
 */
export function inNamespace<T>(libc: Libc, namespace: string | undefined, work: () => T): T {
  if (namespace === undefined) return work();
  const { open, setns, close } = libc.calls;
  const path = namespace.startsWith("/") ? namespace : `/run/netns/${namespace}`;
  const home = open(cString("/proc/thread-self/ns/net"), O_RDONLY | O_CLOEXEC);
  if (home < 0) throw new Error("Cannot change the network namespace as /proc is not mounted");
  const there = open(cString(path), O_RDONLY | O_CLOEXEC);
  try {
    if (there < 0) {
      throw new Deno.errors.NotFound(
        `Cannot use the network namespace ${namespace} as there is none: make it with \`ip netns add ${namespace}\``,
      );
    }
    if (setns(there, CLONE_NEWNET) < 0) {
      throw new Deno.errors.PermissionDenied(
        `Cannot use the network namespace ${namespace} as this process lacks CAP_SYS_ADMIN: run it as root`,
      );
    }
    return work();
  } finally {
    if (there >= 0) {
      setns(home, CLONE_NEWNET);
      close(there);
    }
    close(home);
  }
}

/** A TUN device just opened. */
export interface OpenDevice {
  /** Its file. */
  readonly fd: number;
  /** It was there before, as somebody configured it. */
  readonly existed: boolean;
  /** The kernel gives and takes packets whose checksum is not filled in. */
  readonly checksumOffload: boolean;
  /** The kernel gives and takes super-segments. */
  readonly segmentation: boolean;
}

/** The commands that make a device for a user without capabilities. */
function commands(name: string, addresses: readonly IpPrefix[], mtu: number): string {
  return [
    `sudo ip tuntap add dev ${name} mode tun user $USER vnet_hdr`,
    ...addresses.map((prefix) => `sudo ip address add ${formatPrefix(prefix)} dev ${name}`),
    `sudo ip link set ${name} up mtu ${mtu} txqueuelen 10000`,
  ].map((line) => `\n  ${line}`).join("");
}

function openFile(libc: Libc): number {
  const fd = libc.calls.open(cString("/dev/net/tun"), O_RDWR | O_NONBLOCK | O_CLOEXEC);
  if (fd >= 0) return fd;
  const number = libc.errno();
  if (number === ENOENT || number === ENODEV || number === ENXIO) {
    throw new Deno.errors.NotFound(
      `Cannot open a TUN device as there is no /dev/net/tun: load its driver with \`modprobe tun\`, or give it to the container with --device /dev/net/tun`,
    );
  }
  if (number === EACCES || number === EPERM) {
    throw new Deno.errors.PermissionDenied(
      "Cannot open a TUN device as this user may not open /dev/net/tun: run it as root, or let every user attach devices of their own by `sudo chmod a+rw /dev/net/tun`",
    );
  }
  throw new Error(`Cannot open a TUN device as /dev/net/tun answers ${errorText(number)}`);
}

function refusal(
  number: number,
  name: string,
  existed: boolean,
  addresses: readonly IpPrefix[],
  mtu: number,
): Error {
  if (number === EBUSY) {
    return new Deno.errors.AlreadyExists(
      `Cannot open the TUN device ${name} as its name is taken by one that is open elsewhere: choose another name`,
    );
  }
  if (existed && number === EINVAL) {
    return new Deno.errors.AlreadyExists(
      `Cannot open the TUN device ${name} as its name is taken by an interface of another kind, or by a TUN device of several queues: choose another name`,
    );
  }
  if (number === EPERM && existed) {
    return new Deno.errors.PermissionDenied(
      `Cannot open the TUN device ${name} as it belongs to another user: choose another name, or run as root`,
    );
  }
  if (number === EPERM) {
    return new Deno.errors.PermissionDenied(
      `Cannot make the TUN device ${name} as this process lacks CAP_NET_ADMIN: run it as root, or make the device once with${
        commands(name, addresses, mtu)
      }`,
    );
  }
  return new Error(`Cannot open the TUN device ${name} as the kernel answers ${errorText(number)}`);
}

/** Asks for as much offload as the kernel grants: by attempt, never by its version. */
function setOffload(libc: Libc, fd: number, wanted: boolean): number {
  const attempts = wanted ? [TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6, TUN_F_CSUM, 0] : [0];
  for (const flags of attempts) {
    if (libc.calls.ioctlValue(fd, TUNSETOFFLOAD, BigInt(flags)) === 0) return flags;
  }
  return 0;
}

/**
 * Opens a TUN device, made now unless it is there, in the network namespace of the calling thread. `addresses` and `mtu` go into an error's text only.
 *
 * @throws {Deno.errors.NotFound} Without /dev/net/tun.
 * @throws {Deno.errors.PermissionDenied} Without CAP_NET_ADMIN.
 * @throws {Deno.errors.AlreadyExists} If the name is taken.
 */
export function openDevice(
  libc: Libc,
  name: string,
  offload: boolean,
  addresses: readonly IpPrefix[],
  mtu: number,
): OpenDevice {
  const { ioctl, close } = libc.calls;
  const existed = libc.calls.if_nametoindex(cString(name)) !== 0;
  const fd = openFile(libc);
  const request = interfaceRequest(name);
  request.value.setInt16(0, IFF_TUN | IFF_NO_PI | IFF_VNET_HDR, true);
  if (ioctl(fd, TUNSETIFF, request.bytes) < 0) {
    const number = libc.errno();
    close(fd);
    throw refusal(number, name, existed, addresses, mtu);
  }
  const size = new Uint8Array(new Int32Array([VNET_HEADER]).buffer);
  if (ioctl(fd, TUNSETVNETHDRSZ, size) < 0) {
    const number = libc.errno();
    close(fd);
    throw new Deno.errors.NotSupported(
      `Cannot open the TUN device ${name} as the kernel refuses headers of ${VNET_HEADER} octets: ${
        errorText(number)
      }`,
    );
  }
  const flags = setOffload(libc, fd, offload);
  return {
    fd,
    existed,
    checksumOffload: (flags & TUN_F_CSUM) !== 0,
    segmentation: (flags & TUN_F_TSO4) !== 0,
  };
}

/** Whether the device behind `fd` is still there: one that is deleted leaves the file behind. */
export function isThere(libc: Libc, fd: number): boolean {
  return libc.calls.ioctl(fd, TUNGETIFF, new Uint8Array(40)) >= 0;
}

/** What a device is to be given. */
export interface DeviceSettings {
  /** Largest packet in bytes. */
  readonly mtu: number;
  /** Packets that wait for us to read them. */
  readonly queue: number;
  /** The kernel's own addresses on it. */
  readonly addresses: readonly IpPrefix[];
}

/** One request after the other on a socket; the first that fails is reported with what it was for. */
class Control {
  readonly #libc: Libc;
  readonly #name: string;
  readonly #sockets = new Map<number, number>();

  constructor(libc: Libc, name: string) {
    this.#libc = libc;
    this.#name = name;
  }

  request(family: number, number: bigint, bytes: Uint8Array<ArrayBuffer>, what: string): void {
    const socket = this.#socket(family, what);
    if (this.#libc.calls.ioctl(socket, number, bytes) < 0) this.#fail(what);
  }

  /** A request that may have no answer. */
  ask(family: number, number: bigint, bytes: Uint8Array<ArrayBuffer>, what: string): boolean {
    return this.#libc.calls.ioctl(this.#socket(family, what), number, bytes) >= 0;
  }

  close(): void {
    for (const socket of this.#sockets.values()) this.#libc.calls.close(socket);
  }

  #socket(family: number, what: string): number {
    let socket = this.#sockets.get(family);
    if (socket === undefined) {
      socket = this.#libc.calls.socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
      if (socket < 0) this.#fail(what);
      this.#sockets.set(family, socket);
    }
    return socket;
  }

  #fail(what: string): never {
    const number = this.#libc.errno();
    const Class = number === EPERM ? Deno.errors.PermissionDenied : Error;
    throw new Class(
      `Cannot set ${what} of ${this.#name} as the kernel answers ${errorText(number)}`,
    );
  }
}

function setIpv4(control: Control, label: string, prefix: IpPrefix): void {
  const { bytes, value } = interfaceRequest(label);
  value.setUint16(0, AF_INET, true);
  bytes.set(prefix.address.bytes, 20);
  const what = `the address ${formatPrefix(prefix)}`;
  control.request(AF_INET, SIOCSIFADDR, bytes, what);
  const mask = prefix.length === 0 ? 0 : -1 << (32 - prefix.length);
  value.setInt32(4, mask);
  control.request(AF_INET, SIOCSIFNETMASK, bytes, what);
}

/** `struct in6_ifreq`: address, length of the prefix, index of the interface. */
function setIpv6(control: Control, index: number, prefix: IpPrefix): void {
  const bytes = new Uint8Array(24);
  bytes.set(prefix.address.bytes);
  const value = new DataView(bytes.buffer);
  value.setUint32(16, prefix.length, true);
  value.setInt32(20, index, true);
  // No other host is on the wire: TUN devices are IFF_NOARP, for which Linux leaves duplicate address detection out.
  control.request(AF_INET6, SIOCSIFADDR, bytes, `the address ${formatPrefix(prefix)}`);
}

/** Gives a new device its size, its addresses, and takes it up. */
export function configureDevice(libc: Libc, name: string, settings: DeviceSettings): void {
  const control = new Control(libc, name);
  try {
    const set = (number: bigint, value: number, what: string): void => {
      const request = interfaceRequest(name);
      request.value.setInt32(0, value, true);
      control.request(AF_INET, number, request.bytes, what);
    };
    set(SIOCSIFMTU, settings.mtu, `an MTU of ${settings.mtu}`);
    set(SIOCSIFTXQLEN, settings.queue, `a queue of ${settings.queue} packets`);
    const v4 = settings.addresses.filter((prefix) => prefix.address.family === 4);
    // A second IPv4 address is the address of an alias, as ifconfig has them.
    v4.forEach((prefix, i) => setIpv4(control, i === 0 ? name : `${name}:${i}`, prefix));
    const flags = interfaceRequest(name);
    control.request(AF_INET, SIOCGIFFLAGS, flags.bytes, "the state");
    flags.value.setInt16(0, flags.value.getInt16(0, true) | IFF_UP, true);
    control.request(AF_INET, SIOCSIFFLAGS, flags.bytes, "the state");
    const index = libc.calls.if_nametoindex(cString(name));
    for (const prefix of settings.addresses) {
      if (prefix.address.family === 6) setIpv6(control, index, prefix);
    }
  } finally {
    control.close();
  }
}

/** What somebody else has configured of a device. */
export interface DeviceState {
  /** Largest packet in bytes. */
  readonly mtu: number;
  /** It is up. */
  readonly up: boolean;
  /** Its first IPv4 address, if it has one. */
  readonly ipv4: Uint8Array | null;
}

/** Reads what somebody else has configured. */
export function readDevice(libc: Libc, name: string): DeviceState {
  const control = new Control(libc, name);
  try {
    const request = interfaceRequest(name);
    control.request(AF_INET, SIOCGIFMTU, request.bytes, "the MTU");
    const mtu = request.value.getInt32(0, true);
    control.request(AF_INET, SIOCGIFFLAGS, request.bytes, "the state");
    const up = (request.value.getInt16(0, true) & IFF_UP) !== 0;
    const has = control.ask(AF_INET, SIOCGIFADDR, request.bytes, "the address");
    return { mtu, up, ipv4: has ? request.bytes.slice(20, 24) : null };
  } finally {
    control.close();
  }
}
