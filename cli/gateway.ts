/** `mptcp gateway`: takes whole flows of a machine, or of a network behind it, and carries them over several paths. */

import { Host, type HostInterface, type MptcpConn, type SchedulerPlugin, tun } from "../mod.ts";
import { parsePrefix } from "../core/wire/ip.ts";
import { type Command, type Given, readInteger, UsageError } from "./arguments.ts";
import { followAddresses } from "./follow_addresses.ts";
import { addressesAlong, along } from "./gateway/along.ts";
import { Carrier } from "./gateway/carrier.ts";
import { DirectTargets } from "./gateway/direct.ts";
import {
  applyScript,
  formatScript,
  type GatewayDevice,
  gatewayDevices,
  kernelScript,
} from "./gateway/kernel_rules.ts";
import { readKeyFile } from "./gateway/key.ts";
import { readHost } from "./gateway/listen.ts";
import { warnUnknown } from "./gateway/names.ts";
import { type FlowClass, type FlowRules, NO_RULES, parseRules } from "./gateway/rules.ts";
import { GatewayStatus } from "./gateway/status.ts";
import { asTargetError, formatTarget, type Target } from "./gateway/target.ts";
import { RelayClient } from "./gateway/upstream.ts";
import { HOST_OPTIONS, openHost } from "./observed_host.ts";
import { print } from "./output.ts";
import { loadWatched } from "./plugin_names.ts";
import { Progress } from "./progress.ts";
import { CONNECT_TIMEOUT, GATEWAY_TCP, RELAY_PORT, UPSTREAM_TIMES } from "./relay.ts";
import { awaitInterrupt } from "./signals.ts";
import * as via from "./udp_options.ts";

/** Name of the devices that flows come by, before their number. */
const DEVICE = "mptcpgw";
/** Milliseconds that a path has to begin a connection where another could. */
const TRY = 3000;
/** Most flows unless told otherwise. */
const FLOWS = 4096;
/** Addresses of ours on the n-th device: nobody ever asks for them. */
const addressesOf = (i: number, ipv6: boolean): string[] => [
  `10.79.${i}.2/24`,
  ...(ipv6 ? [`fd00:79:${i}::2/64`] : []),
];

async function readRules(file: string | undefined, devices: readonly string[]): Promise<FlowRules> {
  if (file === undefined) return NO_RULES;
  return await parseRules(file, await Deno.readTextFile(file), devices);
}

/** The schedulers that classes name. */
async function loadSchedulers(
  { rules, otherwise, schedulerAt }: FlowRules,
): Promise<Map<string, SchedulerPlugin>> {
  const found = new Map<string, SchedulerPlugin>();
  for (const { name, scheduler } of [...rules.map((rule) => rule.class), otherwise]) {
    if (scheduler === null || found.has(scheduler)) continue;
    try {
      found.set(scheduler, await loadWatched("scheduler", scheduler));
    } catch (error) {
      // The rules say its name, no option.
      if (!(error instanceof UsageError)) throw error;
      throw new UsageError(`${schedulerAt(name)}: ${error.message.replace(/^--scheduler:? /, "")}`);
    }
  }
  return found;
}

/** Connects by the paths of a class, and its scheduler. */
class Dialler {
  readonly #host: Host;
  readonly #interfaces: readonly HostInterface[];
  readonly #schedulers: ReadonlyMap<string, SchedulerPlugin>;

  constructor(
    host: Host,
    interfaces: readonly HostInterface[],
    schedulers: ReadonlyMap<string, SchedulerPlugin>,
  ) {
    this.#host = host;
    this.#interfaces = interfaces;
    this.#schedulers = schedulers;
  }

  /** @throws what kept the last path from it. */
  async dial(
    { host: hostname, port }: Target,
    how: FlowClass,
  ): Promise<MptcpConn> {
    const { paths, backup, scheduler } = how;
    const plugin = scheduler === null ? undefined : this.#schedulers.get(scheduler);
    const common = { hostname, port, ...(plugin !== undefined && { scheduler: plugin }) };
    const limit = `${CONNECT_TIMEOUT} ms` as const;
    if (paths.length === 0) return await this.#host.connect({ ...common, connectTimeout: limit });
    const addresses = this.#interfaces.flatMap(({ link, addresses }) =>
      addresses.map((text) => {
        const address = text.replace(/\/.*$/, "");
        return { address, link: link.name, family: parsePrefix(text)!.address.family };
      })
    );
    const from = [4, 6].flatMap((family) =>
      addressesAlong(addresses, [...paths, ...backup], family as 4 | 6)
    );
    const pathManager = along(paths, backup);
    for (const [i, localAddress] of from.entries()) {
      try {
        const connectTimeout = i + 1 < from.length ? `${TRY} ms` as const : limit;
        return await this.#host.connect({ ...common, localAddress, pathManager, connectTimeout });
      } catch (error) {
        // A refusal comes from the other end, whichever the path.
        if (i + 1 === from.length || error instanceof Deno.errors.ConnectionRefused) throw error;
      }
    }
    throw new Deno.errors.NetworkUnreachable("its paths have no address");
  }
}

