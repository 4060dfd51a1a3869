/** A router whose routes take smaller packets than the links on both of its sides, between us and a kernel. */

import { assert, assertEquals } from "@std/assert";
import { it } from "@std/testing/bdd";
import { Host, tun } from "../../mod.ts";
import { makeNamespace, type Namespace } from "../../cli/namespace.ts";
import { needs } from "../support/tools.ts";
import { startPeer } from "./support/peer.ts";
import { Meeting } from "./support/stand.ts";

const SIZE = 2 << 20;

/** Addresses of a family: ours, the router's two, the kernel's. */
const ADDRESSES = {
  4: { ours: "10.77.1.2", near: "10.77.1.1", far: "10.78.1.1", theirs: "10.78.1.2", bits: 24 },
  6: {
    ours: "fd00:77:1::2",
    near: "fd00:77:1::1",
    far: "fd00:78:1::1",
    theirs: "fd00:78:1::2",
    bits: 64,
  },
} as const;

/** Joins `server` to `router`, whose routes, to us too, take packets of `mtu` bytes. */
async function join(
  router: Namespace,
  server: Namespace,
  family: 4 | 6,
  mtu: number,
): Promise<void> {
  const { near, far, theirs, bits } = ADDRESSES[family];
  const nodad = family === 6 ? "nodad" : "";
  // That of the route which it takes the place of.
  const metric = family === 6 ? "metric 256" : "";
  const net = (address: string): string =>
    family === 4 ? address.replace(/\d+$/, "0/24") : address.replace(/::.*$/, "::/64");
  await router.sysctl({
    [family === 4 ? "net/ipv4/ip_forward" : "net/ipv6/conf/all/forwarding"]: 1,
  });
  await router.ip(
    "tuntap add dev mptcp0 mode tun vnet_hdr",
    "link set mptcp0 up",
    `address add ${near}/${bits} dev mptcp0 ${nodad}`,
    `link add r0 type veth peer name s0 netns ${server.name}`,
    "link set r0 up",
    `address add ${far}/${bits} dev r0 ${nodad}`,
    // Neighbours are asked for from link-local addresses, which namespaces of ours do not give.
    ...(family === 6 ? ["address add fe80::1/64 dev r0 nodad"] : []),
    `route replace ${net(theirs)} dev r0 mtu ${mtu} ${metric}`,
    `route replace ${net(near)} dev mptcp0 mtu ${mtu} ${metric}`,
  );
  await server.ip(
    "link set s0 up",
    `address add ${theirs}/${bits} dev s0 ${nodad}`,
    ...(family === 6 ? ["address add fe80::2/64 dev s0 nodad"] : []),
    `route add default via ${far}`,
  );
}

needs("kernel", "python3", "iptables", "ip6tables").describe("a path of 1,400 bytes", () => {
  for (const family of [4, 6] as const) {
    for (const icmp of [true, false]) {
      it(`${icmp ? "" : "that says nothing "}between us and a kernel (IPv${family})`, async () => {
        await using router = await makeNamespace();
        await using server = await makeNamespace();
        await join(router, server, family, 1400);
        if (!icmp) {
          const rule = (
            protocol: string,
            option: string,
            kind: string,
          ): string[] => ["-A", "OUTPUT", "-p", protocol, option, kind, "-j", "DROP"];
          await (family === 4
            ? router.exec(["iptables", ...rule("icmp", "--icmp-type", "fragmentation-needed")])
            : router.exec(["ip6tables", ...rule("ipv6-icmp", "--icmpv6-type", "packet-too-big")]));
          // The kernel finds out by itself, after fewer timeouts than usual.
          await server.sysctl({ "net/ipv4/tcp_mtu_probing": 1, "net/ipv4/tcp_retries1": 1 });
        }
        const { ours, theirs, bits } = ADDRESSES[family];
        await using host = await Host.open({
          interfaces: [{
            link: tun("mptcp0", { namespace: router.name }),
            addresses: [`${ours}/${bits}`],
          }],
        });
        await using peer = await startPeer(server, "listen", "both", { host: theirs, size: SIZE });
        await using meeting = new Meeting(
          peer,
          await host.connect({ hostname: theirs, port: peer.port }),
        );
        let found = 0;
        const end = await meeting.exchange(SIZE, {
          received: () => void (found = meeting.conn.info().subflows[0]?.tcp.pmtu ?? found),
        });
        assertEquals(end.mptcp!.fallback, false);
        // Without a word from the router it is as much as the search has found so far.
        assert(icmp ? found === 1400 : found >= 1200 && found <= 1400, `${found}`);
        const told = host.counters[family === 4 ? "IcmpInDestUnreachs" : "Icmp6InPktTooBigs"] ?? 0;
        assertEquals(told > 0, icmp);
      });
    }
  }
});
