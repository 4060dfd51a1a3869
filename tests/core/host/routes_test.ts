import { assert, assertEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { type LinkOutlet, Routes } from "../../../core/host/routes.ts";
import type { Waiter } from "../../../core/subflow/shared.ts";
import { parseAddress } from "../../../core/wire/ip.ts";
import { packetOut } from "../../../core/wire/packet.ts";
import { Dialogue, ScriptedLink } from "../../support/dialogue.ts";

/** Somebody who writes down that it was told; `then` follows. */
function waiter(name: string, log: string[], then: () => void = () => {}): Waiter {
  return {
    writable() {
      log.push(name);
      then();
    },
  };
}

function routes(): { routes: Routes; wifi: ScriptedLink; lte: ScriptedLink } {
  const routes = new Routes();
  const wifi = new ScriptedLink("wifi", [], 1500, 1);
  const lte = new ScriptedLink("lte", [], 1400, 1);
  for (const link of [wifi, lte]) routes.addLink(link);
  routes.addAddress(wifi, "10.0.0.5/24");
  routes.addAddress(lte, "10.0.9.7/16");
  routes.addAddress(lte, "fd00::7/64");
  return { routes, wifi, lte };
}

describe("routes", () => {
  it("CFG-2: a packet leaves by the link that owns its source", () => {
    const { routes: all, lte } = routes();
    assertEquals(all.find("10.0.9.7")?.outlet.link, lte);
    assertEquals(all.find("10.0.9.8"), undefined);
  });

  it("CFG-3: a source is chosen by the longest network that holds the destination, else the first of its family", () => {
    const { routes: all } = routes();
    const source = (to: string): string | undefined =>
      all.sourceFor(parseAddress(to)!)?.view.address;
    assertEquals(source("10.0.0.99"), "10.0.0.5");
    assertEquals(source("10.0.55.1"), "10.0.9.7");
    assertEquals(source("192.0.2.1"), "10.0.0.5");
    assertEquals(source("2001:db8::1"), "fd00::7");
  });

  it("leave out links that are down", () => {
    const { routes: all, wifi } = routes();
    all.outlets.get(wifi)!.setUp(false);
    assertEquals(all.sourceFor(parseAddress("10.0.0.99")!)?.view.address, "10.0.9.7");
    assertEquals(all.addresses.map(({ address }) => address), ["10.0.9.7", "fd00::7"]);
  });

  it("refuse what is no address, and links of others", () => {
    const { routes: all, wifi } = routes();
    assertThrows(() => all.addAddress(wifi, "10.0.0/24"), TypeError, '"10.0.0/24"');
    const other = new ScriptedLink("other", [], 1500, 1);
    assertThrows(() => all.addAddress(other, "10.1.0.1/24"), TypeError, '"other"');
  });
});

describe("the way back (what is accepted, and answers to strangers)", () => {
  for (const family of [4, 6] as const) {
    it(`is the link that a connection came by, whichever owns its address (IPv${family})`, () => {
      using d = new Dialogue({ family });
      const listener = d.listen();
      const peer = d.peer({ link: 1, toLink: 0 });
      peer.offers({}, "S", ["mpc"]);
      assertEquals(d.sent[0]?.link, "link1");
      peer.gets("S. 0 ack 1 <mpc key>");
      peer.sends(". 1 ack 1 <mpc keys>");
      const app = d.accept(listener);
      app.write(100);
      assertEquals(d.sent.map(({ link }) => link), ["link1"]);
      peer.gets("P. 1:101");
    });

    it(`is the link that a join came by (IPv${family})`, () => {
      using d = new Dialogue({ family });
      const { peer, app } = d.opened();
      const second = d.peer({ link: 1, toLink: 0, session: peer.session });
      second.offers({}, "S", ["join syn id 3"]);
      assertEquals(d.sent[0]?.link, "link1");
      second.gets("S. 0 ack 1 <join synack id 0>");
      d.pass(10e3);
      second.sends(". 1 ack 1 <join ack>");
      assertEquals(d.sent[0]?.link, "link1");
      second.gets(". 1 ack 1");
      assertEquals(app.socket.subflows.length, 2);
    });

    it(`is the link that a stranger's segment came by (IPv${family})`, () => {
      using d = new Dialogue({ family });
      const peer = d.peer({ link: 1, toLink: 0 });
      peer.sends(". 1 ack 1");
      assertEquals(d.sent[0]?.link, "link1");
      peer.gets("R 1");
      peer.offers({}, "S", ["join syn id 3"]);
      assertEquals(d.sent[0]?.link, "link1");
      peer.gets("R.");
    });
  }

  it("ends with the link that it leaves by", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened();
    const second = d.peer({ link: 1, toLink: 0, session: peer.session });
    second.offers({}, "S", ["join syn id 3"]);
    second.gets("S. 0 ack 1");
    d.pass(20e3);
    second.sends(". 1 ack 1 <join ack>");
    second.gets(". 1 ack 1");
    d.stack.setLinkUp(d.now, d.links[1]!, false);
    assertEquals(app.socket.subflows.map(({ path }) => path), [1]);
    d.sent.length = 0;
    app.write(10);
    peer.gets("P. 1:11");
  });
});

