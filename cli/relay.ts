/** `mptcp relay`: the far end of `mptcp proxy`. */

import type { MptcpConn, TcpOptions } from "../mod.ts";
import { type Command, type Given, isGiven, readInteger, UsageError } from "./arguments.ts";
import { Admission } from "./gateway/convert/admission.ts";
import { Converter } from "./gateway/convert/converter.ts";
import { CONVERT_PORT } from "./gateway/convert/message.ts";
import { hearProxy } from "./gateway/handshake.ts";
import { readKeyFile } from "./gateway/key.ts";
import { listenKernel, readEnd } from "./gateway/listen.ts";
import { dialKernel, type RelayOptions, RelayServer } from "./gateway/relay_server.ts";
import { GatewayStatus } from "./gateway/status.ts";
import type { ByteStream } from "./gateway/stream.ts";
import { formatTarget, type Target } from "./gateway/target.ts";
import type { UpstreamTimes } from "./gateway/upstream.ts";
import { type IpPrefix, parsePrefix } from "../core/wire/ip.ts";
import { HOST_OPTIONS, OBSERVE_OPTIONS, openHost } from "./observed_host.ts";
import { PLUGIN_OPTIONS } from "./policies.ts";
import { Progress } from "./progress.ts";
import { awaitInterrupt } from "./signals.ts";
import { TUN_OPTIONS } from "./tun_options.ts";
import * as via from "./udp_options.ts";

/** Where a relay listens unless told otherwise. */
export const RELAY_PORT = 1081;
/** Milliseconds in which the key has to be shown, and to connect to a relay, or a target: a machine with too much to do takes its time. */
export const HANDSHAKE_TIMEOUT = 30_000;
export const CONNECT_TIMEOUT = 30_000;
/** Of those who ask a relay. */
export const UPSTREAM_TIMES: UpstreamTimes = { answer: HANDSHAKE_TIMEOUT + CONNECT_TIMEOUT };
/** Of both ends: who is gone without a word holds no connection for ever. */
export const GATEWAY_TCP: TcpOptions = { keepAlive: { idle: "120 s", interval: "30 s", count: 4 } };

async function run(args: Given): Promise<number> {
  if (args.positional.length > 0) {
    throw new UsageError(`mptcp relay takes options only: it got "${args.positional.join(" ")}"`);
  }
  const file = args.value("key");
  if (file === undefined) {
    throw new UsageError("mptcp relay needs --key FILE: `mptcp key FILE` makes one");
  }
  const port = readInteger(args, "port", RELAY_PORT, [1, 65535]);
  const most = readInteger(args, "connections", 1000, [1, 65535]);
  const kernel = args.value("kernel");
  const end = kernel === undefined
    ? null
    : readEnd(kernel, "kernel", "ADDRESS:PORT, such as 0.0.0.0:1081");
  if (end !== null) refuseBesideKernel(args);
  const allowLocal = args.has("allow-local");
  const convert = args.value("convert") === undefined
    ? null
    : readInteger(args, "convert", CONVERT_PORT, [1, 65535]);
  const networks = readNetworks(args);
  if (convert === null && networks.length > 0) {
    throw new UsageError("--convert-from says whom --convert PORT serves: give both");
  }
  if (convert === (end?.port ?? port)) {
    throw new UsageError(`--convert ${convert} is the port of the relay itself: give another one`);
  }
  const key = await readKeyFile(file);
  const progress = new Progress();
  const status = new GatewayStatus(progress, args.has("json"));
  const dial = (target: Target): Promise<ByteStream> =>
    dialKernel(target, { allowLocal, timeout: CONNECT_TIMEOUT });
  const common = { dial, most, handshakeTimeout: HANDSHAKE_TIMEOUT };
  /** What listens at each port, and what it hears there. */
  const services = [{
    name: "Relay",
    port,
    fastOpen: false,
    relay: new RelayServer({ ...common, hear: (stream) => hearProxy(stream, key) }),
  }];
  if (convert !== null) {
    const converter = new Converter(new Admission(key, networks));
    const hear: RelayOptions["hear"] = (stream, from) => converter.hear(stream, from);
    services.push({
      name: "Transport Converter (RFC 8803)",
      port: convert,
      // RFC 8803 §4.2: what a client asks for is in its SYN.
      fastOpen: true,
      relay: new RelayServer({ ...common, hear }),
    });
  }
  const serve = (relay: RelayServer, conn: MptcpConn): Promise<void> => {
    status.watch(conn, formatTarget(endOf(conn)), "sent");
    return relay.serve(conn, conn.remoteAddr.hostname, (done) => status.tell(done, conn));
  };
  using interrupt = awaitInterrupt();
  try {
    if (end !== null) {
      using listeners = new DisposableStack();
      for (const { name, port, relay } of services) {
        const at = name === "Relay" ? end : { host: end.host, port };
        const listener = await listenKernel(at, (stream) => {
          return relay.serve(stream, stream.remoteAddress, (done) => status.tell(done, stream));
        });
        listeners.defer(() => listener.close());
        progress.log(`${name} at ${formatTarget(listener.address)}, on sockets of the kernel.`);
      }
      progress.log("Ctrl-C ends.");
      await interrupt.come;
      return 0;
    }
    await using opened = await openHost("relay", args, progress, {
      tcp: GATEWAY_TCP,
      interfaces: await via.gatewayInterfaces(args, key, true),
    });
    const { host, interfaces } = opened;
    const addresses = interfaces.flatMap(({ addresses }) => addresses);
    const accepting: Promise<void>[] = [];
    const udpPort = via.sayUdpPort(args);
    using listeners = new DisposableStack();
    for (const { name, port, fastOpen, relay } of services) {
      const listener = listeners.use(
        host.listen({ port, tcp: { ...GATEWAY_TCP, fastOpen } }),
      );
      accepting.push((async () => {
        for await (const conn of listener) void serve(relay, conn);
      })());
      const at = addresses.map((each) => formatTarget({ host: each.replace(/\/.*$/, ""), port }));
      progress.log(`${name} at ${at.join(", ")}${udpPort === "" ? "" : `, ${udpPort}`}.`);
    }
    progress.log(`By ${opened.policies}. Ctrl-C ends.`);
    const accepted = Promise.all(accepting).catch((error) => {
      throw opened.explain(error);
    });
    await Promise.race([interrupt.come, accepted]);
    listeners.dispose();
    await accepted;
    await host.close();
    return 0;
  } finally {
    progress.stop();
  }
}

