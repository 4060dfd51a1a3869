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
  // RFC 8684 §3.4.1: "The Address ID MUST uniquely identify the address for the sender of the option"
  it("counts ids of further local addresses from 1", () => {
    const addresses = tables();
    assertEquals(addresses.addLocal(toyLocal("10.1.0.1", "cellular"))?.id, 1);
    assertEquals(addresses.addLocal(toyLocal("fd00::1", "wifi"))?.id, 2);
    assertEquals(addresses.addLocal(toyLocal("fd00::1", "wifi")), null);
    assertEquals(addresses.locals.map(({ id }) => id), [0, 1, 2]);
  });

  // RFC 8684 §3.4.1: "The Address ID MUST uniquely identify the address for the sender of the option"
  // RFC 8684 §3.4.1: "the address MUST be the same as the address previously assigned to this Address ID"
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

  // RFC 8684 §3.4.1: "an implementation MAY discard incoming address advertisements at will"
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

  // RFC 8684 §3.9.1: "the destination port of a SYN containing an MP_JOIN option SHOULD be the same as the remote port of the first subflow in the
  // connection"
  // RFC 8684 §3.9.1: "an MPTCP implementation SHOULD use the same ports as the ports that are already in use"
  it("takes the first subflow's port where none was announced (RFC 8684 §3.9.1)", () => {
    const addresses = tables();
    addresses.announced(1, { address: "10.9.0.2", port: 0 });
    assertEquals(addresses.remote(1)?.port, 80);
    assertEquals(addresses.announced(1, { address: "10.9.0.2", port: 8080 }), "changed");
    assertEquals(addresses.remote(1)?.port, 8080);
  });

  // RFC 8684 §3.4.1: "an implementation MAY choose to cache these address advertisements even if they are not currently relevant"
  it("keeps an address of a family that this host has not, for the day that it has", () => {
    const addresses = tables();
    assertEquals(addresses.locals.every(({ family }) => family === 4), true);
    assertEquals(addresses.announced(1, { address: "2001:db8::1", port: 0 }), "added");
    assertEquals(addresses.remote(1)?.family, 6);
  });

  // RFC 8684 §3.2: "A host MUST store the mappings between Address IDs and addresses both for itself and the remote host."
  it("keeps the address of an id (RFC 8684 §3.4.1)", () => {
    const addresses = tables();
    addresses.announced(1, { address: "10.9.0.2", port: 0 });
    assertEquals(addresses.announced(1, { address: "10.9.0.3", port: 0 }), "conflict");
    assertEquals(addresses.remote(1)?.address, "10.9.0.2");
  });

  it("knows the peer's first address under another id as what it is", () => {
    assertEquals(tables().announced(5, { address: "10.9.0.1", port: 80 }), "known");
  });

  // RFC 8684 §3.2: "A host MUST store the mappings between Address IDs and addresses both for itself and the remote host."
  // RFC 8684 §3.4.1: "All Address IDs learned via either MP_JOIN or ADD_ADDR SHOULD be stored by the receiver in a data structure"
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
  /** Nothing can carry a REMOVE_ADDR. */
  bare = false;
  announcer: Announcer | null = null;
  sendAddAddr(address: HostAddress): boolean {
    this.log.push(`${this.now / 1e6} ${address.id}`);
    return true;
  }
  sendRemoveAddr(ids: readonly number[]): boolean {
    if (!this.bare) this.log.push(`${this.now / 1e6} remove ${ids.join()}`);
    return !this.bare;
  }
  dirty(): void {
    this.events.at(this.now, () => this.announcer?.flush());
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
    assertEquals(announcer.echo(1, local(1))?.id, 1);
    assertEquals(announcer.echo(1, local(1)), null);
    sent.events.run(1000e6);
    assertEquals(sent.log, ["0 1", "1 1"]);
  });

  it("announces once, whatever the times it is asked", () => {
    const sent = new Sent();
    const announcer = new Announcer(sent);
    announcer.start();
    announcer.announce(local(1));
    announcer.echo(1, local(1));
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
    announcer.echo(1, local(1));
    assertEquals(sent.log, ["0 1", "0.1 2"]);
    sent.events.run(1.2e6);
    assertEquals(sent.log, ["0 1", "0.1 2", "1.1 3"]);
    announcer.echo(3, local(3));
    assertEquals(sent.log.at(-1), "1.2 2");
    announcer.stop();
  });

  it("takes for an echo what has id, address and port of the announcement (RFC 8684 §3.4.1: the same option)", () => {
    const sent = new Sent();
    const announcer = new Announcer(sent);
    announcer.start();
    announcer.announce({ ...local(1), port: 8080 });
    const { address } = local(1);
    assertEquals(announcer.echo(1, { address: "10.66.0.1", port: 8080 }), null);
    assertEquals(announcer.echo(1, { address, port: 0 }), null);
    assertEquals(announcer.echo(1, { address, port: 80 }), null);
    assertEquals(announcer.echo(2, { address, port: 8080 }), null);
    assertEquals(announcer.unconfirmed, 1);
    assertEquals(announcer.echo(1, { address, port: 8080 })?.id, 1);
    announcer.stop();
  });

  /** An announcer that has announced `ids` and had their echoes. */
  function announced(ids: readonly number[]): { sent: Sent; announcer: Announcer } {
    const sent = new Sent();
    const announcer = sent.announcer = new Announcer(sent);
    announcer.start();
    for (const id of ids) {
      announcer.announce(local(id));
      announcer.echo(id, local(id));
    }
    sent.log.length = 0;
    return { sent, announcer };
  }

  // RFC 8684 §3.4.2: "Even if an address is not in use by an MPTCP connection, if it has been previously announced, an implementation SHOULD
  // announce its removal."
  it("tells the peer of a withdrawal only when it may know of the address", () => {
    const sent = new Sent();
    const announcer = sent.announcer = new Announcer(sent);
    announcer.announce(local(1));
    assertEquals(announcer.withdraw(1), false);
    announcer.start();
    announcer.announce(local(2));
    announcer.announce(local(3));
    assertEquals(announcer.withdraw(3), false);
    assertEquals(announcer.withdraw(2), true);
    assertEquals(announcer.withdraw(7), false);
    assertEquals(announcer.withdraw(8, true), true);
    sent.events.run(1000e6);
    assertEquals(sent.log, ["0 2", "0.1 remove 2,8"]);
  });

  it("withdraws all of a batch by one option, and what comes soon after by the next", () => {
    const { sent, announcer } = announced([1, 2, 3, 4, 5]);
    for (const id of [1, 2, 3]) announcer.withdraw(id);
    sent.events.run(0.02e6);
    announcer.withdraw(4);
    sent.events.run(0.04e6);
    announcer.withdraw(5);
    sent.events.run(10e6);
    assertEquals(sent.log, ["0 remove 1,2,3", "0.1 remove 4,5"]);
  });

  it("waits a round trip between them where that is longer", () => {
    const { sent, announcer } = announced([1, 2]);
    sent.paths.push({ srtt: 3e6 });
    announcer.withdraw(1);
    sent.events.run(0);
    announcer.withdraw(2);
    sent.events.run(10e6);
    assertEquals(sent.log, ["0 remove 1", "3 remove 2"]);
  });

  it("names at most eight addresses in one option: Linux does not look at more", () => {
    const ids = Array.from({ length: 20 }, (_, i) => i + 1);
    const { sent, announcer } = announced(ids);
    for (const id of ids) announcer.withdraw(id);
    sent.events.run(10e6);
    assertEquals(sent.log, [
      "0 remove 1,2,3,4,5,6,7,8",
      "0.1 remove 9,10,11,12,13,14,15,16",
      "0.2 remove 17,18,19,20",
    ]);
  });

  // RFC 8684 §3.4.1: "A host wishing to replace an existing Address ID MUST first remove the existing one (Section 3.4.2)."
  it("announces an id anew only some time after its withdrawal", () => {
    const { sent, announcer } = announced([1]);
    announcer.withdraw(1);
    announcer.announce(local(1));
    sent.events.run(0.5e6);
    assertEquals(sent.log, ["0 remove 1", "0.1 1"]);
    announcer.stop();
  });

  it("withdraws only some time after the announcement, unless that was echoed", () => {
    const { sent, announcer } = announced([]);
    announcer.announce(local(1));
    sent.events.run(0.05e6);
    announcer.withdraw(1);
    sent.events.run(1e6);
    announcer.announce(local(2));
    sent.events.run(1.03e6);
    announcer.echo(2, local(2));
    announcer.withdraw(2);
    sent.events.run(10e6);
    assertEquals(sent.log, ["0 1", "0.1 remove 1", "1 2", "1.03 remove 2"]);
  });

  it("keeps a withdrawal that nothing can carry until something can", () => {
    const { sent, announcer } = announced([1, 2]);
    sent.bare = true;
    announcer.withdraw(1);
    sent.events.run(5e6);
    announcer.withdraw(2);
    sent.events.run(60e6);
    assertEquals(sent.log, []);
    sent.bare = false;
    announcer.flush();
    assertEquals(sent.log, ["60 remove 1,2"]);
    announcer.stop();
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
