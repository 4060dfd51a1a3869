import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { reno } from "../../cc/mod.ts";
import { fullMesh } from "../../pm/mod.ts";
import { minRtt } from "../../sched/mod.ts";
import type { ElementFactory } from "../../core/link/sim/elements/element.ts";
import { gatherPacket } from "../../core/link/sim/elements/packet.ts";
import { emulate, type PathOptions } from "../../core/net/emulate.ts";
import { connectionInfo, type TcpInfo } from "../../core/net/info.ts";
import { provideDefaults } from "../../core/net/policies.ts";
import { fakePair } from "../support/fake_hosts.ts";

provideDefaults({ scheduler: minRtt(), pathManager: fullMesh(), congestionControl: reno() });

/** Members of Linux's `struct mptcp_info` and `struct tcp_info` (6.18), without their prefixes. */
const MPTCP_INFO = new Set(
  ("subflows add_addr_signal add_addr_accepted subflows_max add_addr_signal_max add_addr_accepted_max flags token write_seq snd_una rcv_nxt " +
    "local_addr_used local_addr_max csum_enabled retransmits bytes_retrans bytes_sent bytes_received bytes_acked subflows_total endp_laminar_max " +
    "last_data_sent last_data_recv last_ack_recv").split(" "),
);
const TCP_INFO = new Set(
  ("state ca_state retransmits probes backoff options snd_wscale rcv_wscale delivery_rate_app_limited fastopen_client_fail rto ato snd_mss rcv_mss " +
    "unacked sacked lost retrans fackets last_data_sent last_ack_sent last_data_recv last_ack_recv pmtu rcv_ssthresh rtt rttvar snd_ssthresh " +
    "snd_cwnd advmss reordering rcv_rtt rcv_space total_retrans pacing_rate max_pacing_rate bytes_acked bytes_received segs_out segs_in " +
    "notsent_bytes min_rtt data_segs_in data_segs_out delivery_rate busy_time rwnd_limited sndbuf_limited delivered delivered_ce bytes_sent " +
    "bytes_retrans dsack_dups reord_seen rcv_ooopack snd_wnd rcv_wnd rehash").split(" "),
);