describe("a link whose device is gone", () => {
  it("is down for good, and with the last one connections end, at once and with the reason", () => {
    const told: [string, boolean][] = [];
    using d = new Dialogue({ gone: ({ name }, last) => told.push([name, last]) });
    const { peer, app } = d.opened();
    const second = d.peer({ link: 1, toLink: 0, session: peer.session });
    second.offers({}, "S", ["join syn id 3"]);
    second.gets("S. 0 ack 1");
    d.pass(20e3);
    second.sends(". 1 ack 1 <join ack>");
    second.gets(". 1 ack 1");
    for (let i = 0; i < 2; i++) d.stack.handleGone(d.now, d.links[1]!);
    d.stack.flush(d.now);
    assertEquals([told, app.socket.subflows.map(({ path }) => path)], [[["link1", false]], [1]]);
    d.stack.setLinkUp(d.now, d.links[1]!, true);
    d.sent.length = 0;
    app.write(10);
    peer.gets("P. 1:11");
    d.stack.handleGone(d.now, d.links[0]!);
    d.stack.flush(d.now);
    assertEquals([app.code, app.reason], ["NetworkUnreachable", "links-gone"]);
    assertEquals(told[1], ["link0", true]);
    d.silent();
  });
});

describe("a link that is full", () => {
  function blocked(): LinkOutlet {
    const { routes: all, wifi } = routes();
    const outlet = all.outlets.get(wifi)!;
    assert(outlet.send(packetOut()) && !outlet.blocked);
    wifi.full = true;
    assert(!outlet.send(packetOut()) && outlet.blocked);
    return outlet;
  }

  it("tells each of those who wait once, in the order in which they came", () => {
    const outlet = blocked();
    const log: string[] = [];
    const [a, b, c] = ["a", "b", "c"].map((name) => waiter(name, log));
    for (const each of [b!, a!, b!, c!, a!]) outlet.wait(each);
    assertEquals(log, []);
    outlet.unblock();
    assertEquals([log, outlet.blocked], [["b", "a", "c"], false]);
    outlet.unblock();
    assertEquals(log, ["b", "a", "c"]);
  });

  it("has who is refused again, as it is told, wait for the next time", () => {
    const outlet = blocked();
    const log: string[] = [];
    const again = waiter("again", log, () => {
      if (!outlet.send(packetOut())) outlet.wait(again);
    });
    outlet.wait(again);
    outlet.wait(waiter("once", log));
    outlet.unblock();
    assertEquals([log, outlet.blocked], [["again", "once"], true]);
    outlet.unblock();
    assertEquals(log, ["again", "once", "again"]);
  });
});
