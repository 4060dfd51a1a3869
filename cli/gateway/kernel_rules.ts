/** What the kernel has to be told so that flows reach a gateway: a table of nftables that marks them, and rules of ip that send what is marked to its devices. */

import { onInterrupt } from "../signals.ts";
import { type FlowClass, type FlowRule, type FlowRules, kernelKnows } from "./rules.ts";

/** The table of nftables; nobody else has it. */
export const TABLE = "mptcp_gateway";
/** Mark of flows for the first device, and number of its routing table; the next ones follow. */
const MARK = 0x4d50_0000;
const ROUTES = 19_792;
/** Where our rules stand among those of ip: before the main table. */
const PRIORITY = 19_792;

/** A device of a gateway, and whose flows come by it. */
export interface GatewayDevice {
  /** Its name. */
  readonly name: string;
  /** The class that the kernel has chosen; null: what packets say decides. */
  readonly class: FlowClass | null;
}

/** The devices that rules need: one for all, and one for each class that the kernel chooses by what it alone knows. */
export function gatewayDevices(name: string, { rules }: FlowRules): GatewayDevice[] {
  const chosen = new Set(
    rules.filter((rule) => kernelKnows(rule) && !rule.class.bypass).map((rule) => rule.class),
  );
  return [
    { name: `${name}0`, class: null },
    ...[...chosen].map((each, i) => ({ name: `${name}${i + 1}`, class: each })),
  ];
}

/** Commands that set up the kernel, and that take it back. */
export interface KernelScript {
  /** For `nft -f`. */
  readonly nft: string;
  /** Words of `ip`, in that order. */
  readonly ip: readonly string[];
  /** The same, taken back: each as often as it works. */
  readonly undo: readonly string[];
  /** Settings below /proc/sys, and their values. */
  readonly sysctl: Readonly<Record<string, string>>;
}

function set(items: readonly (number | string)[]): string {
  return items.length === 1 ? `${items[0]}` : `{ ${items.join(", ")} }`;
}

/** What nft says of a rule, in a line for each family; none: that family is not taken. */
function conditions(rule: FlowRule, families: readonly (4 | 6)[]): string[] {
  const { to, toText, ports, dscp, uid, mark } = rule;
  const common = [
    ...ports.length === 0
      ? []
      : [`tcp dport ${set(ports.map(([from, last]) => from === last ? from : `${from}-${last}`))}`],
    ...uid === null ? [] : [`meta skuid ${/^\d+$/.test(uid) ? uid : `"${uid}"`}`],
    ...mark === null ? [] : [`meta mark ${mark}`],
  ];
  if (to.length === 0 && dscp.length === 0) return [common.join(" ")];
  return families.flatMap((family) => {
    const ip = family === 4 ? "ip" : "ip6";
    const own = toText.filter((_, i) => to[i]!.address.family === family);
    if (to.length > 0 && own.length === 0) return [];
    return [[
      ...own.length === 0 ? [] : [`${ip} daddr ${set(own)}`],
      ...dscp.length === 0 ? [] : [`${ip} dscp ${set(dscp)}`],
      ...common,
    ].join(" ")];
  });
}

/**
 * Makes the commands.
 *
 * @param paths Devices of the stack's paths: what comes by them is the stack's own.
 * @param ipv6 IPv6 is taken, too.
 */
