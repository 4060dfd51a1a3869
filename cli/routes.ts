/** Which network cards of this machine lead where, by the kernel's routes: one that has a network behind it leads there and no further. */

import { inPrefix, type IpAddress, parsePrefix } from "../core/wire/ip.ts";

/** A route, as `ip -j route` prints it; of others than these members nothing is asked. */
interface Route {
  readonly dst?: string;
  readonly dev?: string;
  /** None for one that leads to a neighbour or a router. */
  readonly type?: string;
  readonly nexthops?: readonly { readonly dev?: string }[];
}

const EVERYWHERE = { 4: "0.0.0.0/0", 6: "::/0" } as const;

/** The devices by which some route of `routes`, of any table, leads to one of `addresses`, which are of one family. */
export function devicesTowards(
  addresses: readonly IpAddress[],
  routes: readonly Route[],
): Set<string> {
  const found = new Set<string>();
  for (const { dst = "default", dev, type = "unicast", nexthops = [] } of routes) {
    if (type !== "unicast") continue;
    const leads = addresses.some((address) => {
      const prefix = parsePrefix(dst === "default" ? EVERYWHERE[address.family] : dst);
      return prefix !== null && inPrefix(address, prefix);
    });
    if (!leads) continue;
    for (const name of [dev, ...nexthops.map((each) => each.dev)]) {
      if (name !== undefined) found.add(name);
    }
  }
  return found;
}

/** The routes of one family; null where they cannot be had: on another system, or without iproute2 or --allow-run. */
export async function readRoutes(family: 4 | 6): Promise<readonly Route[] | null> {
  if (Deno.build.os !== "linux") return null;
  const { state } = await Deno.permissions.query({ name: "run", command: "ip" });
  if (state !== "granted") return null;
  try {
    const { success, stdout } = await new Deno.Command("ip", {
      args: [`-${family}`, "-j", "route", "show", "table", "all"],
      stdin: "null",
      stdout: "piped",
      stderr: "null",
    }).output();
    return success ? JSON.parse(new TextDecoder().decode(stdout) || "[]") : null;
  } catch {
    return null;
  }
}
