/** Whatever the sizes, the losses and the policies: what was written is what is read. */

import { describe, it } from "@std/testing/bdd";
import fc from "npm:fast-check@4.10.2";
import { lia, reno } from "../../cc/mod.ts";
import { seededRandom } from "../../core/host/random.ts";
import { minRtt, redundant, roundRobin } from "../../sched/mod.ts";
import { disorder } from "../support/middlebox.ts";
import { type PathShape, Topology } from "../support/topology.ts";

const path = fc.record({
  rate: fc.constantFrom("2 Mbit/s", "10 Mbit/s", "100 Mbit/s"),
  delay: fc.constantFrom("1 ms", "10 ms", "60 ms"),
  loss: fc.constantFrom(0, 0.01, 0.05, 0.1),
  queue: fc.constantFrom(10, 50, 500),
}, { noNullPrototype: true }) as fc.Arbitrary<PathShape>;

const scenario = fc.record({
  seed: fc.nat({ max: 1e6 }),
  paths: fc.array(path, { minLength: 2, maxLength: 3 }),
  up: fc.nat({ max: 300000 }),
  down: fc.nat({ max: 100000 }),
  write: fc.constantFrom(1, 100, 1461, 20000, 1e6),
  read: fc.constantFrom(1000, 3001, 65536),
  pause: fc.constantFrom(undefined, 0.002),
  buffer: fc.constantFrom(20000, 100000, 8388608),
  scheduler: fc.constantFrom(minRtt, roundRobin, redundant),
  congestion: fc.constantFrom(lia, reno),
  checksum: fc.boolean(),
  shortDss: fc.boolean(),
  maxSegments: fc.constantFrom(1, 44),
  family: fc.constantFrom(4 as const, 6 as const),
  disorder: fc.constantFrom(0, 0, 0.01, 0.1),
  cut: fc.option(fc.double({ min: 0.05, max: 1, noNaN: true })),
}, { noNullPrototype: true });

describe("what was written", () => {
  it("is what is read, over 2 or 3 paths with losses, with any sizes and policies", () => {
    fc.assert(
      fc.property(scenario, (s) => {
        using t = new Topology({
          seed: s.seed,
          paths: Object.fromEntries(s.paths.map((each, i) => [
            `path${i}`,
            s.disorder === 0 ? each : { ...each, elements: [disorder(s.disorder)] },
          ])),
          family: s.family,
          links: {
            // Whoever changes bits does so in packets of the wire, with checksums.
            maxSegments: s.disorder === 0 ? s.maxSegments : 1,
            checksums: s.disorder !== 0,
          },
          policies: { scheduler: s.scheduler(), congestionControl: s.congestion() },
          client: { checksum: s.checksum, shortDss: s.shortDss, sendBuffer: s.buffer },
          server: { receiveBuffer: s.buffer },
        });
        const random = seededRandom(s.seed)("sizes");
        const sizes = (most: number) => () => 1 + random.u32() % most;
        const bytes = Math.min(s.up, s.write * 3000);
        const pair = t.connect(
          { bytes, writes: sizes(s.write), reads: sizes(s.read) },
          {
            bytes: s.down,
            reads: sizes(s.read),
            ...(s.pause === undefined ? {} : { pause: s.pause }),
          },
        );
        const { cut } = s;
        if (cut !== null) {
          t.at(cut, () => t.paths.path1!.cut());
          t.at(cut + 1, () => t.paths.path1!.restore());
        }
        t.complete(pair, 60);
      }),
      { numRuns: 250 },
    );
  });
});
