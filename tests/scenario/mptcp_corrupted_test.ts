/**
 * Boxes that corrupt or take away options of the MPTCP handshake: both ends go on in one mode, or both have an error; none stays in MPTCP alone, and nobody
 * reads a byte that was not written (RFC 8684 §3.1, §3.7).
 */

import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import type { ElementFactory } from "../../core/link/sim/elements/element.ts";
import { rewriting } from "../../core/link/sim/middlebox/box.ts";
import type { SeenSegment as Segment } from "../../core/link/sim/middlebox/segment.ts";
import { passive } from "../../pm/mod.ts";
import { type End, Topology } from "../support/topology.ts";

const MPTCP = 30;

/** Where the MPTCP option of a segment begins; 0: it has none. */
function optionOf(bytes: Uint8Array): number {
  const end = 20 + (bytes[32]! >> 4) * 4;
  for (let at = 40; at < end && bytes[at] !== 0;) {
    if (bytes[at] === MPTCP) return at;
    at += bytes[at] === 1 ? 1 : bytes[at + 1]!;
  }
  return 0;
}

/** What becomes of an MP_CAPABLE. */
type Harm = (bytes: Uint8Array, at: number) => void;
const flip = (octet: number): Harm => (bytes, at) => bytes[at + octet]! ^= 0x40;
const HARMS: Readonly<Record<string, Harm>> = {
  "taken away": (bytes, at) => bytes.fill(1, at, at + bytes[at + 1]!),
  "with another version": (bytes, at) => bytes[at + 2]! = bytes[at + 2]! & 0xf0 | 3,
  "without a crypto algorithm": (bytes, at) => bytes[at + 3]! &= 0xfe,
  "with the B flag": (bytes, at) => bytes[at + 3]! |= 0x40,
};
const KEYS: Readonly<Record<string, Harm>> = {
  ...HARMS,
  "with another key of its sender": flip(5),
};
const BOTH: Readonly<Record<string, Harm>> = {
  ...KEYS,
  "with another key of its receiver": flip(13),
};

/** Segments with MP_CAPABLE: by whom, which, and what may become of it. */
const PARTS: readonly [string, "up" | "down", (s: Segment) => boolean, typeof HARMS][] = [
  ["the SYN", "up", ({ syn }) => syn, HARMS],
  ["the SYN/ACK", "down", ({ syn }) => syn, KEYS],
  ["the third ACK", "up", ({ syn, length }) => !syn && length === 0, BOTH],
  ["the first data", "up", ({ syn, length }) => !syn && length > 0, BOTH],
  ["the third ACK and the first data", "up", ({ syn }) => !syn, BOTH],
];

function box(which: (s: Segment) => boolean, harm: Harm): ElementFactory {
  return rewriting("harm", (each) => {
    const at = optionOf(each.bytes);
    if (at === 0 || bytesAreOther(each.bytes, at) || !which(each)) return false;
    harm(each.bytes, at);
    return true;
  });
}

/** Whether the option is none of MP_CAPABLE. */
function bytesAreOther(bytes: Uint8Array, at: number): boolean {
  return bytes[at + 2]! >> 4 !== 0;
}

/** Who has something to send. */
const TALKS: readonly [string, number, number][] = [
  ["both speak", 20000, 30000],
  ["the client speaks", 20000, 0],
  ["the server speaks", 0, 30000],
];

for (const [part, way, which, harms] of PARTS) {
  describe(`RFC 8684 §3.1: ${part} of a handshake has its MP_CAPABLE`, () => {
    for (const [what, harm] of Object.entries(harms)) {
      for (const checksum of [false, true]) {
        for (const [who, up, down] of TALKS) {
          it(`${what}; ${who}${checksum ? ", with checksums" : ""}`, () => {
            using t = new Topology({
              paths: {
                a: { rate: "20 Mbit/s", delay: "10 ms", [way]: [box(which, harm)] },
              },
              policies: { pathManager: passive() },
              client: { checksum },
            });
            const pair = t.connect({ bytes: up, keep: true }, { bytes: down, keep: true });
            const done = (): boolean => {
              const server = pair.server() as End | undefined;
              const { client } = pair;
              const failed = (client.code ?? null) !== null && (server?.code ?? null) !== null;
              return failed || (server !== undefined && client.done && server.done);
            };
            t.runUntil(done, 40);
            const { client } = pair;
            const server = pair.server();
            assertEquals((client.code ?? null) === null, (server.code ?? null) === null);
            const over = (client.code ?? null) !== null;
            if (!over) assertEquals(client.socket.fallback, server.socket.fallback, "in one mode");
            // A wrong key of the client that nothing contradicts gives wrong sums.
            const unknown = part.includes("and") && what.endsWith("its sender") && checksum;
            if (!unknown || up === 0) assert((client.code ?? null) === null, `${client.code}`);
          });
        }
      }
    }
  });
}
