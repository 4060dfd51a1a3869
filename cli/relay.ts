/** `mptcp relay`: the far end of `mptcp proxy`. */

import { Host, type MptcpConn, type TcpOptions } from "../mod.ts";
import { sayFaults } from "../core/net/faults.ts";
import { type Command, type Given, readInteger, UsageError } from "./arguments.ts";
import { openControl } from "./control.ts";
import { type KernelListener, listenKernel, readEnd } from "./gateway/listen.ts";
import { readKeyFile } from "./gateway/key.ts";
import { dialKernel, RelayServer } from "./gateway/relay_server.ts";
import { GatewayStatus } from "./gateway/status.ts";
import type { ByteStream } from "./gateway/stream.ts";
import { formatTarget, type Target } from "./gateway/target.ts";
import { PLUGIN_OPTIONS, readPolicies } from "./policies.ts";
import { Progress } from "./progress.ts";
import { untilInterrupted } from "./signals.ts";
import { TUN_OPTIONS, tunInterfaces } from "./tun_options.ts";

/** Where a relay listens unless told otherwise. */
export const RELAY_PORT = 1081;
/** Milliseconds in which the key has to be shown. */
export const HANDSHAKE_TIMEOUT = 10_000;
/** Milliseconds to connect to a target. */
export const CONNECT_TIMEOUT = 10_000;
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
  const key = await readKeyFile(file);
  const port = readInteger(args, "port", RELAY_PORT, [1, 65535]);
  const most = readInteger(args, "connections", 1000, [1, 65535]);
  const kernel = args.value("kernel");
  const end = kernel === undefined
    ? null
    : readEnd(kernel, "kernel", "ADDRESS:PORT, such as 0.0.0.0:1081");
  const allowLocal = args.has("allow-local");
  const policies = await readPolicies(args);
  const progress = new Progress();
  const status = new GatewayStatus(progress, args.has("json"));
  const dial = (target: Target): Promise<ByteStream> =>
    dialKernel(target, { allowLocal, timeout: CONNECT_TIMEOUT });
  const serve = (stream: ByteStream, conn?: MptcpConn): Promise<void> => {
    if (conn !== undefined) status.watch(conn, formatTarget(endOf(conn)), "sent");
    return relay.serve(stream, (done) => status.tell(done, conn));
  };
  const relay = new RelayServer({ key, dial, most, handshakeTimeout: HANDSHAKE_TIMEOUT });
  try {
    if (end !== null) {
      const listener: KernelListener = await listenKernel(end, (stream) => serve(stream));
      progress.log(
        `Relay at ${formatTarget(listener.address)}, on sockets of the kernel. Ctrl-C ends.`,
      );
      await untilInterrupted();
      listener.close();
      return 0;
    }
    const interfaces = tunInterfaces(args);
    await using host = await Host.open({
      interfaces,
      onPluginFault: sayFaults((line) => progress.log(line)),
      tcp: GATEWAY_TCP,
      ...policies,
    });
    using _control = await openControl(host, "relay");
    using listener = host.listen({ port });
    const addresses = interfaces.flatMap(({ addresses }) => addresses);
    progress.log(
      `Relay at ${
        addresses.map((each) => formatTarget({ host: each.replace(/\/.*$/, ""), port })).join(", ")
      }. Ctrl-C ends.`,
    );
    const accepting = (async () => {
      for await (const conn of listener) void serve(conn, conn);
    })();
    await Promise.race([untilInterrupted(), accepting]);
    listener.close();
    await accepting;
    await host.close();
    return 0;
  } finally {
    progress.stop();
  }
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
speaks the kernel's MPTCP where it is run by mptcpize.`,
  examples: [
    ["mptcp relay --key relay.key", "on two TUN devices with the default addresses, port 1081"],
    [
      "mptcp relay --key relay.key --kernel 0.0.0.0:1081",
      "on sockets of the kernel, with its MPTCP where mptcpize run stands before it",
    ],
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
    connections: { value: "NUMBER", help: "Most connections at once. Default: 1000" },
    json: { help: "Tells of each connection by a line of JSON on the standard output" },
    ...TUN_OPTIONS,
    ...PLUGIN_OPTIONS,
  },
  run,
};
