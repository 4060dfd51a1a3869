/** How every command opens its host: on the devices and with the plugins that were named, and so that it can be looked at. */

import { sayFaults } from "../core/net/faults.ts";
import { Host, type HostInterface, type HostOptions } from "../mod.ts";
import type { Given, Option } from "./arguments.ts";
import { Capture } from "./capture.ts";
import { openControl } from "./control.ts";
import { readEnd } from "./gateway/listen.ts";
import { serveMetrics } from "./metrics.ts";
import { LOOK, PathLog } from "./path_log.ts";
import { readPolicies } from "./plugin_names.ts";
import { namePolicies, PLUGIN_OPTIONS, type PluginNames, sayPolicies } from "./policies.ts";
import type { Progress } from "./progress.ts";
import { TUN_OPTIONS, tunInterfaces } from "./tun_options.ts";
import { noteFaults } from "./verdict.ts";

/** Options that show what a host does. */
export const OBSERVE_OPTIONS: Readonly<Record<string, Option>> = {
  pcap: {
    value: "FILE",
    help: "Writes all packets for Wireshark and tshark (pcapng), with the keys of each\n" +
      "connection as a comment at its first packet",
  },
  qlog: { value: "FILE", help: "Writes all events of the stack (JSON-SEQ in the shape of qlog)" },
  metrics: {
    value: "ADDRESS:PORT",
    help: "Gives figures to Prometheus at http://ADDRESS:PORT/metrics",
  },
};

/** Options of every command that runs a host. */
export const HOST_OPTIONS: Readonly<Record<string, Option>> = {
  ...TUN_OPTIONS,
  ...PLUGIN_OPTIONS,
  ...OBSERVE_OPTIONS,
};

/** A host of a command, and what looks at it. */
export interface ObservedHost extends AsyncDisposable {
  /** The host. */
  readonly host: Host;
  /** What it is on. */
  readonly interfaces: readonly HostInterface[];
  /** The plugins of its connections. */
  readonly plugins: PluginNames;
  /** The same in words. */
  readonly policies: string;
  /** Rejects when the devices of all its links are gone: nothing will come any more. */
  readonly ended: Promise<never>;
  /** What to tell in place of an error that a use of the host has met: that no device is left, where that is so. */
  explain(error: unknown): unknown;
}

/** Finds the link of an address among interfaces. */
export function linkFinder(
  interfaces: readonly HostInterface[],
): (address: string) => string | undefined {
  const links = new Map(
    interfaces.flatMap(({ link, addresses }) =>
      addresses.map((address) => [address.replace(/\/.*$/, ""), link.name] as const)
    ),
  );
  return (address) => links.get(address);
}

/**
 * Opens the host of `command`: on the devices that `args` name, or `others`. It has a control socket, and the captures and figures that are asked for; lines about
 * its paths go to `progress`. Its disposal lets connections end, as the host's own does, and leaves whole files.
 */
export async function openHost(
  command: string,
  args: Given,
  progress: Pick<Progress, "log">,
  options: Partial<HostOptions> = {},
): Promise<ObservedHost> {
  const policies = await readPolicies(args);
  const say = (line: string): void => progress.log(line);
  const metrics = args.value("metrics");
  const end = metrics === undefined
    ? null
    : readEnd(metrics, "metrics", "ADDRESS:PORT, such as 127.0.0.1:9100");
  await using opened = new AsyncDisposableStack();
  const capture = opened.use(new Capture(command, args.value("pcap"), args.value("qlog"), say));
  const interfaces = options.interfaces ?? tunInterfaces(args);
  const { promise: ended, reject } = Promise.withResolvers<never>();
  ended.catch(() => {}); // not every command waits for it
  let left = interfaces.length;
  const gone = new Error(
    "No device is left to send by, as all were deleted: start the command again, which makes those that it may",
  );
  const host = opened.use(
    await Host.open({
      onPluginFault: noteFaults(sayFaults(say)),
      onLinkGone(link) {
        say(`Device ${link} is gone: its paths have ended.`);
        if (--left === 0) reject(gone);
      },
      ...policies,
      ...options,
      interfaces: capture.interfaces(interfaces),
    }),
  );
  capture.begin(host);
  const linkOf = linkFinder(interfaces);
  const log = new PathLog(host, linkOf, say);
  opened.defer(host.watch(log));
  const looking = setInterval(() => log.look(), LOOK);
  Deno.unrefTimer(looking);
  opened.defer(() => clearInterval(looking));
  if (end !== null) {
    const server = opened.use(await serveMetrics(host, linkOf, end));
    say(`Figures for Prometheus at ${server.url}`);
  }
  opened.use(await openControl(host, command));
  const all = opened.move();
  const plugins = namePolicies(policies);
  return {
    host,
    interfaces,
    plugins,
    policies: sayPolicies(plugins),
    ended,
    explain: (error) => left === 0 ? gone : error,
    [Symbol.asyncDispose]: () => all.disposeAsync(),
  };
}
