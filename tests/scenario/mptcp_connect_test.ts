/** Connections over paths that drop segments of the MPTCP handshake (RFC 8684 §3.1): how long they take, what is remembered, and that both sides agree. */

import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { passive } from "../../pm/mod.ts";
import { dropping } from "../support/middlebox.ts";
import type { Choices } from "../support/choices.ts";
import { type End, Topology } from "../support/topology.ts";

const SYN = 2;
const ACK = 16;
const RTT = 0.02;
const hasAck = (flags: number): boolean => (flags & ACK) !== 0;
const isSyn = (flags: number): boolean => (flags & SYN) !== 0;

/** What a box drops. */
interface Box {
  readonly name: string;
  readonly up?: (flags: number, mptcp: boolean) => boolean;
  readonly down?: (flags: number, mptcp: boolean) => boolean;
  /** The client then knows that SYNs with MP_CAPABLE lead to nothing. */
  readonly hole?: boolean;
}

const BOXES: readonly Box[] = [
  { name: "SYNs with MPTCP", up: (flags, mptcp) => isSyn(flags) && mptcp, hole: true },
  { name: "SYN/ACKs with MPTCP", down: (flags, mptcp) => isSyn(flags) && mptcp, hole: true },
];

interface Case {
  readonly family?: 4 | 6;
  readonly client?: Choices;
  readonly server?: Choices;
  readonly cookies?: boolean;
  readonly fastOpen?: boolean;
}

function topology({ up, down }: Box, c: Case = {}): Topology {
  return new Topology({
    family: c.family ?? 4,
    paths: {
      a: {
        rate: "20 Mbit/s",
        delay: "10 ms",
        ...(up && { up: [dropping(up)] }),
        ...(down && { down: [dropping(down)] }),
      },
    },
    policies: { pathManager: passive() },
    ...(c.client && { client: c.client }),
    ...(c.server && { server: c.server }),
    ...(c.cookies && { serverTcp: { synCookies: "always" } }),
  });
}

/** Opens one, transfers both ways; how long it took to be established, and whether both ends are plain TCP. */
function connect(t: Topology): { seconds: number; plain: boolean; ends: readonly [End, End] } {
  const begin = t.seconds;
  const pair = t.connect({ bytes: 5000, keep: true }, { bytes: 7000, keep: true });
  t.runUntil(() => pair.client.socket.established, begin + 20);
  const seconds = t.seconds - begin;
  t.complete(pair, 20);
  const ends = [pair.client, pair.server()] as const;
  const [client, server] = ends.map(({ socket }) => socket.fallback);
  assertEquals(client, server, "both sides are in one mode");
  for (const { socket } of ends) socket.close(t.now);
  t.wake();
  return { seconds, plain: client!, ends };
}

describe("RFC 8684 §3.1: a box that drops MPTCP costs connect() 4 s at most", () => {
  const cases: readonly [string, Case][] = [
    ["IPv4", {}],
    ["IPv6", { family: 6 }],
    ["a server that answers by cookies", { cookies: true }],
    ["checksums asked for", { client: { checksum: true }, server: { checksum: true } }],
  ];
  for (const box of BOXES) {
    for (const [name, options] of cases) {
      it(`one that drops ${box.name}, ${name}`, () => {
        using t = topology(box, options);
        const { seconds, plain } = connect(t);
        assert(seconds > 1 && seconds <= 4, `${seconds}`);
        assertEquals(plain, true);
        assertEquals(t.client.counters.get("MPCapableSYNTXDrop"), 1);
        assertEquals(t.client.counters.get("Blackhole"), box.hole ? 1 : 0);
        // Both ends know of no token any more.
        t.runTo(t.seconds + 130);
        assertEquals([t.client.usage().tokens, t.server.usage().tokens], [0, 0]);
      });
    }

    it(`one that drops ${box.name}: the next connection loses no time`, () => {
      using t = topology(box);
      connect(t);
      const { seconds, plain } = connect(t);
      assert(seconds < 2 * RTT, `${seconds}`);
      assertEquals(plain, true);
      assertEquals(t.client.counters.get("MPCapableSYNTXDisabled"), 1);
    });
  }

  it("nothing is dropped: no time is lost, MPTCP is spoken", () => {
    using t = topology({ name: "nothing" });
    const { seconds, plain } = connect(t);
    assertEquals([plain, t.client.counters.get("Blackhole")], [false, 0]);
    assert(seconds < 2 * RTT, `${seconds}`);
  });

  it("a server whose SYN/ACKs with MPTCP are dropped leaves it out itself, for a client that insists", () => {
    for (const family of [4, 6] as const) {
      using t = topology(BOXES[1]!, { family, client: { synRetriesBeforeFallback: 127 } });
      const { seconds, plain } = connect(t);
      assert(seconds > 2 && seconds <= 4, `${seconds}`);
      assertEquals([plain, t.server.usage().tokens], [true, 0]);
      // The client has asked each time: nothing tells that its SYNs are lost.
      assertEquals(t.client.counters.get("Blackhole"), 0);
      assertEquals(t.client.counters.get("MPCapableFallbackSYNACK"), 1);
    }
  });

  it("'synRetriesBeforeFallback' of Linux, 2: the fourth SYN, after 7 s", () => {
    using t = topology(BOXES[0]!, { client: { synRetriesBeforeFallback: 2 } });
    const { seconds } = connect(t);
    assert(seconds > 7 && seconds < 7.1, `${seconds}`);
  });

  it("'synRetriesBeforeFallback: 0': the second, after 1 s", () => {
    using t = topology(BOXES[0]!, { client: { synRetriesBeforeFallback: 0 } });
    const { seconds } = connect(t);
    assert(seconds > 1 && seconds < 1.1, `${seconds}`);
  });
});