export function kernelScript(
  rules: FlowRules,
  devices: readonly GatewayDevice[],
  paths: readonly string[],
  ipv6: boolean,
): KernelScript {
  const families = ipv6 ? [4, 6] as const : [4] as const;
  const markOf = (wanted: FlowClass | null): string => {
    const i = Math.max(0, devices.findIndex((device) => device.class === wanted));
    return `0x${(MARK + i).toString(16)}`;
  };
  // What packets say is judged by the stack, but for what it must not see, and what stands before such a rule.
  const last = rules.rules.findLastIndex((rule) => kernelKnows(rule) || rule.class.bypass);
  const judged = rules.rules.slice(0, last + 1).flatMap((rule) =>
    conditions(rule, families).map((condition) =>
      rule.class.bypass
        ? `${condition} return`
        : `${condition} ct mark set ${markOf(kernelKnows(rule) ? rule.class : null)} return`
    )
  );
  const marks = devices.map((_, i) => `0x${(MARK + i).toString(16)}`);
  const own = [...paths, ...devices.map(({ name }) => name)].map((name) => `"${name}"`);
  const body = [
    ...(ipv6 ? [] : ["meta nfproto != ipv4 return"]),
    "meta l4proto != tcp return",
    // Answers of servers here, and to those who went past the stack.
    "ct direction reply return",
    // What was open before stays as it is.
    "tcp flags & (syn | ack) == syn jump classify",
    `ct mark ${set(marks)} meta mark set ct mark`,
  ];
  const indent = (lines: readonly string[]): string =>
    lines.map((line) => `    ${line.trim()}\n`).join("");
  const otherwise = rules.otherwise.bypass ? [] : [`ct mark set ${markOf(null)}`];
  const nft = `table inet ${TABLE} {
  chain classify {
${
    indent([
      "fib daddr type { local, broadcast, multicast, anycast } return",
      ...judged,
      ...otherwise,
    ])
  }  }
  chain from_here {
    type route hook output priority mangle; policy accept;
${indent(body)}  }
  chain from_others {
    type filter hook prerouting priority mangle; policy accept;
${indent([`iifname ${set(own)} return`, ...body])}  }
}
`;
  const flags = families.map((family) => family === 4 ? "-4" : "-6");
  const rule = (i: number): string =>
    `fwmark ${marks[i]} lookup ${ROUTES + i} priority ${PRIORITY}`;
  const ip = devices.flatMap(({ name }, i) =>
    flags.flatMap((flag) => [
      `${flag} route replace default dev ${name} table ${ROUTES + i}`,
      `${flag} rule add ${rule(i)}`,
    ])
  );
  // Rules are all that outlives the devices.
  const undo = devices.flatMap((_, i) => flags.map((flag) => `${flag} rule del ${rule(i)}`));
  const sysctl = Object.fromEntries(
    devices.map(({ name }) => [`net/ipv4/conf/${name}/rp_filter`, "2"]),
  );
  return { nft, ip, undo, sysctl };
}

/** All of it as a script of a shell. */
export function formatScript({ nft, ip, undo, sysctl }: KernelScript): string {
  return [
    "#!/bin/sh -e",
    "# To be run once the gateway has made its devices.",
    ...Object.entries(sysctl).map(([name, value]) =>
      `sysctl -w ${name.replaceAll("/", ".")}=${value}`
    ),
    ...ip.map((line) => `ip ${line}`),
    "nft -f - <<'END'",
    nft.trimEnd(),
    "END",
    "# And back:",
    `# nft delete table inet ${TABLE}`,
    ...undo.map((line) => `# ip ${line}`),
    "",
  ].join("\n");
}

/** Packages of Debian that hold the programs. */
const PACKAGES = { ip: "iproute2", nft: "nftables" } as const;

async function run(
  program: keyof typeof PACKAGES,
  args: readonly string[],
  input = "",
): Promise<string | null> {
  // sbin is in the PATH of root alone.
  const path = `${Deno.env.get("PATH") ?? ""}:/usr/sbin:/sbin`;
  let child: Deno.ChildProcess;
  try {
    child = new Deno.Command(program, {
      args: [...args],
      env: { PATH: path },
      stdin: "piped",
      stdout: "null",
      stderr: "piped",
      // Ctrl-C of a terminal goes to its whole group.
      detached: true,
    }).spawn();
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    return `it is not installed: apt-get install ${PACKAGES[program]}`;
  }
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(input)).catch(() => {});
  await writer.close().catch(() => {});
  const { success, stderr } = await child.output();
  return success ? null : new TextDecoder().decode(stderr).trim();
}

/** Takes back what there is of it, whoever asks the command meanwhile to end; nothing is no error. */
async function undo(script: KernelScript): Promise<void> {
  using _signals = onInterrupt(() => {});
  await run("nft", ["delete", "table", "inet", TABLE]);
  for (const line of script.undo) {
    // One that was killed may have left its own behind.
    for (let i = 0; i < 16; i++) if (await run("ip", line.split(" ")) !== null) break;
  }
}

/**
 * Sets up the kernel of this namespace; disposal takes it back. What another gateway has left behind is replaced.
 *
 * @throws {Error} It refuses something; then nothing of it is left.
 */
export async function applyScript(script: KernelScript): Promise<AsyncDisposable> {
  // The half of it would take the machine's connections nowhere.
  using _signals = onInterrupt(() => {});
  await undo(script);
  const fail = async (what: string, why: string): Promise<never> => {
    await undo(script);
    throw new Error(`Cannot set the rules of the gateway as ${what} says: ${why}`);
  };
  for (const [path, value] of Object.entries(script.sysctl)) {
    // Where the device has no such setting there is nothing to loosen.
    await Deno.writeTextFile(`/proc/sys/${path}`, value).catch(() => {});
  }
  for (const line of script.ip) {
    const why = await run("ip", line.split(" "));
    if (why !== null) await fail(`ip ${line}`, why);
  }
  const nft = await run("nft", ["-f", "-"], script.nft);
  if (nft !== null) await fail("nft", nft);
  return { [Symbol.asyncDispose]: () => undo(script) };
}