async function run(args: Given): Promise<number> {
  if (args.positional.length > 0) {
    throw new UsageError(`mptcp gateway takes options only: it got "${args.positional.join(" ")}"`);
  }
  const file = args.value("key");
  const key = file === undefined ? null : await readKeyFile(file);
  const to = args.value("relay");
  const relay = to === undefined ? null : readHost(to, "relay", RELAY_PORT);
  const interfaces = await via.gatewayInterfaces(args, key, false, relay?.host);
  const overUdp = args.value("via") === "udp";
  const paths = interfaces.map(({ link }) => link.name);
  const [ipv6, direct, manual] = [args.has("ipv6"), args.has("direct"), args.has("manual")];
  const rules = await readRules(args.value("rules"), paths);
  const devices = gatewayDevices(DEVICE, rules);
  // Nothing but the stack's own comes by a TUN device; over UDP a path's name may be that of an interface with a network behind it.
  const script = kernelScript(rules, devices, overUdp ? [] : paths, ipv6);
  if (args.has("print-rules")) {
    print(formatScript(script).trimEnd());
    return 0;
  }
  via.refuseDirectOverUdp(args);
  if ((file === undefined) !== (to === undefined) || (to === undefined && !direct)) {
    throw new UsageError(
      "mptcp gateway needs --relay HOST:PORT and --key FILE, or --direct without a relay",
    );
  }
  const client = key === null ? null : new RelayClient<MptcpConn>(key, UPSTREAM_TIMES);
  const most = readInteger(args, "connections", FLOWS, [1, 65535]);
  const schedulers = await loadSchedulers(rules);
  const progress = new Progress();
  const status = new GatewayStatus(progress, args.has("json"));
  // Before the kernel is told anything: what is set there without an end stays, and takes the machine's connections nowhere.
  using interrupt = awaitInterrupt();
  try {
    await using opened = await openHost("gateway", args, progress, {
      interfaces,
      tcp: GATEWAY_TCP,
    });
    using _following = followAddresses(interfaces, (line) => progress.log(line));
    const udpPort = via.sayUdpPort(args);
    const dialler = new Dialler(opened.host, interfaces, schedulers);
    const speaking = direct && relay !== null ? new DirectTargets(opened.host) : null;
    const carrier = new Carrier({
      rules,
      most,
      begun: (stream, where) => status.watch(stream, where, "received"),
      done: (done, stream) => status.tell(done, stream),
      open: async (target, how) => {
        const rest = new Uint8Array();
        if (relay === null || client === null) {
          const stream = await dialler.dial(target, how).catch((error) => {
            throw asTargetError(error);
          });
          return { stream, rest, where: formatTarget(target) };
        }
        // What is kept to some paths goes the way that has them.
        const straight = how.paths.length === 0 ? await speaking?.connect(target) ?? null : null;
        if (straight !== null) return { stream: straight, rest, where: formatTarget(target) };
        const opened = await client.open(target, () => {
          return dialler.dial(relay, how).catch((error) => {
            throw via.explainSilence(error, formatTarget(relay), udpPort);
          });
        });
        return { ...opened, where: "the relay" };
      },
    });
    await using inside = await openInside(devices, ipv6, most, (line) => progress.log(line));
    const accepting = Promise.all(inside.map(async ([device, isGone, listener]) => {
      try {
        for await (const flow of listener) void carrier.carry(flow, device.class);
      } catch (error) {
        // The others go on.
        if (!isGone()) throw error;
      }
    })).then(() => {
      if (!inside.every(([, isGone]) => isGone())) return;
      throw new Error("No device is left that flows come by: start mptcp gateway again");
    });
    accepting.catch(() => {}); // it is waited for below
    await using _applied = manual
      ? { async [Symbol.asyncDispose]() {} }
      : await applyScript(script);
    const how = relay === null ? "to where they go" : `to the relay ${formatTarget(relay)}`;
    progress.log(
      `Gateway: TCP that comes by ${devices.map(({ name }) => name).join(", ")} goes on over ${
        paths.join(", ")
      } ${how}. Ctrl-C ends.`,
    );
    progress.log(`By ${opened.policies}`);
    if (relay !== null) void warnUnknown(relay.host, "relay", (line) => progress.log(line));
    if (manual) {
      progress.log(`Routes are yours: ip route add 192.0.2.0/24 dev ${DEVICE}0, for one.`);
    }
    await Promise.race([interrupt.come, opened.ended, accepting]);
    for (const [, , listener] of inside) listener.close();
    await accepting;
    return 0;
  } finally {
    progress.stop();
  }
}

