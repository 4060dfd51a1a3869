/** `mptcp proxy`: SOCKS5 and HTTP CONNECT for any program, over MPTCP. */

import type { MptcpConn } from "../mod.ts";
import { type Command, type Given, readInteger, UsageError } from "./arguments.ts";
import { followAddresses } from "./follow_addresses.ts";
import { ConvertClient } from "./gateway/convert/client.ts";
import { CONVERT_PORT } from "./gateway/convert/message.ts";
import { DirectTargets } from "./gateway/direct.ts";
import { readKeyFile } from "./gateway/key.ts";
import { listenKernel, readEnd, readHost } from "./gateway/listen.ts";
import { warnUnknown } from "./gateway/names.ts";
import { ProxyServer } from "./gateway/proxy_server.ts";
import { isLocal } from "./gateway/relay_server.ts";
import { GatewayStatus } from "./gateway/status.ts";
import { formatTarget } from "./gateway/target.ts";
import { throughRelay } from "./gateway/upstream.ts";
import { HOST_OPTIONS, openHost } from "./observed_host.ts";
import { Progress } from "./progress.ts";
import {
  CONNECT_TIMEOUT,
  GATEWAY_TCP,
  HANDSHAKE_TIMEOUT,
  RELAY_PORT,
  UPSTREAM_TIMES,
} from "./relay.ts";
import { awaitInterrupt } from "./signals.ts";
import * as via from "./udp_options.ts";

const DEFAULT_LISTEN = "127.0.0.1:1080";

async function run(args: Given): Promise<number> {
  if (args.positional.length > 0) {
    throw new UsageError(`mptcp proxy takes options only: it got "${args.positional.join(" ")}"`);
  }
  const file = args.value("key");
  const converts = args.value("convert") !== undefined;
  const to = args.value("relay") ?? args.value("convert");
  if (to === undefined || (file === undefined && !converts)) {
    throw new UsageError(
      `mptcp proxy needs --relay HOST:PORT and --key FILE, the key that the relay has; or --convert HOST`,
    );
  }
  if (converts && args.value("relay") !== undefined) {
    throw new UsageError("mptcp proxy goes by --relay or by --convert: give one of them");
  }
  const port = converts ? CONVERT_PORT : RELAY_PORT;
  const relay = readHost(to, converts ? "convert" : "relay", port);
  const listen = readEnd(
    args.value("listen") ?? DEFAULT_LISTEN,
    "listen",
    `ADDRESS:PORT, such as ${DEFAULT_LISTEN}`,
  );
  via.refuseDirectOverUdp(args);
  const most = readInteger(args, "connections", 1000, [1, 65535]);
  const key = file === undefined ? null : await readKeyFile(file);
  const progress = new Progress();
  const status = new GatewayStatus(progress, args.has("json"));
  using interrupt = awaitInterrupt();
  try {
    await using opened = await openHost("proxy", args, progress, {
      tcp: GATEWAY_TCP,
      interfaces: await via.gatewayInterfaces(args, key, false, relay.host),
    });
    const { host } = opened;
    using _following = followAddresses(opened.interfaces, (line) => progress.log(line));
    const udpPort = via.sayUdpPort(args);
    const direct = args.has("direct") ? new DirectTargets(host) : null;
    const dial = (data?: Uint8Array, from?: string | null): Promise<MptcpConn> =>
      host.connect({
        hostname: relay.host,
        port: relay.port,
        ...(typeof from === "string" && { localAddress: from }),
        connectTimeout: `${CONNECT_TIMEOUT} ms`,
        ...(data !== undefined && { data, tcp: { ...GATEWAY_TCP, fastOpen: true } }),
      }).catch((error) => {
        throw via.explainSilence(error, formatTarget(relay), udpPort);
      });
    const times = UPSTREAM_TIMES;
    const proxy = new ProxyServer<MptcpConn>({
      upstream: converts || key === null
        ? new ConvertClient({
          dial,
          beginsAt: ({ localAddr }) => localAddr.hostname,
          key,
          times,
          onSupported: sayWithoutMptcp(progress),
        })
        : throughRelay(dial, key, times),
      most,
      handshakeTimeout: HANDSHAKE_TIMEOUT,
      ...(direct !== null && { direct: (target) => direct.connect(target) }),
      begun: (target, conn, straight) =>
        status.watch(
          conn,
          straight ? formatTarget(target) : converts ? "the converter" : "the relay",
          "received",
        ),
      done: (done, conn) => status.tell(done, conn),
    });
    const listener = await listenKernel(
      listen,
      (stream) => proxy.serve(stream, stream.remoteAddress),
    );
    const at = formatTarget(listener.address);
    progress.log(
      `Proxy (SOCKS5 and HTTP CONNECT) at ${at}, ${converts ? "Transport Converter" : "relay"} ${
        formatTarget(relay)
      }. Ctrl-C ends.`,
    );
    const paths = opened.interfaces.map(({ link, addresses }) =>
      `${link.name} (${addresses.map((each) => each.replace(/\/.*$/, "")).join(", ")})`
    );
    progress.log(`Paths: ${paths.join(", ")}${udpPort === "" ? "" : `, ${udpPort}`}.`);
    if (!isLocal(listener.address.host) || /^(0\.0\.0\.0|::)$/.test(listener.address.host)) {
      progress.log(`Whoever reaches ${at} may use it: the proxy asks programs for no password.`);
    }
    progress.log(`By ${opened.policies}`);
    void warnUnknown(relay.host, converts ? "convert" : "relay", (line) => progress.log(line));
    progress.log(`Try: curl --proxy socks5h://${at} https://example.org`);
    await Promise.race([interrupt.come, opened.ended]);
    listener.close();
    await host.close();
    return 0;
  } finally {
    progress.stop();
  }
}

