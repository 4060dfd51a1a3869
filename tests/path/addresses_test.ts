import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { Addresses, Announcer } from "../../core/path/addresses.ts";
import { DEFAULT_LIMITS } from "../../core/path/limits.ts";
import type { HostAddress, PathSpec } from "../../core/plugin.ts";
import { toyLocal } from "../kit/toy_paths.ts";
import { ToyEvents } from "../kit/toy_events.ts";

const FIRST: PathSpec = {
  local: { ...toyLocal("10.0.0.1", "wifi"), id: 0 },
  remote: { address: "10.9.0.1", port: 80, id: 0, family: 4, link: "" },
};

function tables(limits = {}): Addresses {
  return new Addresses(FIRST, { ...DEFAULT_LIMITS, ...limits });
}

describe("Addresses", () => {
  it("counts ids of further local addresses from 1", () => {
    const addresses = tables();
    assertEquals(addresses.addLocal(toyLocal("10.1.0.1", "cellular"))?.id, 1);
    assertEquals(addresses.addLocal(toyLocal("fd00::1", "wifi"))?.id, 2);
    assertEquals(addresses.addLocal(toyLocal("fd00::1", "wifi")), null);
    assertEquals(addresses.locals.map(({ id }) => id), [0, 1, 2]);
  });

  it("uses an id again only when all have been used", () => {
    const addresses = tables();
    for (let i = 1; i <= 255; i++) {
      const text = `10.${i}.0.1`;
      assertEquals(addresses.addLocal(toyLocal(text, "wifi"))?.id, i);
      if (i !== 7) addresses.removeLocal(text);
    }
    for (const id of [1, 2, 3, 4, 5, 6, 8]) {
      assertEquals(addresses.addLocal(toyLocal(`10.0.${id}.2`, "wifi"))?.id, id);
    }
  });

  it("bounds its tables", () => {
    const addresses = tables({ addresses: 2 });
    assert(addresses.addLocal(toyLocal("10.1.0.1", "cellular")));
    assertEquals(addresses.addLocal(toyLocal("10.2.0.1", "cellular")), null);
    assertEquals(addresses.announced(1, { address: "10.9.0.2", port: 0 }), "added");
    assertEquals(addresses.announced(2, { address: "10.9.0.3", port: 0 }), "full");
  });

  it("takes as many announced addresses as the limit allows", () => {
    const addresses = tables({ addAddrAccepted: 1 });
    assertEquals(addresses.announced(1, { address: "10.9.0.2", port: 0 }), "added");
    assertEquals(addresses.announced(2, { address: "10.9.0.3", port: 0 }), "full");
    addresses.removeRemote(1);
    assertEquals(addresses.announced(2, { address: "10.9.0.3", port: 0 }), "added");
  });

  it("takes no address any more of a peer that gives and takes back without end", () => {
    const addresses = tables();
    let taken = 0;
    for (let i = 0; i < 1000; i++) {
      const id = 1 + i % 255;
      const address = `10.9.${i >> 8}.${i & 255}`;
      if (addresses.announced(id, { address, port: 0 }) === "added") taken++;
      addresses.removeRemote(id);
    }
    assertEquals(taken, 256);
  });

  it("takes the first subflow's port where none was announced (RFC 8684 §3.9.1)", () => {
    const addresses = tables();
    addresses.announced(1, { address: "10.9.0.2", port: 0 });
    assertEquals(addresses.remote(1)?.port, 80);
    assertEquals(addresses.announced(1, { address: "10.9.0.2", port: 8080 }), "changed");
    assertEquals(addresses.remote(1)?.port, 8080);
  });

  it("keeps the address of an id (RFC 8684 §3.4.1)", () => {
    const addresses = tables();
    addresses.announced(1, { address: "10.9.0.2", port: 0 });
    assertEquals(addresses.announced(1, { address: "10.9.0.3", port: 0 }), "conflict");
    assertEquals(addresses.remote(1)?.address, "10.9.0.2");
  });

  it("knows the peer's first address under another id as what it is", () => {
    assertEquals(tables().announced(5, { address: "10.9.0.1", port: 80 }), "known");
  });

  it("learns an address from a join, also behind a translator (PM-2)", () => {
    const addresses = tables();
    const { address, added } = addresses.joined(4, { address: "203.0.113.9", port: 61234 });
    assertEquals([address.address, address.port, address.id, added], ["203.0.113.9", 80, 4, true]);
    addresses.announced(6, { address: "192.168.0.5", port: 0 });
    const known = addresses.joined(6, { address: "203.0.113.9", port: 61235 });
    assertEquals([known.address.address, known.added], ["192.168.0.5", false]);
  });
});

