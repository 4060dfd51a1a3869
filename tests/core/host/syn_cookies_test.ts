import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { JoinTable } from "../../../core/host/join_table.ts";
import { writeKey } from "../../../core/host/flow_key.ts";
import {
  ecnOf,
  sackOf,
  scaleOf,
  SynCookies,
  timestampWithOptions,
} from "../../../core/host/syn_cookies.ts";
import { distance32 } from "../../../core/wire/seq.ts";
import { parseAddress } from "../../../core/wire/ip.ts";
import { host_new, host_secret } from "../../../wasm/mod.ts";
import * as fc from "../../support/property.ts";

const STEP = 64e6;

function cookies(secret = 1): SynCookies {
  const host = host_new(1, 2);
  host_secret(host, secret, 3, 5, 7);
  return new SynCookies(host);
}

function flow(remotePort = 1000, remote = "10.0.0.2", local = "10.0.0.1", port = 80): number {
  return writeKey(parseAddress(local)!, port, parseAddress(remote)!, remotePort, 0);
}

const OURS = cookies();
const FLOW = flow();
const seqs = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });
const times = fc.nat({ max: 400 * 86400 }).map((seconds) => seconds * 1e6 + 17);

describe("RFC 4987 §3.6: a cookie", () => {
  it("brings back the MSS of the SYN, rounded down to one of eight, at any time and for any number", () => {
    fc.assert(fc.property(
      seqs,
      fc.integer({ min: 1, max: 65535 }),
      times,
      fc.nat({ max: 64e6 - 1 }),
      fc.boolean(),
      (seq, mss, at, later, join) => {
        const iss = OURS.issue(FLOW, seq, mss, join, at);
        assertEquals(iss, iss | 0);
        const found = OURS.check(FLOW, seq, iss, join, at + later);
        const table = [64, 512, 1220, 1360, 1420, 1440, 1460, 8940];
        assertEquals(found, table.findLast((value) => value <= mss) ?? 64);
      },
    ));
  });

  it("is good to the end of the 64 s after those that it was sent in, no longer, and not when the counter of 5 bits comes round", () => {
    for (const step of [0, 1, 31, 32, 1000]) {
      for (const at of [step * STEP, (step + 1) * STEP - 1]) {
        const iss = OURS.issue(FLOW, 77, 1460, false, at);
        const good = (now: number): boolean => OURS.check(FLOW, 77, iss, false, now) !== 0;
        assert(good(at) && good((step + 2) * STEP - 1), `${at}`);
        assertEquals(good((step + 2) * STEP), false, `${at}`);
        assertEquals([31, 32, 33, 64].map((more) => good(at + more * STEP)), Array(4).fill(false));
        // Nor was it before it was sent.
        if (step > 1) assertEquals(good((step - 1) * STEP), false);
      }
    }
  });

  it("is none with another number, of other ends, of another host, or for a join in place of a connection", () => {
    const others = [flow(1001), flow(1000, "10.0.0.3"), flow(1000, "10.0.0.2", "10.0.0.4")];
    others.push(flow(1000, "10.0.0.2", "10.0.0.1", 81), flow(1000, "fd00::2", "fd00::1"));
    const theirs = cookies(2);
    fc.assert(fc.property(seqs, fc.nat({ max: 31 }), times, fc.boolean(), (seq, bit, at, join) => {
      const iss = OURS.issue(FLOW, seq, 1460, join, at);
      assertEquals(OURS.check(FLOW, seq, iss ^ 1 << bit, join, at), 0);
      assertEquals(OURS.check(FLOW, seq ^ 1 << bit, iss, join, at), 0);
      assertEquals(OURS.check(FLOW, seq, iss, !join, at), 0);
      assertEquals(theirs.check(FLOW, seq, iss, join, at), 0);
      for (const other of others) assertEquals(OURS.check(other, seq, iss, join, at), 0);
    }));
  });

  it("is known from what lies behind its SYN, within 65535 bytes, in both steps that it is good in, and by hardly a guess", () => {
    fc.assert(fc.property(
      seqs,
      fc.integer({ min: 1, max: 65535 }),
      times,
      fc.nat({ max: 64e6 - 1 }),
      (seq, ahead, at, later) => {
        const iss = OURS.issue(FLOW, seq, 1460, false, at);
        assert(OURS.behind(FLOW, (seq + ahead) | 0, iss, at + later));
        assert(!OURS.behind(FLOW, (seq + ahead) | 0, iss, at + 2 * STEP));
      },
    ));
    const iss = OURS.issue(FLOW, 7, 1460, false, STEP);
    const known = [6, 7, 8, 65542, 65543].map((seq) => OURS.behind(FLOW, seq, iss, STEP));
    assertEquals(known, [false, false, true, true, false]);
    let guessed = 0;
    for (let guess = 0; guess < 100_000; guess++) {
      if (OURS.behind(FLOW, Math.imul(guess, 0x9e3779b1), 1, STEP)) guessed++;
    }
    assert(guessed < 100, `${guessed}`);
  });

  it("is guessed once in 2^28 times at most", () => {
    // Of all 2^32 numbers those are good that have one of two steps and one of eight MSS, each with one hash.
    let good = 0;
    for (let guess = 0; guess < 200_000; guess++) {
      if (OURS.check(FLOW, 1, Math.imul(guess, 0x9e3779b1), false, STEP) !== 0) good++;
    }
    assertEquals(good, 0);
  });

  it("goes on with the client's numbers: those of a later SYN of the same ends lie as far above (appendix A)", () => {
    const first = OURS.issue(FLOW, 1000, 1460, false, 5);
    assertEquals(distance32(OURS.issue(FLOW, 251_000, 1460, false, 1e6), first), 250_000);
  });

  it("is awaited for 128 s after the last one was sent: before, and later, nothing is looked at", () => {
    const fresh = cookies();
    assertEquals(fresh.awaited(0), false);
    fresh.issue(FLOW, 1, 1460, false, 10e6);
    assertEquals([10e6, 138e6 - 1, 138e6].map((now) => fresh.awaited(now)), [true, true, false]);
  });
});

