/** What happens to data whose subflow, or link, fails them. */

import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import type { SchedulerPlugin } from "../../../core/plugin.ts";
import { type App, Dialogue } from "../../support/dialogue.ts";
import { join } from "../../support/joins.ts";
import type { Peer } from "../../support/scripted_peer.ts";

const MSS = 1428;

/** The lowest path index that is ready. */
const inOrder: SchedulerPlugin = {
  kind: "scheduler",
  name: "in_order",
  create: () => ({ pick: (ready) => ready[0] ?? null }),
};

function twoSubflows(d: Dialogue): { first: Peer; second: Peer; app: App } {
  const { peer: first, app } = d.opened();
  const second = join(d, first, 1);
  d.silent();
  return { first, second, app };
}

function bytes(peer: Peer): number {
  return peer.takeAll().reduce((sum, { payload }) => sum + payload.length, 0);
}

describe("a subflow that dies", () => {
  it("leaves to the others at once what it had SACKed: the peer may have kept it on that subflow only (RFC 8684 §3.3.6)", () => {
    using d = new Dialogue({ policies: { scheduler: inOrder } });
    const { first, second, app } = twoSubflows(d);
    app.write(8 * MSS);
    assertEquals(bytes(first), 8 * MSS);
    // The first segment is lost, two others are SACKed, which is too few to tell.
    first.sends(`. ack 1 <dack8 1, sack ${1 + MSS}:${1 + 3 * MSS}>`);
    first.takeAll();
    first.sends("R. 1 ack 1");
    assertEquals(bytes(second), 8 * MSS);
  });

  it("leaves to the others at once what it had acknowledged without DATA_ACK", () => {
    using d = new Dialogue({ policies: { scheduler: inOrder } });
    const { first, second, app } = twoSubflows(d);
    app.write(8 * MSS);
    assertEquals(bytes(first), 8 * MSS);
    first.sends(`. ack ${1 + 8 * MSS} <dack8 1>`);
    first.sends(`R. 1 ack ${1 + 8 * MSS}`);
    assertEquals(bytes(second), 8 * MSS);
  });

  it("has nothing sent again that another subflow carries too", () => {
    const everywhere: SchedulerPlugin = {
      kind: "scheduler",
      name: "everywhere",
      create: () => ({ pick: (ready) => ready.length > 0 ? ready : null }),
    };
    using d = new Dialogue({ policies: { scheduler: everywhere } });
    const { first, second, app } = twoSubflows(d);
    app.write(2 * MSS);
    assertEquals([bytes(first), bytes(second)], [2 * MSS, 2 * MSS]);
    first.sends("R. 1 ack 1");
    d.silent();
  });
});

describe("a retransmission timeout", () => {
  it("lets the others repeat what was SACKed too: it waits behind the hole", () => {
    using d = new Dialogue({ policies: { scheduler: inOrder } });
    const { first, second, app } = twoSubflows(d);
    app.write(8 * MSS);
    first.takeAll();
    first.sends(`. ack 1 <dack8 1, sack ${1 + MSS}:${1 + 3 * MSS}>`);
    first.takeAll();
    // The reordering window is over, what goes again is lost too.
    d.untilSent();
    assertEquals(bytes(first), MSS);
    assert(d.untilSent() < 300e3);
    assertEquals(bytes(second), 8 * MSS);
  });
});

describe("a link that takes no more packets", () => {
  it("does not hold back what another link could carry", () => {
    using d = new Dialogue({ policies: { scheduler: inOrder } });
    const { first, second, app } = twoSubflows(d);
    d.links[0]!.full = true;
    app.write(2 * MSS);
    first.takeAll();
    assertEquals(bytes(second), 2 * MSS);
  });

  it("does not cost a subflow its life: what never left cannot time out again and again", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened();
    app.write(MSS);
    peer.takeAll();
    d.links[0]!.full = true;
    d.pass(3600e6);
    assertEquals(app.socket.subflows[0]!.sender.rtt.timeouts <= 2, true);
    d.links[0]!.full = false;
    d.stack.handleWritable(d.now, d.links[0]!);
    d.stack.flush(d.now);
    assertEquals(bytes(peer), MSS);
  });

  it("has the DATA_FIN as soon as it takes packets again", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened();
    d.links[0]!.full = true;
    app.finish();
    d.silent();
    d.links[0]!.full = false;
    d.stack.handleWritable(d.now, d.links[0]!);
    d.stack.flush(d.now);
    peer.gets(". 1 ack 1 <map 1 0 1 fin>");
  });

  it("has the keys of the third ACK when it takes packets again (RFC 8684 §3.1)", () => {
    using d = new Dialogue();
    d.connect();
    const peer = d.called();
    peer.gets("S 0 <mpc>");
    d.pass(20e3);
    d.links[0]!.full = true;
    peer.offers({}, "S.", ["mpc key"]);
    d.silent();
    d.links[0]!.full = false;
    d.stack.handleWritable(d.now, d.links[0]!);
    d.stack.flush(d.now);
    peer.gets(". 1 ack 1 <mpc keys>");
  });

  it("sends as new what it refused in the middle of a chunk: nothing was sent again", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened();
    const link = d.links[0]!;
    const send = link.send.bind(link);
    let left = 1;
    link.send = (...packet) => left-- > 0 && send(...packet);
    app.write(2 * MSS);
    assertEquals(bytes(peer), MSS);
    left = Infinity;
    d.stack.handleWritable(d.now, link);
    d.stack.flush(d.now);
    assertEquals(bytes(peer), MSS);
    const { retransmits, bytesSent } = app.socket.subflows[0]!.sender;
    assertEquals([retransmits, bytesSent], [0, 2 * MSS]);
    assert(!app.socket.subflows[0]!.inRecovery);
  });

  it("sends MP_PRIO when it takes packets again", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened();
    const second = join(d, peer, 1);
    d.links.forEach((link) => link.full = true);
    app.socket.paths.context.setBackup(2, true);
    d.silent();
    for (const link of d.links) {
      link.full = false;
      d.stack.handleWritable(d.now, link);
    }
    d.stack.flush(d.now);
    assert(second.takeAll().some(({ options }) => options.includes("prio backup")));
  });
});