describe("a destination that swallows MPTCP is remembered, as Linux does for its host", () => {
  it("for an hour, then 2, then 4; MPTCP is asked for once in between; what passes makes it forgotten", () => {
    let swallows = true;
    using t = topology({ name: "some", up: (flags, mptcp) => swallows && isSyn(flags) && mptcp });
    const plainAt = (seconds: number): [boolean, boolean] => {
      t.runTo(seconds);
      const { plain, seconds: took } = connect(t);
      return [plain, took > 1];
    };
    const hour = 3600;
    assertEquals(plainAt(0), [true, true]);
    assertEquals(plainAt(hour - 60), [true, false]);
    assertEquals(plainAt(hour + 60), [true, true]);
    assertEquals(plainAt(3 * hour - 60), [true, false]);
    assertEquals(plainAt(3 * hour + 120), [true, true]);
    assertEquals(plainAt(7 * hour), [true, false]);
    assertEquals(t.client.counters.get("Blackhole"), 3);
    swallows = false;
    assertEquals(plainAt(7 * hour + 240), [false, false]);
    swallows = true;
    assertEquals(plainAt(7 * hour + 300), [true, true]);
    // Once: it begins anew.
    assertEquals(plainAt(8 * hour + 360), [true, true]);
    assertEquals(t.client.counters.get("Blackhole"), 5);
  });

  it("not where 'blackholeTimeout' is 0: each connection finds it out", () => {
    using t = topology(BOXES[0]!, { client: { blackholeTimeout: 0 } });
    for (let i = 0; i < 2; i++) assert(connect(t).seconds > 2);
    assertEquals(t.client.counters.get("Blackhole"), 0);
    assertEquals(t.client.counters.get("MPCapableSYNTXDisabled"), 0);
  });

  it("nobody heeds it who asks for plain TCP, which finds nothing out either", () => {
    using t = topology({ name: "SYNs", up: (flags, mptcp) => isSyn(flags) && mptcp }, {
      client: { mptcp: false },
    });
    const { seconds, plain } = connect(t);
    assert(seconds < 2 * RTT);
    assertEquals(plain, true);
    for (const name of ["Blackhole", "MPCapableSYNTX", "MPCapableSYNTXDisabled"]) {
      assertEquals(t.client.counters.get(name), 0, name);
    }
  });

  it("a server on plain TCP is none: its SYN/ACKs answer the first SYN", () => {
    using t = topology({ name: "nothing" }, { server: { mptcp: false } });
    for (let i = 0; i < 2; i++) {
      const { seconds, plain } = connect(t);
      assert(seconds < 2 * RTT);
      assertEquals(plain, true);
    }
    assertEquals(t.client.counters.get("MPCapableSYNTX"), 2);
    assertEquals(t.client.counters.get("Blackhole"), 0);
  });
});

describe("RFC 8684 §3.1: lost segments of the handshake leave both sides in one mode", () => {
  /** Loses the nth segments of a direction for which `what` holds. */
  const nth = (
    what: (flags: number) => boolean,
    lost: readonly number[],
  ): (flags: number) => boolean => {
    let seen = 0;
    return (flags) => what(flags) && lost.includes(seen++);
  };
  const third = (flags: number): boolean => !isSyn(flags) && hasAck(flags);
  for (const cookies of [false, true]) {
    const kind = cookies ? "cookies" : "state";
    // A cookie is in the number of the first data, too, and in none of later ones: both lost, the connection is refused, as by Linux.
    for (const lost of cookies ? [[0], [1]] : [[0], [1], [0, 1], [0, 1, 2, 3]]) {
      it(`third ACK and what follows: ${lost} of the client's lost, a server with ${kind}`, () => {
        using t = topology({ name: "third ACKs", up: nth(third, lost) }, { cookies });
        assertEquals(connect(t).plain, false);
        assertEquals(t.server.counters.get("MPCapableACKRX"), 1);
      });
    }
    for (const lost of [[0], [0, 1]]) {
      it(`SYNs ${lost} lost, a server with ${kind}: nothing that is left out is remembered`, () => {
        using t = topology({ name: "SYNs", up: nth(isSyn, lost) }, { cookies });
        const { plain } = connect(t);
        assertEquals(plain, lost.length > 1);
      });
      it(`SYN/ACKs ${lost} lost, a server with ${kind}`, () => {
        using t = topology({ name: "SYN/ACKs", down: nth(isSyn, lost) }, { cookies });
        connect(t);
      });
    }
  }
});
