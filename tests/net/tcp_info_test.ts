/** Members of tcp_info that time makes: what a subflow was busy with, what is unanswered, what went again. */

import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { connectionInfo } from "../../core/net/info.ts";
import { fixedBuffer } from "../../core/subflow/settings.ts";
import { type App, Dialogue } from "../support/dialogue.ts";
import { joined } from "../support/joins.ts";

function tcp(d: Dialogue, app: App) {
  const { busy_time, rwnd_limited, sndbuf_limited, probes, retrans } =
    connectionInfo(app.socket, d.now).subflows[0]!.tcp;
  return { busy_time, rwnd_limited, sndbuf_limited, probes, retrans };
}

describe("info().subflows[0].tcp", () => {
  it("busy_time, rwnd_limited, probes: while something is in flight; while the window is shut, which is asked about", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened({ win: 1000, scale: null });
    d.pass(1e6);
    const none = { busy_time: 0, rwnd_limited: 0, sndbuf_limited: 0, probes: 0, retrans: 0 };
    assertEquals(tcp(d, app), none);
    app.write(500);
    d.pass(30e3);
    peer.takeAll();
    assertEquals(tcp(d, app), { ...none, busy_time: 30e3 });
    peer.sends(". 1 ack 501 win 500 <dack8 501>");
    d.pass(1e6);
    assertEquals(tcp(d, app), { ...none, busy_time: 30e3 });
    app.write(1000);
    peer.takeAll();
    peer.sends(". 1 ack 1001 win 0 <dack8 1001>");
    d.pass(150e3);
    assertEquals(tcp(d, app), { ...none, busy_time: 180e3, rwnd_limited: 150e3 });
    d.pass(150e3);
    assertEquals(tcp(d, app).probes, 1);
    peer.takeAll();
    peer.sends(". 1 ack 1001 win 1000 <dack8 1001>");
    assertEquals(tcp(d, app), { ...none, busy_time: 330e3, rwnd_limited: 300e3 });
  });

  it("sndbuf_limited: while nothing waits, as the send queue had no room", () => {
    using d = new Dialogue({ tcp: { sendBuffer: fixedBuffer(5000) } });
    const { peer, app } = d.opened();
    app.write(6000);
    peer.takeAll();
    d.pass(20e3);
    const { busy_time, sndbuf_limited } = tcp(d, app);
    assertEquals([busy_time, sndbuf_limited], [20e3, 20e3]);
  });

  it("retrans: what is in flight again", () => {
    using d = new Dialogue({ tcp: { tlp: false } });
    const { peer, app } = d.opened();
    app.write(1000);
    d.pass(300e3);
    peer.takeAll();
    assertEquals(tcp(d, app).retrans, 1);
    peer.acks();
    assertEquals(tcp(d, app).retrans, 0);
  });
});

describe("info().mptcp", () => {
  it("subflows counts those that joined, also when the first has gone; local_addr_used those of ours", () => {
    using d = new Dialogue();
    const { first, second, app } = joined(d);
    const of = () => {
      const { subflows, subflows_total, subflows_max, add_addr_accepted_max, local_addr_used } =
        connectionInfo(app.socket, d.now).mptcp;
      return [subflows, subflows_total, subflows_max, add_addr_accepted_max, local_addr_used];
    };
    assertEquals(of(), [1, 2, 8, 8, 0]);
    first.sends("R. 1 ack 1");
    second.takeAll();
    assertEquals(of(), [1, 1, 8, 8, 0]);
  });
});