type Inside = [
  device: GatewayDevice,
  isGone: () => boolean,
  listener: ReturnType<Host["listen"]>,
][];

/** The hosts that flows come to: one for each device, so that it is known which. */
async function openInside(
  devices: readonly GatewayDevice[],
  ipv6: boolean,
  most: number,
  say: (line: string) => void,
): Promise<Inside & AsyncDisposable> {
  await using stack = new AsyncDisposableStack();
  const inside: Inside = [];
  for (const [i, device] of devices.entries()) {
    let gone = false;
    const host = await Host.open({
      interfaces: [{ link: tun(device.name), addresses: addressesOf(i, ipv6), transparent: true }],
      // Programs of the network inside speak to a machine next to them.
      mptcp: false,
      onLinkGone(link) {
        gone = true;
        const whose = device.class === null ? "flows" : `flows of class ${device.class.name}`;
        say(
          `Device ${link} is gone: ${whose} that came by it go past the gateway, until it is started again.`,
        );
      },
      // They may all begin at once, and are no strangers: none is answered by a cookie, which has no window scale without timestamps.
      tcp: { ...GATEWAY_TCP, synBacklog: most },
    });
    stack.defer(() => host.close());
    inside.push([device, () => gone, host.listen({ port: 0, transparent: true, backlog: most })]);
  }
  const all = stack.move();
  return Object.assign(inside, { [Symbol.asyncDispose]: () => all.disposeAsync() });
}

/** The command. */
export const GATEWAY: Command = {
  name: "gateway",
  summary: "carries the TCP of a whole machine, or a network behind it, over several paths",
  text:
    `Makes a device (${DEVICE}0) that takes connections to any address and port, has the kernel send the
machine's TCP, and what it forwards, to it, and carries each connection over MPTCP to
\`mptcp relay\`, or with --direct to the server itself. Programs need no settings. What it sets in the
kernel (nft, ip rule) it takes back at its end; connections that were open before are left alone.
Rules say which flows go by which paths, by which scheduler, and which past the stack.
Needs Linux, --allow-ffi, CAP_NET_ADMIN, nftables and iproute2.`,
  examples: [
    ["mptcp gateway --relay relay.example.org --key relay.key", "everything, over all paths"],
    [
      "mptcp gateway --relay relay.example.org --key relay.key --rules rules.yaml",
      "each class of flows its own way",
    ],
    [
      "mptcp gateway --relay relay.example.org --key relay.key --via udp",
      "over UDP from each address of this machine, to a relay with --via udp",
    ],
    ["mptcp gateway --rules rules.yaml --print-rules", "what it would tell the kernel"],
  ],
  options: {
    relay: { value: "HOST[:PORT]", alias: "r", help: `The relay. Default port: ${RELAY_PORT}` },
    key: { value: "FILE", alias: "k", help: "The key that it shares; needed with --relay" },
    direct: {
      help: "Without a relay: connects to servers themselves, by MPTCP or plain TCP.\n" +
        "With one: only to those that speak MPTCP",
    },
    rules: { value: "FILE", help: "Classes of flows, YAML or JSON (docs/gateway.md)" },
    "print-rules": { help: "Prints what the kernel would be told, as a script, and ends" },
    manual: { help: "Tells the kernel nothing: routes to the device are yours" },
    ipv6: { help: "Takes IPv6 as well: where the relay's network has it" },
    connections: { value: "NUMBER", help: `Most flows at once, 1 to 65535. Default: ${FLOWS}` },
    json: { help: "Tells of each flow by a line of JSON on the standard output" },
    ...HOST_OPTIONS,
    ...via.VIA_OPTIONS,
  },
  run,
};
