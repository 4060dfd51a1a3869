/** Network cards that get another address: a path over UDP goes on from that, with the connections that there are. */

import { UdpLink } from "../core/link/udp/udp.ts";
import type { HostInterface } from "../mod.ts";
import { deviceOf, reachesOthers, type SystemAddress } from "./udp_options.ts";

/** Milliseconds between two looks at the addresses of this machine. */
const LOOK = 1000;

/** A path, and where its datagrams leave. */
interface Followed {
  readonly link: UdpLink;
  /** The network card. */
  readonly device: string;
  address: string;
}

/**
 * Where a path goes on whose address this machine has no more: from another one of its card and family that is none of `taken`. undefined: it has its own, or
 * there is no other.
 */
export function nextAddress(
  { device, address }: Pick<Followed, "device" | "address">,
  system: readonly SystemAddress[],
  taken: ReadonlySet<string>,
): string | undefined {
  if (system.some((one) => one.address === address)) return undefined;
  return system.find((one) =>
    deviceOf(one) === device && one.address.includes(":") === address.includes(":") &&
    reachesOthers(one.address) && !taken.has(one.address)
  )?.address;
}

/**
 * Looks from time to time whether the addresses of UDP paths are still there, until it is disposed of. A path whose address is not known to the system now is
 * none of these.
 */
export function followAddresses(
  interfaces: readonly HostInterface[],
  say: (line: string) => void,
  system: () => readonly SystemAddress[] = Deno.networkInterfaces,
): Disposable {
  const known = system();
  const paths = interfaces.flatMap(({ link, addresses: [text = ""] }): Followed[] => {
    const address = text.replace(/\/.*$/, "");
    const its = known.find((one) => one.address === address);
    return link instanceof UdpLink && its !== undefined && reachesOthers(address)
      ? [{ link, device: deviceOf(its), address }]
      : [];
  });
  const look = async (): Promise<void> => {
    const now = system();
    for (const path of paths) {
      const { link, device, address } = path;
      const next = nextAddress(path, now, new Set(paths.map(({ address }) => address)));
      if (next === undefined) continue;
      try {
        await link.move(next);
      } catch {
        continue; // An address of IPv6 may be there and not be usable yet.
      }
      path.address = next;
      say(`${link.name} goes on from ${next}, as ${device} has that in place of ${address}`);
    }
  };
  let looking = false;
  const timer = setInterval(() => {
    if (looking) return;
    looking = true;
    void look().finally(() => looking = false);
  }, LOOK);
  Deno.unrefTimer(timer);
  return { [Symbol.dispose]: () => clearInterval(timer) };
}