/** A transport that writes down what is sent, and when. */
class Sent {
  readonly events = new ToyEvents();
  readonly paths = [{ srtt: 100e3 }];
  readonly log: string[] = [];
  get now(): number {
    return this.events.now;
  }
  at(time: number, callback: () => void): () => void {
    return this.events.at(time, callback);
  }
  sendAddAddr(address: HostAddress): void {
    this.log.push(`${this.now / 1e6} ${address.id}`);
  }
}

function local(id: number): HostAddress {
  return { ...toyLocal(`10.${id}.0.1`, "wifi"), id };
}

describe("Announcer", () => {
  it("sends nothing before it is started", () => {
    const sent = new Sent();
    const announcer = new Announcer(sent);
    announcer.announce(local(1));
    sent.events.run(10e6);
    assertEquals(sent.log, []);
    announcer.start();
    assertEquals(sent.log, ["10 1"]);
    announcer.stop();
  });

  it("sends again with exponential back-off, six times in all", () => {
    const sent = new Sent();
    const announcer = new Announcer(sent);
    announcer.start();
    announcer.announce(local(1));
    sent.events.run(1000e6);
    assertEquals(sent.log, ["0 1", "1 1", "3 1", "7 1", "15 1", "31 1"]);
    assertEquals(announcer.unconfirmed, 0);
  });

  it("waits two round trips for an echo where those are long", () => {
    const sent = new Sent();
    sent.paths.push({ srtt: 3e6 });
    const announcer = new Announcer(sent);
    announcer.start();
    announcer.announce(local(1));
    sent.events.run(18e6);
    assertEquals(sent.log, ["0 1", "6 1", "18 1"]);
  });

  it("stops when the echo comes", () => {
    const sent = new Sent();
    const announcer = new Announcer(sent);
    announcer.start();
    announcer.announce(local(1));
    sent.events.run(1.5e6);
    assertEquals(announcer.echo(1)?.id, 1);
    assertEquals(announcer.echo(1), null);
    sent.events.run(1000e6);
    assertEquals(sent.log, ["0 1", "1 1"]);
  });

  it("announces once, whatever the times it is asked", () => {
    const sent = new Sent();
    const announcer = new Announcer(sent);
    announcer.start();
    announcer.announce(local(1));
    announcer.echo(1);
    announcer.announce(local(1));
    sent.events.run(1000e6);
    assertEquals(sent.log, ["0 1"]);
    announcer.announce({ ...local(1), port: 8080 });
    assertEquals(sent.log.length, 2);
    announcer.stop();
  });

  it("sends one at a time, and the next when the last is echoed or has had its turn", () => {
    const sent = new Sent();
    const announcer = new Announcer(sent);
    announcer.start();
    for (const id of [1, 2, 3]) announcer.announce(local(id));
    sent.events.run(0.1e6);
    assertEquals(sent.log, ["0 1"]);
    announcer.echo(1);
    assertEquals(sent.log, ["0 1", "0.1 2"]);
    sent.events.run(1.2e6);
    assertEquals(sent.log, ["0 1", "0.1 2", "1.1 3"]);
    announcer.echo(3);
    assertEquals(sent.log.at(-1), "1.2 2");
    announcer.stop();
  });

  it("tells the peer of a withdrawal only when it may know of the address", () => {
    const sent = new Sent();
    const announcer = new Announcer(sent);
    announcer.announce(local(1));
    assertEquals(announcer.withdraw(1), false);
    announcer.start();
    announcer.announce(local(2));
    announcer.announce(local(3));
    assertEquals(announcer.withdraw(2), true);
    assertEquals(sent.log, ["0 2", "0 3"]);
    assertEquals(announcer.withdraw(3), true);
    sent.events.run(1000e6);
    assertEquals(sent.log.length, 2);
  });

  it("leaves no timer when it is stopped", () => {
    const sent = new Sent();
    const announcer = new Announcer(sent);
    announcer.start();
    announcer.announce(local(1));
    announcer.stop();
    sent.events.run(1000e6);
    assertEquals(sent.log, ["0 1"]);
  });
});