describe("RFC 8684 §3.1: the key of a server that keeps nothing", () => {
  it("follows from the ends, both numbers and the secret, and from nothing less", () => {
    const key = OURS.mptcpKey(FLOW, 1, 2);
    assertEquals(OURS.mptcpKey(FLOW, 1, 2), key);
    const others = [
      OURS.mptcpKey(FLOW, 2, 2),
      OURS.mptcpKey(FLOW, 1, 3),
      OURS.mptcpKey(FLOW, 2, 1),
      OURS.mptcpKey(flow(1001), 1, 2),
      cookies(2).mptcpKey(FLOW, 1, 2),
    ];
    for (const other of others) {
      assertNotEquals(other.high, key.high);
      assertNotEquals(other.low, key.low);
    }
  });
});

describe("the timestamp of a SYN/ACK that keeps nothing", () => {
  it("has what the SYN offered in its lowest bits, and is our clock, at most 64 ms late and never early", () => {
    fc.assert(
      fc.property(
        seqs,
        fc.integer({ min: -1, max: 20 }),
        fc.boolean(),
        fc.boolean(),
        (clock, scale, sack, ecn) => {
          const value = timestampWithOptions(clock, scale, sack, ecn);
          assertEquals([scaleOf(value), sackOf(value), ecnOf(value)], [
            Math.min(scale, 14),
            sack,
            ecn,
          ]);
          const late = distance32(clock, value);
          assert(late >= 0 && late < 64, `${late}`);
          assertEquals(value, value | 0);
          const next = timestampWithOptions((clock + 1) | 0, scale, sack, ecn);
          assert(distance32(next, value) >= 0, "it goes back");
        },
      ),
    );
  });
});

describe("joins that were answered by cookies", () => {
  const JOIN = { nonce: 0xfffffff0, peerNonce: 0x80000001, backup: true, addressId: 255 };

  it("are kept by the number of the answer, and taken once", () => {
    const table = new JoinTable();
    assertEquals(table.take(-5), null);
    table.put(-5, 0xdeadbeef, JOIN);
    assertEquals(table.take(-5 ^ 1024), null);
    assertEquals(table.take(-5), { token: 0xdeadbeef, join: JOIN });
    assertEquals(table.take(-5), null);
    assertEquals(table.take(0), null);
  });

  it("take each other's place where there are too many", () => {
    const table = new JoinTable();
    for (let i = 0; i < 5000; i++) table.put(i * 7, i, { ...JOIN, addressId: i & 255 });
    let left = 0;
    for (let i = 0; i < 5000; i++) {
      const found = table.take(i * 7);
      if (found === null) continue;
      assertEquals([found.token, found.join.addressId], [i, i & 255]);
      left++;
    }
    assertEquals(left, 1024);
  });
});
