/** What this machine's kernel forbids its own programs: who serves them, and sees one path, has to look there. */

/** The kernel's settings, as far as they could be read. */
export interface KernelLimits {
  /** `net.mptcp.enabled`; null: there is no MPTCP. */
  readonly enabled: boolean | null;
  /** Subflows beside the first, and addresses taken from the peer, of `ip mptcp limits`; null: nobody tells. */
  readonly subflows: number | null;
  readonly addAddrAccepted: number | null;
}

/** Reads what `ip mptcp limits` prints. */
export function parseLimits(text: string): Pick<KernelLimits, "addAddrAccepted" | "subflows"> {
  const number = (name: string): number | null => {
    const found = text.match(new RegExp(`\\b${name} (\\d+)`))?.[1];
    return found === undefined ? null : Number(found);
  };
  return { subflows: number("subflows"), addAddrAccepted: number("add_addr_accepted") };
}

/** The settings of the kernel of this network namespace. */
export async function readKernelLimits(): Promise<KernelLimits> {
  let enabled: boolean | null = null;
  try {
    enabled = Deno.readTextFileSync("/proc/sys/net/mptcp/enabled").trim() === "1";
  } catch {
    // No MPTCP in it, or no permission: nothing is said then.
  }
  let text = "";
  try {
    const { stdout } = await new Deno.Command("ip", {
      args: ["mptcp", "limits", "show"],
      stderr: "null",
    }).output();
    text = new TextDecoder().decode(stdout);
  } catch {
    // No iproute2.
  }
  return { enabled, ...parseLimits(text) };
}

/** What keeps programs of this machine, as clients of a server on TUN devices, from a second path; null: nothing. */
export function limitHint({ enabled, subflows, addAddrAccepted }: KernelLimits): string | null {
  if (enabled === false) {
    return "This machine's kernel has MPTCP off, so its programs get plain TCP: sysctl net.mptcp.enabled=1";
  }
  if (subflows !== 0 && addAddrAccepted !== 0) return null;
  const which = [
    ...(addAddrAccepted === 0 ? ["takes no address that a server announces"] : []),
    ...(subflows === 0 ? ["opens no further path"] : []),
  ].join(" and ");
  return `This machine's kernel ${which}, so its programs get one path: ` +
    "ip mptcp limits set subflows 4 add_addr_accepted 4";
}
