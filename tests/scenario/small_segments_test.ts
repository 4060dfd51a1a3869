/**
 * What is written at once leaves in full segments: whatever options there are beside, none is cut so that a few bytes are left over (RFC 9293 §3.8.6.2.1,
 * the silly window syndrome), but for those at the end of the data.
 */

import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import type { Probe } from "../../core/subflow/probe.ts";
import { otias, redundant } from "../../sched/mod.ts";
import { Topology, type TopologyOptions } from "../support/topology.ts";

const BYTES = 200_000;
/** Less than any payload of a full segment here. */
const SMALL = 400;

/** Counts segments of less than {@linkcode SMALL} bytes that do not end at `BYTES`, and all with data. */
class Meter {
  small = 0;
  all = 0;
  readonly probe: Probe = {
    segmentSent: (_now, _connection, _path, _seq, length, _flags, _ack, _window, dsn, segment) => {
      if (length === 0) return;
      this.all++;
      const least = segment > 0 ? length % segment : length;
      if (least === 0 || least >= SMALL) return;
      if (dsn + length !== BYTES + 1) this.small++;
    },
  };
}

/** Small segments of the client and of the server, which send at once. */
function smallOf(options: Partial<TopologyOptions>, up = BYTES, down = BYTES): [number, number] {
  const client = new Meter();
  const server = new Meter();
  using t = new Topology({
    paths: { a: { rate: "20 Mbit/s", delay: "10 ms", queue: 60 } },
    probes: { client: client.probe, server: server.probe },
    ...options,
  });
  t.complete(t.connect({ bytes: up }, { bytes: down }), 60);
  assertEquals([client.all > 0, server.all > 0], [up > 0, down > 0]);
  return [client.small, server.small];
}

const TWO = {
  a: { rate: "20 Mbit/s", delay: "10 ms", queue: 40, loss: 0.01 },
  b: { rate: "10 Mbit/s", delay: "20 ms", queue: 40, loss: 0.01 },
} as const;

const QUIET = {
  a: { rate: "20 Mbit/s", delay: "10 ms", queue: 100 },
  b: { rate: "10 Mbit/s", delay: "20 ms", queue: 100 },
} as const;

const WAYS: Record<string, Partial<TopologyOptions>> = {
  "over one path": {},
  "over two paths that lose packets": { paths: TWO },
  "over two paths, each of which gets all": { paths: TWO, policies: { scheduler: redundant() } },
  "bound ahead of their sending": {
    paths: QUIET,
    policies: { scheduler: otias({ lookAhead: 20 }) },
  },
  "in super-segments": { links: { maxSegments: 16 } },
  "over IPv6": { family: 6, paths: TWO },
  "without timestamps": { tcp: { timestamps: false }, paths: TWO },
  "without SACK": { tcp: { sack: false }, paths: TWO },
};
const EXTRAS: Record<string, Partial<TopologyOptions>> = {
  "": {},
  ", with checksums": { client: { checksum: true }, server: { checksum: true } },
  ", with numbers of eight octets": { client: { dsn: "long" }, server: { dsn: "long" } },
};

describe("data that are written at once leave in full segments", () => {
  for (const [way, options] of Object.entries(WAYS)) {
    for (const [extra, more] of Object.entries(EXTRAS)) {
      it(`${way}${extra}: both ends send, or one`, () => {
        const both = { ...options, ...more };
        assertEquals({
          both: smallOf(both),
          up: smallOf(both, BYTES, 0),
          down: smallOf(both, 0, BYTES),
        }, { both: [0, 0], up: [0, 0], down: [0, 0] });
      });
    }
  }
});
