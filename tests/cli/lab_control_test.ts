import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { readConnections, readEvent } from "../../cli/lab_control.ts";
import { formatEvent } from "../../cli/watch.ts";

const CONNECTIONS = [
  "ESTAB 842    0      10.77.1.1:52548 10.77.1.2:7777  skmem:(r842,rb131072,t0,tb3943936,f0,w7,o0,bl0,d0) subflows:1 subflows_max:2 remote_key token:169a35b2 write_seq:5556b886274839f snd_una:5556b886274839f rcv_nxt:573cd92f99fe186f",
  "ESTAB 0 0 [fd00:77:1::1]:80 [fd00:77:1::2]:4000 skmem:(r0,rb131072,t0,tb3943936,f0,w0,o0,bl0,d0) fallback token:00000001",
].join("\n");
const SUBFLOWS = [
  "ESTAB 0      0      10.77.1.1:52548 10.77.1.2:7777  cubic wscale:10,10 rto:204 rtt:0.035/0.019 ato:40 mss:1428 cwnd:11 bytes_sent:1000 bytes_retrans:100 bytes_acked:901 bytes_received:10 unacked:2 lost:1 tcp-ulp-mptcp flags:Mmec token:0000(id:0)/169a35b2(id:0) seq:1 sfseq:1 ssnoff:1 maplen:a",
  "ESTAB 0      0      10.77.2.1%mptcp1:999 10.77.2.2:7777 cubic mss:1428 cwnd:10 bytes_sent:5 tcp-ulp-mptcp flags:JjBecv token:0000(id:2)/169a35b2(id:3) seq:1 sfseq:1 ssnoff:1 maplen:a",
  "ESTAB 0      0      10.77.1.1:22 10.77.1.2:7778  cubic cwnd:10",
].join("\n");

describe("what iproute2 prints of a lab's kernel", () => {
  it("is read as connections with their subflows, by the token", () => {
    const [first, second] = readConnections(CONNECTIONS, SUBFLOWS) as {
      local: object;
      remote: object;
      mptcp: object;
      skmem: object;
      subflows: {
        id: number;
        local: object;
        backup: boolean;
        tcp: Record<string, number>;
      }[];
    }[];
    assertEquals([first!.local, first!.remote], [
      { address: "10.77.1.1", port: 52548 },
      { address: "10.77.1.2", port: 7777 },
    ]);
    assertEquals(first!.mptcp, {
      token: 0x169a35b2,
      flags: 2,
      subflows: 1,
      bytes_sent: 905,
      bytes_acked: 901,
      bytes_received: 10,
    });
    assertEquals(first!.skmem, {
      rmem_alloc: 842,
      rcvbuf: 131072,
      wmem_queued: 7,
      sndbuf: 3943936,
    });
    const [one, two] = first!.subflows;
    assertEquals([first!.subflows.length, one!.id, two!.id], [2, 1, 2]);
    assertEquals([one!.backup, two!.backup], [false, true]);
    assertEquals(two!.local, { address: "10.77.2.1", port: 999 });
    const { state, rtt, snd_mss, snd_cwnd, unacked, lost } = one!.tcp;
    assertEquals([state, rtt, snd_mss, snd_cwnd, unacked, lost], [1, 35, 1428, 11, 2, 1]);
    assertEquals(second!.local, { address: "fd00:77:1::1", port: 80 });
    assertEquals([second!.mptcp, second!.subflows], [{
      token: 1,
      flags: 1,
      subflows: 0,
      bytes_sent: 0,
      bytes_acked: 0,
      bytes_received: 0,
    }, []]);
  });

  it("is read as events, which are printed as they came", () => {
    const lines = [
      "[       CREATED] token=93f72904 remid=0 locid=0 saddr4=10.77.1.2 daddr4=10.77.1.1 sport=80 dport=34238 flags=2",
      "[     SF_CLOSED] token=93f72904 remid=1 locid=1 saddr6=fd00::1 daddr6=fd00::2 sport=80 dport=36385 backup=1 error=104 reset_reason=6 reset_flags=0x1",
      "[        CLOSED] token=00000904",
      "[       REMOVED] token=93f72904 remid=5",
    ];
    for (const line of lines) assertEquals(formatEvent(readEvent(line)!), line);
    assertEquals(readEvent("[UNKNOWN 15]"), { event: "LISTENER_CREATED" });
    assertEquals(readEvent("[UNKNOWN 16]"), { event: "LISTENER_CLOSED" });
    assertEquals([readEvent(""), readEvent("Cannot open")], [null, null]);
  });
});
