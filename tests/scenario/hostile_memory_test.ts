/** Peers that would have all the memory of a process, beside a connection that has work to do. */

import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import type { Choices } from "../support/choices.ts";
import { HostilePeers } from "../support/hostile_peers.ts";
import { type PathShape, Topology } from "../support/topology.ts";

const MB = 2 ** 20;
/** What a host takes where nothing else is asked for. */
const LIMIT = 256 * MB;
/** As large as the buffer of one that reads fast becomes: what peers send may lie far apart. */
const WIDE = { receiveBuffer: 8 * MB };

/** Without losses: they would fall on other packets where others were before, and a loss more or less is more than a tenth. */
const PATHS: Readonly<Record<string, PathShape>> = {
  a: { rate: "100 Mbit/s", delay: "10 ms", queue: 300 },
  b: { rate: "50 Mbit/s", delay: "25 ms", queue: 300 },
};

/** Moves 20 MB both ways after `attack`; the seconds that it takes. */
function transfer(attack: (t: Topology) => void, server: Choices = {}): number {
  using t = new Topology({ paths: PATHS, links: { maxSegments: 10 }, server });
  attack(t);
  const seconds = t.complete(t.connect({ bytes: 20e6 }, { bytes: 20e6 }), 60);
  assert(t.server.bytes <= LIMIT, `${t.server.bytes} bytes`);
  return seconds;
}

describe("beside peers that would have all the memory", () => {
  const alone = transfer(() => {});

  const cases: [name: string, attack: (t: Topology) => void, server: Choices][] = [
    ["32,000 segments of a byte, 64 KB apart", (t) => {
      const hostile = new HostilePeers(t);
      hostile.open(252);
      assert(hostile.scatter(127) > 32_000);
    }, WIDE],
    ["200 peers that never read", (t) => {
      const hostile = new HostilePeers(t);
      hostile.open(200);
      assert(hostile.fill() > 50 * MB);
    }, {}],
    ["both, at once and twice", (t) => {
      const hostile = new HostilePeers(t);
      for (const _ of [1, 2]) {
        hostile.open(200);
        hostile.scatter(127);
        hostile.fill();
      }
    }, WIDE],
  ];
  for (const [name, attack, server] of cases) {
    it(`a transfer keeps nine tenths of its rate, and memory stays below the limit: ${name}`, () => {
      const seconds = transfer((t) => {
        attack(t);
        assert(t.server.bytes <= LIMIT, `${t.server.bytes} bytes`);
      }, server);
      assert(seconds <= alone / 0.9, `${seconds} s, alone ${alone} s`);
    });
  }

  it("another host of the process does not notice", () => {
    using t = new Topology({ paths: PATHS, server: WIDE });
    const hostile = new HostilePeers(t);
    hostile.open(252);
    hostile.scatter(127);
    hostile.fill();
    assertEquals(transfer(() => {}), alone);
  });
});
