/** What congestion controls are chosen for, seen over whole connections: short queues, random losses, marks. */

import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { bbr, bbr3, coupledBbr, cubic, dctcp, reno, wvegas } from "../../cc/mod.ts";
import type { ElementFactory } from "../../core/link/sim/elements/element.ts";
import type { CongestionControlPlugin } from "../../core/plugin.ts";
import { queue, type QueueLimit, rate } from "../../mod.ts";
import { passive } from "../../pm/mod.ts";
import { OneWay } from "../support/one_way.ts";
import { Topology } from "../support/topology.ts";

/** Times that packets took through a queue and the link behind it. */
class Waits {
  readonly #from: number;
  #sum = 0;
  #count = 0;
  bytes = 0;
  longest = 0;

  /** From so many seconds on. */
  constructor(from: number) {
    this.#from = from * 1e6;
  }

  /** Stands behind the link. */
  element(): ElementFactory {
    return {
      name: "waits",
      create: (context, output) => ({
        push: (packet) => {
          if (context.now >= this.#from) {
            this.#sum += context.now - packet.at;
            this.#count++;
            this.bytes += packet.length;
            this.longest = Math.max(this.longest, context.now - packet.at);
          }
          output(packet);
        },
      }),
    };
  }

  /** Microseconds. */
  get mean(): number {
    return this.#sum / this.#count;
  }
}

interface Link {
  readonly mbit: number;
  readonly queue: number | QueueLimit;
  readonly ecn?: boolean;
}

/** Lets flows of a control send over one link of 20 ms up to `to` seconds; figures are from `from` on. */
function run(
  congestionControl: CongestionControlPlugin,
  link: Link,
  flows: number,
  from: number,
  to: number,
): { waits: Waits; share: number; retransmits: number } {
  const waits = new Waits(from);
  const bottleneck = [queue(link.queue), rate(`${link.mbit} Mbit/s`), waits.element()];
  using t = new Topology({
    paths: { a: { rate: "1 Gbit/s", delay: "20 ms", queue: 5000, up: bottleneck } },
    tcp: link.ecn === true ? { ecn: "request" } : {},
    policies: { congestionControl, pathManager: passive() },
  });
  const ways = Array.from({ length: flows }, (_, i) => new OneWay(t, 80 + i));
  for (let at = 0.05; at < to; at += 0.05) t.at(at, () => ways.forEach((w) => w.write(1 << 20)));
  t.runTo(to);
  assertEquals(t.faults, []);
  return {
    waits,
    share: waits.bytes * 8 / (to - from) / link.mbit / 1e6,
    retransmits: t.client.counters.get("TcpRetransSegs"),
  };
}

describe("a link of 10 Mbit/s with a queue of 200 packets", () => {
  const link: Link = { mbit: 10, queue: 200 };
  const of = (plugin: CongestionControlPlugin) => run(plugin, link, 1, 12, 30);

  for (const plugin of [wvegas(), bbr(), bbr3(), coupledBbr()]) {
    it(`${plugin.name} keeps its queue less than half as long as reno's, and uses as much of it`, () => {
      const other = of(reno());
      const { waits, share, retransmits } = of(plugin);
      // Reno fills it: 120 ms on the way to the next loss, and more.
      assert(other.waits.mean > 60e3, `${other.waits.mean} us`);
      assert(waits.mean < other.waits.mean / 2, `${waits.mean} us of ${other.waits.mean}`);
      assert(share > 0.95 * other.share, `${share} of ${other.share}`);
      assertEquals(retransmits, 0);
    });
  }
});

describe("two paths of 50 Mbit/s, one of which loses one packet of a hundred", () => {
  const share = (congestionControl: CongestionControlPlugin): number => {
    using t = new Topology({
      paths: {
        good: { rate: "50 Mbit/s", delay: "10 ms", queue: 100 },
        bad: { rate: "50 Mbit/s", delay: "10 ms", queue: 100, loss: 0.01 },
      },
      policies: { congestionControl },
    });
    const way = new OneWay(t);
    for (let at = 0.02; at < 9; at += 0.02) t.at(at, () => way.write(1 << 20));
    t.runTo(3);
    const before = way.read;
    t.runTo(9);
    assertEquals(t.faults, []);
    const [{ mss } = { mss: 0 }] = way.socket.subflows;
    return (way.read - before) * 8 / 6 / 100e6 / mss * 1500;
  };

  it("coupled_bbr uses nine tenths of the sum", () => {
    const used = share(coupledBbr());
    assert(used > 0.9, `${used}`);
  });

  it("bbr does, too; cubic takes each loss for a full queue, and uses half", () => {
    const [model, loss] = [share(bbr()), share(cubic())];
    assert(model > 0.9, `${model}`);
    assert(loss < 0.7, `${loss}`);
  });
});

describe("a queue that marks from 10 packets on", () => {
  const link: Link = { mbit: 50, queue: { packets: 300, mark: 10 }, ecn: true };

  it("RFC 8257: dctcp keeps it near the mark and the link full; reno, which halves by a mark, does not", () => {
    const [mine, other] = [run(dctcp(), link, 2, 3, 8), run(reno(), link, 2, 3, 8)];
    assertEquals([mine.retransmits, other.retransmits], [0, 0]);
    // 10 packets of 1500 bytes take 2.4 ms; windows of two flows grow on top of that.
    assert(mine.waits.mean < 6e3, `${mine.waits.mean} us`);
    assert(mine.waits.longest < 15e3, `${mine.waits.longest} us`);
    assert(mine.share > 0.9, `${mine.share}`);
    assert(mine.share > other.share + 0.05, `${mine.share} ${other.share}`);
  });
});
