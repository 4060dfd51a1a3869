/** The end of what was sent is lost, and nothing behind it tells: a probe asks before the timeout does (RFC 8985 §7). */

import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import type { Choices } from "../support/choices.ts";
import type { ElementFactory } from "../../core/link/sim/elements/element.ts";
import type { TcpSettings } from "../../core/subflow/settings.ts";
import { OneWay } from "../support/one_way.ts";
import { type PathShape, Topology } from "../support/topology.ts";

const SEGMENTS = 20;
const KINDS: readonly (readonly [string, Choices])[] = [
  ["plain TCP", { mptcp: false }],
  ["MPTCP", {}],
  ["MPTCP with checksums", { checksum: true }],
];

/** Loses the packets of data with these numbers, from 0. */
function losing(numbers: ReadonlySet<number>): ElementFactory {
  return {
    name: "losing",
    create(context, output) {
      let count = 0;
      return {
        push(packet) {
          if (packet.length > 400 && numbers.has(count++)) context.drop(packet);
          else output(packet);
        },
      };
    },
  };
}

interface Run {
  readonly took: number;
  readonly timeouts: number;
  readonly probes: number;
  readonly again: number;
}

/** Sends `segments` segments at once, the last `lost` of which are lost: milliseconds until they are read, and what it took. */
function tail(
  client: Choices,
  roundTrip: number,
  lost: number,
  segments = SEGMENTS,
  tcp: Partial<TcpSettings> = {},
): Run {
  const numbers = new Set(Array.from({ length: lost }, (_, i) => segments - 1 - i));
  const path: PathShape = {
    rate: "100 Mbit/s",
    delay: `${roundTrip / 2} ms`,
    up: [losing(numbers)],
  };
  using t = new Topology({ paths: { path }, client, server: client, tcp });
  const way = new OneWay(t);
  t.runTo(1 + roundTrip / 100);
  const [subflow] = way.socket.subflows;
  const start = t.now;
  // The keys, on the first of them, take more than a DSS.
  const bytes = (segments - 1) * subflow!.mss + subflow!.sender.payloadBeside(false);
  assertEquals(way.write(bytes), bytes);
  t.runUntil(() => way.read === way.written, 60);
  const took = (t.now - start) / 1000;
  return {
    took,
    timeouts: t.client.counters.get("TCPTimeouts"),
    probes: t.client.counters.get("TCPLossProbes"),
    again: subflow!.sender.retransmits,
  };
}

describe("the last segments of 20 are lost", () => {
  for (const [kind, client] of KINDS) {
    for (const roundTrip of [10, 20, 50, 100, 300]) {
      for (const lost of [1, 2, 3]) {
        const most = lost === 1 ? 3.2 : 4.2;
        it(`RFC 8985 §7: ${lost} of a round trip of ${roundTrip} ms, ${kind}: done ${most} round trips and 5 ms later than without loss`, () => {
          const without = tail(client, roundTrip, 0);
          const run = tail(client, roundTrip, lost);
          const late = run.took - without.took;
          // Of one that is in flight alone the ACK may be delayed, by more than a short round trip: until then there is nothing to ask.
          const least = lost === 1 ? roundTrip + 45 : 0;
          const bound = Math.max(most * roundTrip, least) + 5;
          assert(late <= bound, `${late} ms late: ${JSON.stringify(run)}`);
          assertEquals([run.timeouts, run.probes, run.again], [0, 1, lost]);
          assertEquals(without.again, 0);
        });
      }
    }
  }

  it("RFC 8985 §7: one to ten segments of which the last is lost are done without a timeout, too", () => {
    for (let segments = 1; segments <= 10; segments++) {
      for (const roundTrip of [1, 20, 100]) {
        const without = tail({}, roundTrip, 0, segments);
        const run = tail({}, roundTrip, 1, segments);
        const late = run.took - without.took;
        // Where one segment is in flight alone, its ACK may be delayed.
        assert(late <= 3.2 * roundTrip + 45 + 5, `${late} ms: ${JSON.stringify(run)}`);
        assertEquals([run.timeouts, run.again], [0, 1], `${segments} of ${roundTrip} ms`);
      }
    }
  });

  it("RFC 6298 §5.4: without probes, or without SACK, the timeout repairs it", () => {
    for (const tcp of [{ tlp: false }, { sack: false }]) {
      const run = tail({}, 20, 1, SEGMENTS, tcp);
      assertEquals([run.timeouts, run.probes, run.again], [1, 0, 1]);
      assert(run.took > 200, `${run.took} ms`);
    }
  });
});
