/** From names to addresses. */

import { formatAddress, parseAddress } from "../wire/ip.ts";
import { unknownNameError, unresolvedNameError } from "./errors.ts";
import { describe } from "./policies.ts";

/** Gives the addresses of a name, best first; none when there is no such name. */
export type Resolve = (name: string) => readonly string[] | Promise<readonly string[]>;

interface DnsPromises {
  lookup(name: string, options: { all: true }): Promise<{ address: string }[]>;
}

/**
 * Asks the operating system, as `Deno.connect()` does: /etc/hosts and the order of families hold, which they do not for `Deno.resolveDns()`.
 * node:dns is imported here and not above, by a specifier that no tool reads ahead: programs that name no hosts, and bundles for browsers, go without.
 */
export async function systemResolve(name: string): Promise<readonly string[]> {
  const specifier = ["node", "dns/promises"].join(":");
  const dns: DnsPromises = await import(specifier);
  try {
    return (await dns.lookup(name, { all: true })).map(({ address }) => address);
  } catch (error) {
    const { code } = error as { code?: unknown };
    if (code === "ENOTFOUND") return [];
    if (typeof code === "string") throw unresolvedNameError(name, code);
    throw error;
  }
}

/**
 * The addresses of `hostname` in their usual text. One that is written as an address is taken as it is.
 *
 * @throws {Deno.errors.NotFound} the name has no address.
 * @throws {TypeError} `resolve` gave something that is no address.
 */
export async function addressesOf(hostname: string, resolve: Resolve): Promise<string[]> {
  const literal = parseAddress(hostname.replace(/^\[(.*)\]$/, "$1"));
  if (literal !== null) return [formatAddress(literal.bytes)];
  const addresses = (await resolve(hostname)).map((text) => {
    const address = parseAddress(text);
    if (address !== null) return formatAddress(address.bytes);
    throw new TypeError(
      `Cannot connect to ${hostname} as its 'resolve' gave ${
        describe(text)
      }, which is not an address`,
    );
  });
  if (addresses.length > 0) return addresses;
  throw unknownNameError(hostname);
}