/**
 * On sockets of the kernel there is no stack of ours to be shown, to have devices, or to decide anything.
 *
 * @throws {UsageError} Something of it was asked for, and would be for nothing.
 */
function refuseBesideKernel(args: Given): void {
  const given = (names: Readonly<Record<string, unknown>>): string | undefined =>
    Object.keys(names).find((name) => isGiven(args, name));
  if (isGiven(args, "port")) {
    throw new UsageError("--port does not go with --kernel, which names the port: ADDRESS:PORT");
  }
  const way = given({ ...via.VIA_OPTIONS, ...TUN_OPTIONS });
  if (way !== undefined) {
    throw new UsageError(`--${way} does not go with --kernel: one of them says how packets come`);
  }
  const shows = given(OBSERVE_OPTIONS);
  if (shows !== undefined) {
    throw new UsageError(`--${shows} shows this stack, and --kernel uses none: leave one out`);
  }
  const decides = given(PLUGIN_OPTIONS);
  if (decides !== undefined) {
    throw new UsageError(
      `--${decides} does not go with --kernel: the kernel decides what it sends, and how`,
    );
  }
}

/** Networks whose hosts may have the converter's service by their address. */
function readNetworks(args: Given): IpPrefix[] {
  return args.values("convert-from").flatMap((list) => list.split(",")).map((text) => {
    const prefix = parsePrefix(text.trim());
    if (prefix !== null) return prefix;
    throw new UsageError(`--convert-from must be networks, such as 10.0.0.0/8,fd00::/8: "${text}"`);
  });
}

function endOf({ remoteAddr: { hostname, port } }: MptcpConn): Target {
  return { host: hostname, port };
}

/** The command. */
export const RELAY: Command = {
  name: "relay",
  summary: "the far end of mptcp proxy: connects what comes to where it is to go",
  text:
    `Takes connections of \`mptcp proxy\` that show the shared key, looks up the names that they ask for,
and connects them by this machine's own sockets. Without the key nothing is done for anybody.
Bytes travel as the programs send them: who needs secrecy uses TLS or SSH in the program.
On TUN devices it needs Linux, --allow-ffi and CAP_NET_ADMIN; with --kernel it needs nothing, and
speaks the kernel's MPTCP where it is run by mptcpize; with --via udp it needs nothing either, on
any system, and this stack is at both ends.`,
  examples: [
    ["mptcp relay --key relay.key", "on two TUN devices with the default addresses, port 1081"],
    [
      "mptcp relay --key relay.key --kernel 0.0.0.0:1081",
      "on sockets of the kernel, with its MPTCP where mptcpize run stands before it",
    ],
    [
      `mptcp relay --key relay.key --convert ${CONVERT_PORT} --convert-from 10.77.0.0/16`,
      "a Transport Converter for the hosts of a network, beside the relay",
    ],
    ["mptcp relay --key relay.key --via udp", "over UDP, at port 8684 of each address"],
  ],
  options: {
    key: { value: "FILE", alias: "k", help: "The shared key; needed" },
    port: { value: "NUMBER", alias: "p", help: `Port to listen on. Default: ${RELAY_PORT}` },
    kernel: {
      value: "ADDRESS:PORT",
      help: "Listens on sockets of the kernel in place of TUN devices",
    },
    "allow-local": {
      help: "Lets proxies ask for loopback and link-local addresses of this machine",
    },
    convert: {
      value: "PORT",
      help:
        `Serves clients of the 0-RTT Convert Protocol (RFC 8803) at this port, too:\n${CONVERT_PORT} is its own`,
    },
    "convert-from": {
      value: "NETWORK,…",
      several: true,
      help:
        "Whom it serves by their address, beside those that show the key's cookie:\n10.0.0.0/8,fd00::/8",
    },
    connections: { value: "NUMBER", help: "Most connections at once, 1 to 65535. Default: 1000" },
    json: { help: "Tells of each connection by a line of JSON on the standard output" },
    ...HOST_OPTIONS,
    ...via.VIA_OPTIONS,
  },
  run,
};
