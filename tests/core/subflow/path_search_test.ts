import { describe, it } from "@std/testing/bdd";
import { assert, assertEquals } from "@std/assert";
import { LEAST_PACKET, PathSearch, RAISE_TIMER } from "../../../core/subflow/path_mtu.ts";
import * as fc from "../../support/property.ts";

/** A path that takes packets up to a size, as simple as it can be, and the sender that searches it. */
class Path {
  now = 0;
  probes = 0;
  readonly #lost: () => boolean;

  constructor(
    readonly search: PathSearch,
    readonly limit: number,
    readonly told: boolean,
    lost: () => boolean = () => false,
  ) {
    this.#lost = lost;
  }

  /** Sends as much as a round trip holds: false when nothing of what is in use comes through. */
  round(): boolean {
    this.now += 20e3;
    const { search, limit } = this;
    if (search.size > limit) {
      if (this.told) search.tooBig(limit, 0, this.now);
      else search.blackHole();
      return false;
    }
    const probe = search.probe(this.now);
    if (probe === 0) return true;
    assert(probe > search.size, `a probe of ${probe} tells nothing new: ${search.size} pass`);
    this.probes++;
    const passes = probe <= limit;
    if (!passes && this.told) search.tooBig(limit, probe, this.now);
    else if (!passes || this.#lost()) search.failed(probe, 1e6, this.now);
    else search.passed(probe, this.now);
    return true;
  }

  /** Sends until the search rests. */
  settle(rounds = 5000): void {
    for (let i = 0; i < rounds; i++) if (this.round() && this.search.kind === "complete") return;
    throw new Error(`The search does not come to an end: ${this.search.size}`);
  }
}

describe("the search for the path MTU", () => {
  const found = (limit: number, told: boolean, most = 1500): number => {
    const path = new Path(new PathSearch(4, most, most, 0), limit, told);
    path.settle();
    return path.search.size;
  };

  it("RFC 8899 §5.3: finds sizes that are common exactly, and others to within a few per cent", () => {
    assertEquals([1280, 1400, 1492, 1500].map((limit) => found(limit, false)), [
      1280,
      1400,
      1492,
      1500,
    ]);
    for (let limit = 1200; limit <= 1500; limit += 7) {
      const size = found(limit, false);
      assert(size <= limit && size > limit * .93, `${size} of ${limit}`);
    }
  });

  it("RFC 1191 §4: is exact where routers tell", () => {
    for (let limit = 576; limit <= 1500; limit += 7) assertEquals(found(limit, true), limit);
  });

  it("RFC 4821 §7.3: takes few probes", () => {
    const path = new Path(new PathSearch(4, 1500, 1500, 0), 1400, false);
    path.settle();
    assert(path.probes <= 12, `${path.probes}`);
  });

  it("RFC 8899 §5.1.1: begins anew after the raise timer, and finds what the path takes since", () => {
    const search = new PathSearch(4, 1500, 1500, 0);
    const path = new Path(search, 1400, true);
    path.settle();
    path.now += RAISE_TIMER - 1e6;
    const wider = new Path(search, 1500, true);
    wider.now = path.now;
    wider.round();
    assertEquals([wider.probes, search.size], [0, 1400]);
    wider.now += 1e6;
    wider.round();
    assertEquals([wider.probes, search.size], [1, 1500]);
  });

  it("RFC 8899 §5.2: BASE, SEARCHING, COMPLETE, ERROR", () => {
    const search = new PathSearch(4, 1500, 1500, 0);
    assertEquals(search.kind, "complete");
    search.blackHole();
    assertEquals([search.kind, search.size], ["base", 1200]);
    assertEquals([search.probe(0), search.kind], [1500, "searching"]);
    search.failed(1500, 0, 0);
    // It had failed before: what is between comes next.
    const next = search.probe(0);
    assert(next > 1200 && next < 1500);
    search.blackHole();
    assertEquals([search.kind, search.size], ["error", 576]);
    assertEquals(search.probe(0), 1200);
    search.passed(1200, 0);
    assertEquals(search.size, 1200);
    assertEquals(search.blackHole() && search.size, 576);
    assertEquals(search.blackHole(), false);
  });

  it("agrees with a naive model of a path, whatever its limit and its losses", () => {
    const scenario = fc.record({
      family: fc.constantFrom(4 as const, 6 as const),
      most: fc.integer({ min: 600, max: 9000 }),
      limit: fc.integer({ min: 576, max: 9000 }),
      told: fc.boolean(),
      always: fc.boolean(),
      losses: fc.array(fc.boolean(), { maxLength: 40 }),
    });
    fc.assert(
      fc.property(scenario, ({ family, most, limit, told, always, losses }) => {
        const least = LEAST_PACKET[family];
        if (limit < least || most < least) return;
        const search = new PathSearch(family, most, most, 0);
        if (always) search.beginSmall();
        let at = 0;
        const path = new Path(search, limit, told, () => losses[at++] ?? false);
        path.settle();
        assert(search.size <= limit && search.size <= most && search.size >= Math.min(least, most));
        // Once nothing is lost any more, all that passes is found at the next search.
        path.now += RAISE_TIMER;
        at = Infinity;
        path.round();
        path.settle();
        if (told || most <= limit) assertEquals(search.size, Math.min(most, limit));
        const best = [1200, 1280, 1400, 1492, 1500, 9000].filter((size) =>
          size <= limit && size <= most
        );
        if (search.size < Math.min(limit, most)) {
          assert(search.size >= (best.at(-1) ?? least), `${search.size} where ${limit} pass`);
        }
      }),
      { numRuns: 500 },
    );
  });

  it("takes whatever anybody says, in any order, and stays in its bounds", () => {
    const verb = fc.tuple(fc.integer({ min: 0, max: 5 }), fc.integer({ min: 0, max: 70000 }));
    fc.assert(
      fc.property(fc.array(verb, { maxLength: 60 }), (verbs) => {
        const search = new PathSearch(4, 1500, 1500, 0);
        let now = 0;
        let probe = 0;
        for (const [what, size] of verbs) {
          now += size * 1e4;
          const before = search.size;
          if (what === 0) search.tooBig(size, probe, now);
          else if (what === 1) search.blackHole();
          else if (what === 2) probe = search.probe(now);
          else if (what === 3 && probe > 0) search.passed(probe, now);
          else if (what === 4 && probe > 0) search.failed(probe, size, now);
          else search.inconclusive(size, now);
          if (what !== 2) probe = 0;
          assert(search.size >= 576 && search.size <= 1500);
          // Nobody's word makes packets larger.
          if (what < 2) assert(search.size <= before);
        }
      }),
      { numRuns: 500 },
    );
  });
});