/** TCP option Kind of Multipath TCP. */
const MPTCP = 30;

/** A word where a converter has no service for MPTCP: what goes there is plain TCP, perhaps. */
function sayWithoutMptcp(progress: Progress): (kinds: readonly number[]) => void {
  return (kinds) => {
    if (kinds.includes(MPTCP)) return;
    progress.log("The converter does not say that it has a service for Multipath TCP (RFC 8803).");
  };
}

/** The command. */
export const PROXY: Command = {
  name: "proxy",
  summary: "SOCKS5 and HTTP CONNECT for any program, over several paths to a relay",
  text:
    `Programs connect to one port by SOCKS5 (names go to the relay: socks5h://) or by HTTP CONNECT.
Each of their connections is one MPTCP connection to \`mptcp relay\`, which connects on. Where MPTCP
does not come through it is plain TCP, and the line about it says so.
Bytes travel as the programs send them: who needs secrecy uses TLS or SSH in the program.
Through TUN devices it needs Linux, --allow-ffi, and CAP_NET_ADMIN to make them; with --via udp it
needs nothing, on any system, and is faster on Linux with --allow-ffi.`,
  examples: [
    [
      "mptcp proxy --relay relay.example.org --key relay.key",
      "then: curl --proxy socks5h://127.0.0.1:1080 https://example.org",
    ],
    [
      "mptcp proxy --relay 10.78.1.2:1081 --key relay.key --json",
      "a line of JSON for each connection",
    ],
    [
      "mptcp proxy --relay relay.example.org --key relay.key --via udp",
      "over UDP from each address of this machine, to a relay with --via udp",
    ],
    [
      "mptcp proxy --relay 10.78.1.2 --key relay.key --direct",
      "past the relay where servers speak MPTCP",
    ],
  ],
  options: {
    relay: {
      value: "HOST[:PORT]",
      alias: "r",
      help: `The relay; needed, or --convert. Default port: ${RELAY_PORT}`,
    },
    convert: {
      value: "HOST[:PORT]",
      help:
        `A Transport Converter (RFC 8803) in place of a relay; names are looked up\nhere.\nDefault port: ${CONVERT_PORT}`,
    },
    key: {
      value: "FILE",
      alias: "k",
      help: "The shared key; needed for a relay. A converter is shown a cookie made of it",
    },
    listen: {
      value: "ADDRESS:PORT",
      alias: "l",
      help: `Where programs connect to. Default: ${DEFAULT_LISTEN}`,
    },
    direct: {
      help:
        "Connects to servers that speak MPTCP themselves without the relay; their\nnames are looked up here",
    },
    connections: { value: "NUMBER", help: "Most connections at once, 1 to 65535. Default: 1000" },
    json: { help: "Tells of each connection by a line of JSON on the standard output" },
    ...HOST_OPTIONS,
    ...via.VIA_OPTIONS,
  },
  run,
};
