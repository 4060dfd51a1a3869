/**
 * The draft's two ways to close (§3.7): TRM-4, fast: FINs on all subflows as soon as DATA_FIN has come to the bottom of the shared queue; TRM-5, safe: FINs when
 * it is DATA_ACKed, a round trip later. What a path that fails in the last window costs with each. TRM-3: why FINs that come first of all are no way.
 */

import { assert, assertAlmostEquals, assertEquals, assertGreater, assertLess } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { type End, Topology } from "../support/topology.ts";

const BYTES = 1_000_000;
/** Round trip of both paths, in seconds. */
const RTT = 0.1;

type Variant = "safe" | "fast";

/** Only the end that sends is asked for the variant: the other one has nothing to say, and would end its subflows at once. */
function topology(
  dataFin: Variant,
  family: 4 | 6,
  checksum: boolean,
  role: "client" | "server",
): Topology {
  const path = { rate: "20 Mbit/s", delay: "50 ms", queue: 2000 } as const;
  return new Topology({
    paths: { a: path, b: path },
    family,
    client: { checksum },
    server: { checksum },
    [role]: { checksum, dataFin },
  });
}

/** Seconds until the last of a connection whose client, or server, ends it is gone at that end. */
function closing(
  dataFin: Variant,
  family: 4 | 6,
  checksum: boolean,
  role: "client" | "server",
): number {
  using t = topology(dataFin, family, checksum, role);
  const bytes = { bytes: BYTES };
  const nothing = { bytes: 0 };
  const ends = role === "client" ? t.connect(bytes, nothing) : t.connect(nothing, bytes);
  t.complete(ends, 60);
  const sender = role === "client" ? ends.client : ends.server();
  t.runUntil(() => sender.socket.attempts.length === 0, 60);
  assertEquals(sender.code, null);
  return t.seconds;
}

/** What becomes of it when path b fails as soon as the DATA_FIN is out: seconds until the server has read all, and how it ended there. */
function failing(
  dataFin: Variant,
  family: 4 | 6,
  checksum: boolean,
): { seconds: number; server: End } {
  using t = topology(dataFin, family, checksum, "client");
  const ends = t.connect({ bytes: BYTES });
  t.runUntil(() => {
    const { ours, nxt } = ends.client.socket.sendQueue;
    return ours.kind === "ending" && nxt > ours.fin;
  }, 10);
  const failing = ends.client.socket.subflows.find(({ join }) => join);
  assertGreater(failing?.inFlight ?? 0, 0, "nothing is in flight on the path that fails");
  t.paths.b!.cut();
  const from = t.seconds;
  const server = ends.server();
  t.runTo(from + 400);
  return { seconds: (server.lastRead / 1e6) - from, server };
}

for (const family of [4, 6] as const) {
  for (const checksum of [false, true]) {
    describe(`TRM-4 against TRM-5 (IPv${family}${checksum ? ", checksums" : ""})`, () => {
      for (const role of ["client", "server"] as const) {
        it(`the ${role} ends: fast is done a round trip before safe, and all bytes arrive`, () => {
          const [safe, fast] = (["safe", "fast"] as const).map((variant) =>
            closing(variant, family, checksum, role)
          ) as [number, number];
          assertAlmostEquals(safe - fast, RTT, 0.2 * RTT);
        });
      }

      // RFC 8684 §3.3.3: "Essentially, a host MUST NOT close all functioning subflows unless it is safe to do so, i.e., until all outstanding data has been DATA_ACKed or until the segment with the DATA_FIN flag set is the only outstanding segment."
      it("a path fails in the last window: safe has all there within seconds, by the other path; with fast, both are closed for data, and the connection ends with an error", () => {
        const safe = failing("safe", family, checksum);
        assertEquals([safe.server.received, safe.server.code], [BYTES, null]);
        assertLess(safe.seconds, 2);
        const fast = failing("fast", family, checksum);
        assertLess(fast.server.received, BYTES);
        assert(fast.server.code !== null, "an end in order that is none");
      });
    });
  }
}
