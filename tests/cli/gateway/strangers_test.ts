/** Who gives way where more have come than there are places for those who have not shown yet that they may. */

import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { type Stay, Strangers } from "../../../cli/gateway/strangers.ts";
import * as fc from "../../support/property.ts";

/** Some places, and who had to give his up: by the number in which they came. */
class House {
  readonly strangers: Strangers;
  readonly stays: Stay[] = [];
  readonly gone: number[] = [];

  constructor(most: number, random?: () => number) {
    this.strangers = new Strangers(most, random);
  }

  enter(...addresses: readonly string[]): void {
    for (const address of addresses) {
      const number = this.stays.length;
      this.stays.push(this.strangers.enter(address, () => this.gone.push(number)));
    }
  }
}

/** Numbers from 0 to 1 that are the same each time (a linear congruential generator). */
function randomOf(seed: number): () => number {
  let state = seed;
  return () => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) / 2 ** 32;
}

const many = (address: string, count: number): string[] => new Array(count).fill(address);

describe("strangers", () => {
  it("give way to who comes later, as chance has it where they are alike", () => {
    for (const [random, first] of [[0, 0], [0.5, 1], [0.99, 2]] as const) {
      const house = new House(3, () => random);
      house.enter("192.0.2.1", "192.0.2.2", "192.0.2.3");
      assertEquals(house.gone, []);
      house.enter("192.0.2.4", "192.0.2.5");
      assertEquals([house.gone[0], house.gone.length], [first, 2]);
      assertEquals(house.strangers.taken, 3);
    }
    // Of one network, too.
    const one = new House(3, () => 0.5);
    one.enter(...many("192.0.2.1", 5));
    assertEquals([one.gone[0], one.gone.length], [1, 2]);
  });

  it("come in, some of them, however many come within the time of a handshake", () => {
    // 1,000 a second from as many addresses, and one who needs 300 ms: who is there for longest would always have gone by then.
    const random = randomOf(1);
    let came = 0;
    for (let attempt = 0; attempt < 100; attempt++) {
      const house = new House(256, random);
      const address = (i: number): string => `203.0.${i >> 8}.${i & 255}`;
      house.enter(...Array.from({ length: 256 }, (_, i) => address(i)), "192.0.2.1");
      house.enter(...Array.from({ length: 300 }, (_, i) => address(1000 + i)));
      if (!house.gone.includes(256)) came++;
    }
    // (255 / 256) to the power of 300 is .31.
    assert(came > 20 && came < 45, `${came} of 100`);
  });

  it("are as quickly found who have to give way among 30,000 as among 30", () => {
    for (const most of [30, 30_000]) {
      const house = new House(most, randomOf(2));
      const address = (i: number): string => `10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`;
      for (let i = 0; i < 2 * most; i++) house.enter(address(i % 3 === 0 ? i : i % 7));
      for (const stay of house.stays) stay.leave();
      assertEquals(house.strangers.taken, 0);
      assert(house.strangers.steps <= 2 * house.stays.length, `${house.strangers.steps}`);
    }
  });

  it("of the network that has most places give way, so that one address takes no other's", () => {
    const house = new House(8);
    house.enter("192.0.2.1", ...many("198.51.100.1", 100));
    assertEquals(house.gone.length, 93);
    assertEquals(house.gone.includes(0), false);
    // A network of IPv6 is one, whichever of its addresses is used; IPv4 is the same in either form.
    const six = new House(4);
    six.enter("2001:db8:0:1::1", "2001:db8:0:2::1", "2001:db8:0:2::2", "2001:db8:0:2::3");
    six.enter("2001:db8:0:2::4");
    assertEquals(six.gone.length === 1 && !six.gone.includes(0), true, `${six.gone}`);
    const four = new House(3);
    four.enter("192.0.2.1", "198.51.100.1", "::ffff:198.51.100.1", "192.0.2.2");
    assertEquals(four.gone.length === 1 && [1, 2].includes(four.gone[0]!), true, `${four.gone}`);
  });

  it("take no place of those whose network has shown before that it may, beyond half of all", () => {
    const house = new House(8);
    house.enter("192.0.2.1");
    house.stays[0]!.shown();
    house.stays[0]!.leave();
    house.enter(...many("192.0.2.1", 4));
    // A thousand addresses, each once.
    house.enter(...Array.from({ length: 1000 }, (_, i) => `203.0.${i >> 8}.${i & 255}`));
    assertEquals(house.gone.filter((number) => number <= 4), []);
    assertEquals(house.strangers.taken, 8);
  });

  it("have half of the places whatever comes from networks that have shown that they may", () => {
    const house = new House(8);
    house.enter("192.0.2.1");
    house.stays[0]!.shown();
    house.stays[0]!.leave();
    house.enter(...many("203.0.113.1", 4));
    house.enter(...many("192.0.2.1", 100));
    assertEquals(house.gone.filter((number) => number <= 4), []);
  });

  it("that have left, or had to, leave nothing behind; leaving twice is leaving once", () => {
    const house = new House(2);
    house.enter("192.0.2.1", "192.0.2.2", "192.0.2.3");
    const { gone: [first] } = house;
    assert(first === 0 || first === 1, `${first}`);
    for (const stay of house.stays) {
      stay.leave();
      stay.leave();
    }
    assertEquals(house.strangers.taken, 0);
    house.enter("192.0.2.4", "192.0.2.5");
    assertEquals(house.gone, [first]);
  });

  it("are never more than there are places, and who comes last is never the one that goes", () => {
    const step = fc.record({
      address: fc.nat(5),
      what: fc.constantFrom("enter", "enter", "enter", "leave", "shown"),
      which: fc.nat(30),
    });
    fc.assert(fc.property(fc.integer({ min: 2, max: 6 }), fc.array(step), (most, steps) => {
      const house = new House(most);
      for (const { address, what, which } of steps) {
        if (what === "enter") {
          const before = house.strangers.taken;
          const gone = house.gone.length;
          house.enter(`192.0.2.${address}`);
          assertEquals(house.strangers.taken, Math.min(most, before + 1));
          assertEquals(house.gone.length - gone, before === most ? 1 : 0);
          assertEquals(house.gone.includes(house.stays.length - 1), false);
        } else house.stays[which]?.[what as "leave" | "shown"]();
      }
    }));
  });
});
