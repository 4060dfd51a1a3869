/** Which address the kernel has on its end of a TUN device: a device of ours is a wire with our host at one end and the kernel at the other. */

import { formatAddress, inPrefix, type IpPrefix, parsePrefix } from "../../wire/ip.ts";

/**
 * Reads an address with the length of its network's prefix.
 *
 * @throws {TypeError} If it is not "10.77.1.1/24" or "fd00::1/64".
 */
export function readPrefix(text: unknown, what: string): IpPrefix {
  const prefix = typeof text === "string" && text.includes("/") ? parsePrefix(text) : null;
  if (prefix === null) {
    throw new TypeError(
      `Cannot use ${
        typeof text === "string" ? JSON.stringify(text) : String(text)
      } as ${what} as it must be an address and the length of its network's prefix, such as "10.77.1.1/24" or "fd00:77::1/64"`,
    );
  }
  return prefix;
}

/** Writes it as {@linkcode readPrefix} reads it. */
export function formatPrefix(prefix: IpPrefix): string {
  return `${formatAddress(prefix.address.bytes)}/${prefix.length}`;
}

function sameAddress(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((octet, i) => octet === b[i]);
}

/** The network's lowest addresses that a host may have. Where two addresses are all there is, both may be used (RFC 3021, RFC 6164). */
function firstHosts(prefix: IpPrefix): Uint8Array[] {
  const bytes = prefix.address.bytes;
  const free = bytes.length * 8 - prefix.length;
  const network = bytes.map((octet, i) => {
    const bits = Math.min(8, Math.max(0, prefix.length - i * 8));
    return octet & (0xff00 >> bits) & 0xff;
  });
  const hosts: Uint8Array[] = [];
  const least = free === 1 ? 0 : 1;
  // The last address of an IPv4 network is its broadcast address.
  const most = Math.min(8, 2 ** Math.min(free, 4) - (free > 1 && bytes.length === 4 ? 2 : 1));
  for (let host = least; free > 0 && host <= most; host++) {
    const address = network.slice();
    address[address.length - 1]! |= host;
    hosts.push(address);
  }
  return hosts;
}

/**
 * The kernel's addresses for a host with `addresses`: in each of its networks the first one that is not the host's own.
 *
 * @throws {RangeError} If a network has no other address.
 */
export function kernelAddressesFor(addresses: readonly IpPrefix[]): IpPrefix[] {
  const chosen: IpPrefix[] = [];
  for (const prefix of addresses) {
    const same = (other: IpPrefix) =>
      other.length === prefix.length && inPrefix(other.address, prefix);
    if (chosen.some(same)) continue;
    const free = firstHosts(prefix).find((host) =>
      !addresses.some((own) => sameAddress(own.address.bytes, host))
    );
    if (free === undefined) {
      throw new RangeError(
        `Cannot choose an address for the kernel as the network of ${
          formatPrefix(prefix)
        } has no other than the host's own: give 'kernelAddresses', or a shorter prefix such as ${
          formatPrefix({ ...prefix, length: prefix.address.family === 4 ? 24 : 64 })
        }`,
      );
    }
    chosen.push({
      address: { family: prefix.address.family, bytes: free },
      length: prefix.length,
    });
  }
  return chosen;
}