describe("conn.info()", () => {
  it("has the kernel's names", async () => {
    await using net = emulate({ paths: { a: { rate: "10 Mbit/s", delay: "5 ms" } } });
    const listener = net.server.listen({ port: 80 });
    const conn = await net.client.connect({ hostname: "server", port: 80 });
    const { mptcp, subflows } = conn.info();
    assertEquals(Object.keys(mptcp).filter((name) => !MPTCP_INFO.has(name)), []);
    assertEquals(Object.keys(subflows[0]!.tcp).filter((name) => !TCP_INFO.has(name)), []);
    for (const value of [...Object.values(mptcp), ...Object.values(subflows[0]!.tcp)]) {
      assert(typeof value === "bigint" || Number.isSafeInteger(value), String(value));
    }
    listener.close();
  });

  it("tells what both sides did", async () => {
    await using net = emulate({
      paths: { a: { rate: "20 Mbit/s", delay: "10 ms" }, b: { rate: "10 Mbit/s", delay: "30 ms" } },
    });
    using listener = net.server.listen({ port: 80 });
    using conn = await net.client.connect({ hostname: "server", port: 80 });
    using peer = await listener.accept();
    const before = conn.info();
    assertEquals(before.mptcp.flags, 2);
    assertEquals(before.mptcp.subflows, 0);
    const size = 1e6;
    await conn.write(new Uint8Array(size));
    const buffer = new Uint8Array(65536);
    let received = 0;
    while (received < size) received += (await peer.read(buffer))!;
    await net.sleep("1 s");
    const client = conn.info();
    const server = peer.info();
    assertEquals(client.mptcp.bytes_sent, size);
    assertEquals(client.mptcp.bytes_acked, size);
    assertEquals(server.mptcp.bytes_received, size);
    assertEquals(client.mptcp.write_seq - before.mptcp.write_seq, BigInt(size));
    assertEquals(client.mptcp.snd_una, client.mptcp.write_seq);
    assertEquals(server.mptcp.rcv_nxt, client.mptcp.write_seq);
    assertEquals(client.mptcp.subflows, 1);
    assertEquals(client.mptcp.subflows_total, 2);
    assertEquals(client.subflows.map(({ path }) => path), [1, 2]);
    assertEquals(client.subflows.map(({ local }) => local.address), ["10.0.1.1", "10.0.2.1"]);
    const [first, second] = client.subflows;
    assert(Math.abs(first!.tcp.min_rtt - 20e3) < 2e3, `${first!.tcp.min_rtt}`);
    assert(Math.abs(second!.tcp.min_rtt - 60e3) < 3e3, `${second!.tcp.min_rtt}`);
    assertEquals(first!.tcp.state, 1);
    assertEquals(first!.tcp.last_data_sent >= 1000, true);
    const carried = first!.tcp.bytes_acked + second!.tcp.bytes_acked;
    assert(carried >= size && first!.tcp.bytes_acked > 0 && second!.tcp.bytes_acked > 0);
  });

  it("tells of loss, reordering, copies and marks as the kernel does, and of nothing where nothing was", async () => {
    const figures = async (paths: PathOptions): Promise<[TcpInfo, TcpInfo]> => {
      await using net = emulate({ paths: { a: paths }, tcp: { ecn: "request" } });
      using listener = net.server.listen({ port: 80 });
      using conn = await net.client.connect({ hostname: "server", port: 80 });
      using peer = await listener.accept();
      const writing = (async () => {
        await conn.write(new Uint8Array(1e6));
        await conn.closeWrite();
      })();
      let received = 0;
      for await (const piece of peer.readable) received += piece.length;
      await writing;
      assertEquals(received, 1e6);
      await net.sleep("1 s");
      return [conn.info().subflows[0]!.tcp, peer.info().subflows[0]!.tcp];
    };
    const path = { rate: "10 Mbit/s", delay: "10 ms", queue: 1000 } as const;
    const [sent, got] = await figures(path);
    assertEquals([sent.delivered_ce, sent.dsack_dups, got.rcv_ooopack], [0, 0, 0]);
    assertEquals([got.data_segs_in, sent.data_segs_in, got.data_segs_out], [
      sent.data_segs_out,
      0,
      0,
    ]);
    assert(got.rcv_mss > 1400 && sent.rcv_mss === 536, `${got.rcv_mss}`);
    const least = Math.floor(1e6 / sent.snd_mss);
    assert(sent.data_segs_out >= least && sent.delivered >= least, `${sent.delivered}`);
    const [lost, hole] = await figures({ ...path, loss: 0.02 });
    assert(hole.rcv_ooopack > 0 && lost.data_segs_out > hole.data_segs_in);
    const copies: ElementFactory = {
      name: "copies",
      create: (context, output) => ({
        push(packet) {
          context.complete(packet);
          const { address, length } = packet;
          const copy = gatherPacket(address, length, address, 0, address, 0);
          output(packet);
          if (copy !== null) output(copy);
        },
      }),
    };
    assert((await figures({ ...path, elements: [copies] }))[0].dsack_dups > 0);
    const [marked] = await figures({ ...path, queue: { packets: 1000, mark: 10 } });
    assert(marked.delivered_ce > 0 && marked.delivered_ce < marked.delivered);
  });

  it("wraps data sequence numbers at 64 bits", async () => {
    const { client, clientSocket } = await fakePair();
    assertEquals(client.info().mptcp.write_seq, 0xffffffffffffffffn);
    clientSocket.bytesSent = clientSocket.bytesAcked = 5;
    assertEquals(client.info().mptcp.write_seq, 4n);
    assertEquals(client.info().mptcp.snd_una, 4n);
    assertEquals(client.info().mptcp.rcv_nxt, 0x100000003n);
    assertEquals(client.info().mptcp.token, 0xfedcba98);
  });

  it("tells of a fallback", async () => {
    const { clientSocket } = await fakePair();
    clientSocket.fallback = true;
    assertEquals(connectionInfo(clientSocket, 5000).mptcp.flags, 1);
    assertEquals(connectionInfo(clientSocket, 5999).mptcp.last_data_recv, 5);
  });
});
