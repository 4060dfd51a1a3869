import { assert, assertEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { completeChecksum } from "../../../core/link/sim/elements/checksum.ts";
import { delay } from "../../../core/link/sim/elements/delay.ts";
import { filter } from "../../../core/link/sim/elements/filter.ts";
import { loss } from "../../../core/link/sim/elements/loss.ts";
import { freePacket } from "../../../core/link/sim/elements/packet.ts";
import { queue, type QueueLimit } from "../../../core/link/sim/elements/queue.ts";
import { rate } from "../../../core/link/sim/elements/rate.ts";
import { u8 } from "../../../wasm/mod.ts";
import { ChainUnderTest, checksumsAreGood, ipPacket, plainSum, pooled } from "../../support/sim.ts";

describe("rate()", () => {
  it("sends one packet after the other and rounds no time", () => {
    const chain = new ChainUnderTest([rate("8 Mbit/s")]); // 1 byte/us
    chain.push(1000, 500);
    chain.pushAt(5000, 100);
    assertEquals(chain.run(), ["1000:1000", "1500:500", "5100:100"]);
    const third = new ChainUnderTest([rate("24 Mbit/s")]);
    third.push(100, 100, 100);
    assertEquals(third.run(), ["33.333:100", "66.667:100", "100:100"]);
  });

  it("goes on at a new rate in the middle of a packet", () => {
    const chain = new ChainUnderTest([rate("8 Mbit/s")]);
    chain.push(1000, 1000);
    chain.clock.at(500, () => chain.chain.set({ rate: "4 Mbit/s" }));
    chain.clock.at(2500, () => chain.chain.set({ rate: "80 Mbit/s" }));
    assertEquals(chain.run(), ["1500:1000", "2550:1000"]);
  });

  it("keeps its pace on a clock that calls late", () => {
    const chain = new ChainUnderTest([queue(10), rate("8 Mbit/s")], 1, 250);
    chain.push(100, 100, 100, 1000);
    assertEquals(chain.run(), ["350:100", "350:100", "350:100", "1550:1000"]);
  });
});

describe("delay()", () => {
  it("holds every packet for the same time", () => {
    const chain = new ChainUnderTest([delay("2 ms")]);
    chain.push(100, 200);
    chain.pushAt(700.5, 300);
    assertEquals(chain.run(), ["2000:100", "2000:200", "2700.5:300"]);
  });

  it("lets nothing overtake when the delay is cut", () => {
    const chain = new ChainUnderTest([delay("2 ms")]);
    chain.push(100);
    chain.chain.set({ delay: "0 ms" });
    chain.pushAt(500, 200);
    chain.pushAt(3000, 300);
    assertEquals(chain.run(), ["2000:100", "2000:200", "3000:300"]);
  });
});

describe("queue()", () => {
  it("drops what comes when as many packets wait as it holds; the one being sent is not in it", () => {
    const chain = new ChainUnderTest([queue(2), rate("8 Mbit/s")]);
    chain.push(100, 101, 102, 103, 104);
    assertEquals(chain.run(), ["100:100", "201:101", "303:102"]);
    assertEquals(chain.chain.dropped, { queue: 2, rate: 0 });
    chain.push(100); // empty again
    assertEquals(chain.run().length, 1);
  });

  it("counts bytes", () => {
    const chain = new ChainUnderTest([queue({ bytes: 1000 }), rate("8 Mbit/s")]);
    chain.push(1500, 600, 500, 400);
    assertEquals(chain.run(), ["1500:1500", "2100:600", "2500:400"]);
  });

  it("counts the milliseconds that a packet would wait", () => {
    const chain = new ChainUnderTest([queue({ ms: 2 }), rate("8 Mbit/s")]);
    chain.push(1000, 1000, 1000, 1001, 40, 41);
    assertEquals(chain.run().map((text) => text.split(":")[1]), ["1000", "1000", "1000", "1001"]);
  });

  it("keeps what waits already when its limit is lowered", () => {
    const chain = new ChainUnderTest([queue(3), rate("8 Mbit/s")]);
    chain.push(100, 101, 102, 103);
    chain.chain.set({ queue: 1 });
    chain.push(104);
    assertEquals(chain.run().length, 4);
  });

  it("marks what comes to so many, if its sender uses ECN, and keeps checksums right (RFC 3168 §5)", () => {
    for (const [from, to] of [["10.0.0.1", "10.0.0.2"], ["fd00::1", "fd00::2"]] as const) {
      const chain = new ChainUnderTest([queue({ packets: 5, mark: 2 }), rate("8 Mbit/s")]);
      for (const [i, field] of [2, 2, 2, 2, 1, 0, 2].entries()) {
        const bytes = ipPacket(from, to, 100, i);
        const shift = from.includes(":") ? 4 : 0;
        bytes[1]! |= field << shift;
        if (shift === 0) bytes.set([0, 0], 10);
        if (shift === 0) {
          const sum = ~plainSum(bytes.subarray(0, 20));
          bytes.set([sum >> 8 & 255, sum & 255], 10);
        }
        const packet = pooled(bytes);
        completeChecksum(packet);
        chain.chain.push(packet);
      }
      chain.run();
      const fields = chain.packets.map(({ bytes }) =>
        (bytes[0]! >> 4 === 4 ? bytes[1]! : bytes[1]! >> 4) & 3
      );
      // One is being sent, two wait, those that follow are marked; the last finds five that wait.
      assertEquals(fields, [2, 2, 2, 3, 3, 0]);
      assert(chain.packets.every(({ bytes }) => checksumsAreGood(bytes)));
      assertEquals(chain.chain.dropped.queue, 1);
    }
  });

  it("marks by bytes and by time, and from another number on when it is changed", () => {
    const marked = (limit: number | QueueLimit, change?: number | QueueLimit): number => {
      const chain = new ChainUnderTest([queue(limit), rate("8 Mbit/s")]);
      if (change !== undefined) chain.chain.set({ queue: change });
      for (let i = 0; i < 11; i++) {
        const bytes = ipPacket("fd00::1", "fd00::2", 100);
        bytes[1]! |= 2 << 4;
        chain.chain.push(pooled(bytes));
      }
      chain.run();
      return chain.packets.filter(({ bytes }) => (bytes[1]! >> 4 & 3) === 3).length;
    };
    assertEquals([marked(20), marked({ mark: 4 })], [0, 6]);
    assertEquals([marked({ mark: { bytes: 600 } }), marked({ mark: { ms: 0.75 } })], [4, 2]);
    assertEquals(marked({ mark: 4 }, { mark: 8 }), 2);
    assertEquals(marked({ mark: 4 }, 20), 0);
    assertThrows(() => queue({ mark: 0 }), RangeError, "at least 1: current value is 0");
  });

  it("must stand directly in front of a rate", () => {
    const message = "put it directly in front of a rate";
    assertThrows(() => new ChainUnderTest([queue(3)]), TypeError, message);
    assertThrows(
      () => new ChainUnderTest([queue(3), delay("1 ms"), rate("1 Mbit/s")]),
      TypeError,
      message,
    );
  });

  it("throws on limits that hold nothing", () => {
    assertThrows(() => queue(0), RangeError, "at least 1: current value is 0");
    assertThrows(() => queue({ ms: -1 }), RangeError, "at least 0");
    assertThrows(() => queue(NaN), RangeError);
    // @ts-expect-error: text
    assertThrows(() => queue("100"), TypeError);
    // @ts-expect-error: text
    assertThrows(() => queue({ packets: "100" }), TypeError, "packets");
  });

  it("says which limit is wrong, and which there are", () => {
    for (
      const [limit, message] of [
        [{ marks: 3 }, "by 'marks' as it must be one of packets, bytes, ms, mark"],
        [{ mark: { mark: 3 } }, "by 'mark.mark' as it must be one of packets, bytes, ms"],
        [{ mark: "x" }, "Cannot use x as 'mark' of a queue"],
        [{ mark: { ms: "1" } }, "as 'mark.ms' must be a number of at least 0: current value is 1"],
      ] as const
    ) assertThrows(() => queue(limit as never), TypeError, message);
    assertThrows(() => queue({ mark: 0 }), RangeError, "as 'mark' must be at least 1");
    assertThrows(() => queue({ mark: { bytes: 0 } }), RangeError, "as 'mark.bytes' must be");
  });
});

describe("loss()", () => {
  it("loses the share that it is told to", () => {
    const chain = new ChainUnderTest([loss(0.1)]);
    for (let i = 0; i < 10_000; i++) chain.push(40);
    const lost = chain.chain.dropped.loss!;
    assert(lost > 900 && lost < 1100, `lost ${lost} of 10,000`);
    chain.chain.set({ loss: 0 });
    chain.push(40);
    assertEquals(chain.chain.dropped.loss, lost);
    chain.chain.set({ loss: 1 });
    chain.push(40);
    assertEquals(chain.chain.dropped.loss, lost + 1);
  });

  it("draws from a stream of its own: another element in front shifts nothing behind", () => {
    function pattern(seed: number): string[] {
      const chain = new ChainUnderTest([loss(0.5)], seed);
      for (let i = 0; i < 50; i++) chain.push(100 + i);
      return chain.run();
    }
    assertEquals(pattern(1), pattern(1));
    assert(pattern(1).join() !== pattern(2).join());
    const two = new ChainUnderTest([loss(0), loss(0.5)]);
    assertEquals(two.chain.dropped, { loss: 0 });
  });

  it("throws on what is not a probability", () => {
    assertThrows(() => loss(1.5), RangeError, "from 0 to 1");
    assertThrows(() => loss(NaN), RangeError);
    // @ts-expect-error: text
    assertThrows(() => loss("1 %"), TypeError, "such as 0.01");
    const chain = new ChainUnderTest([loss(0)]);
    assertThrows(() => chain.chain.set({ loss: -1 }), RangeError);
  });
});

describe("filter()", () => {
  it("loses exactly the packets that are named, and shows them with their checksums", () => {
    const chain = new ChainUnderTest([
      filter((bytes, index) => checksumsAreGood(bytes) && index !== 1),
    ]);
    chain.push(100, 101, 102);
    assertEquals(chain.run(), ["0:100", "0:102"]);
    assertEquals(chain.chain.dropped, { filter: 1 });
  });

  it("takes an answer that is neither yes nor no for a mistake, not for a loss", () => {
    // @ts-expect-error: no function
    assertThrows(() => filter("data"), TypeError, 'must be a function: current value is "data"');
    for (
      const [keep, said] of [[() => {}, "undefined"], [
        async () => await true,
        "an object",
      ]] as const
    ) {
      const chain = new ChainUnderTest([filter(keep as never)]);
      assertThrows(
        () => chain.push(100),
        TypeError,
        `Cannot filter packets as the function must return true or false: it returned ${said}`,
      );
    }
  });
});

describe("an element of one's own", () => {
  it("has push()", () => {
    for (const [made, said] of [[undefined, "undefined"], [{}, "an object"]] as const) {
      assertThrows(
        () => new ChainUnderTest([{ name: "mine", create: () => made as never }]),
        TypeError,
        `Cannot use the element mine as its create() must give an object with push(): current value is ${said}`,
      );
    }
  });
});

describe("completeChecksum()", () => {
  it("fills in TCP checksums of both families and of any length", () => {
    for (const [from, to] of [["10.0.0.1", "10.0.255.2"], ["fd00::1", "fd00::ffff:2"]] as const) {
      for (let length = 60; length < 1500; length += 61) {
        const packet = pooled(ipPacket(from, to, length, length & 255));
        completeChecksum(packet);
        const bytes = u8.slice(packet.address, packet.address + length);
        assert(checksumsAreGood(bytes), `${from} ${length}`);
        assertEquals(packet.partial, false);
        assertEquals(packet.verified, true);
        freePacket(packet);
      }
    }
  });

  it("leaves alone what needs none", () => {
    const bytes = ipPacket("10.0.0.1", "10.0.0.2", 60);
    bytes[9] = 1; // ICMP
    const packet = pooled(bytes);
    completeChecksum(packet);
    assertEquals(u8.slice(packet.address, packet.address + 60), bytes);
    freePacket(packet);
  });
});

describe("Chain", () => {
  it("frees what is inside when it is cleared, and no packet twice", () => {
    const chain = new ChainUnderTest([queue(10), rate("8 Mbit/s"), delay("1 ms")]);
    chain.push(100, 100, 100);
    chain.clock.step();
    chain.chain.clear();
    assertEquals(chain.run(), []);
    const packet = pooled(ipPacket("10.0.0.1", "10.0.0.2", 60));
    freePacket(packet);
    assertThrows(() => freePacket(packet), Error, "freed before");
  });
});
