import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { host_usage } from "../../../wasm/mod.ts";
import { USAGE_BYTES } from "../../../wasm/layout.ts";
import { fullMesh } from "../../../pm/mod.ts";
import { type App, Dialogue } from "../../support/dialogue.ts";
import { joined } from "../../support/joins.ts";
import * as fc from "../../support/property.ts";
import type { Peer } from "../../support/scripted_peer.ts";
import { plainSum } from "../../support/sim.ts";

const NOTHING = { connections: 0, tokens: 0, flows: 0, timers: 0, handles: 0, pages: 0 };

/** Ends everything and sees that nothing is left, and that no plugin was at fault. */
function bury(d: Dialogue): void {
  d.stack.close(d.now);
  d.pass(130e6);
  d.sent.length = 0;
  assertEquals(d.usage, NOTHING);
  assertEquals(d.faults, []);
}

/** A connection of the stack to a peer that answered, with the join that it began then. */
function dialled(d: Dialogue): { first: Peer; second: Peer; app: App } {
  const app = d.connect();
  const first = d.called();
  first.gets("S 0");
  first.offers({}, "S.", ["mpc key"]);
  first.takeAll();
  first.sends(". 1 ack 1 <dack8 1>");
  const second = d.called(first.session);
  second.gets("S 0 <join syn>");
  second.offers({}, "S.", ["join synack id 0"]);
  second.sends(". 1 ack 1 <dack8 1>");
  return { first, second, app };
}

/** Makes the sums of an IPv4 packet with TCP right again. */
function repair(bytes: Uint8Array): void {
  const header = (bytes[0]! & 15) * 4;
  if (bytes[0]! >> 4 !== 4 || header < 20 || header + 20 > bytes.length) return;
  bytes.set([0, 0], 10);
  const sum = ~plainSum(bytes.subarray(0, header)) & 0xffff;
  bytes.set([sum >> 8, sum & 255], 10);
  const total = bytes[2]! << 8 | bytes[3]!;
  if (total > bytes.length || total < header + 20) return;
  bytes.set([0, 0], header + 16);
  const start = plainSum(bytes.subarray(12, 20)) + 6 + total - header;
  const check = ~plainSum(bytes.subarray(header, total), start) & 0xffff;
  bytes.set([check >> 8, check & 255], header + 16);
}

const octet = fc.tuple(fc.nat({ max: 999 }), fc.integer({ min: 1, max: 255 }));
const change = fc.tuple(fc.nat({ max: 79 }), fc.integer({ min: 1, max: 255 }));

describe("hostile input", () => {
  it("of random bytes is dropped and counted, and changes nothing", () => {
    using d = new Dialogue();
    d.listen();
    let packets = 0;
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat({ max: 7 }), (bytes, kind) => {
        // Most of them begin like a packet, or nothing would get past the first octet.
        if (kind > 0 && bytes.length > 20) bytes[0] = kind < 5 ? 0x45 : 0x60;
        if (kind > 2 && bytes.length > 20) bytes.set([bytes.length >> 8, bytes.length & 255], 2);
        if (kind > 3 && bytes.length > 20) repair(bytes);
        d.inject(bytes);
        packets++;
        d.silent();
        assertEquals(d.usage, NOTHING);
        const counted = Object.values(d.stack.counters.all()).reduce((sum, n) => sum + n, 0);
        assertEquals(counted, packets);
      }),
      { numRuns: 2000 },
    );
  });

  it("of valid segments with a changed octet never reaches the application", () => {
    // One octet is always found out; two may make up for one another in a sum of 16 bits.
    fc.assert(
      fc.property(fc.array(octet, { minLength: 1, maxLength: 30 }), (all) => {
        using d = new Dialogue();
        const { first, second, app } = joined(d);
        app.write(3000);
        for (const [turn, [at, mask]] of all.entries()) {
          const peer = turn % 2 === 0 ? first : second;
          const bytes = peer.packet("P. +100 <dack8 1, map8>");
          const spoiled = bytes.slice();
          spoiled[at % spoiled.length]! ^= mask;
          d.inject(spoiled, peer.link);
          d.inject(bytes, peer.link);
          app.read(); // compares
        }
        assertEquals(app.got, 100 * all.length);
        bury(d);
      }),
      { numRuns: 150 },
    );
  });

  it("of changed headers under a right checksum throws nothing and leaves nothing", () => {
    const changes = fc.array(change, { minLength: 1, maxLength: 3 });
    const lines = fc.constantFrom(
      "P. +100 <dack8 1, map8>",
      ". ack 1 <sack 100:200 300:400>",
      "F. +10 <dack8 1, map8>",
      ". <dack8 500, map8 1 0 1 fin>",
      ". <add 3 10.0.9.9 port 80>",
      ". <rm 1 2>",
      ". <prio backup>",
      ". <fastclose bad>",
      ". <fail 7>",
      "R. <tcprst 1>",
      "S 0 <mss 1460, sackOK, ws 7, mpc>",
      "S 0 <mss 1460, join syn id 4>",
      "S. 0 ack 1 <mss 1460, mpc key>",
      ". 1 ack 1 <mpc keys len 20>",
      ". 1 ack 1 <join ack>",
    );
    const all = fc.array(fc.tuple(lines, changes), { minLength: 1, maxLength: 40 });
    fc.assert(
      fc.property(fc.boolean(), all, (client, all) => {
        using d = new Dialogue({ policies: { pathManager: fullMesh() } });
        const { first, second, app } = client ? dialled(d) : joined(d);
        app.write(3000);
        for (const [i, [line, each]] of all.entries()) {
          const peer = i % 2 === 0 ? first : second;
          const bytes = peer.packet(line);
          // Not the addresses: they would only make it somebody else's.
          for (const [at, mask] of each) bytes[20 + at % (bytes.length - 20)]! ^= mask;
          repair(bytes);
          d.inject(bytes, peer.link);
          app.socket.read(d.now, new Uint8Array(1000));
          if (i % 5 === 0) d.pass(300e3);
        }
        app.close();
        bury(d);
      }),
      { numRuns: 400 },
    );
  });

  it("of segments that make no sense throws nothing, and memory stays within the buffers", () => {
    const number = fc.oneof(
      fc.integer({ min: -100, max: 5000 }),
      fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
    );
    const positive = fc.nat({ max: 70000 });
    const option = fc.oneof(
      number.map((n) => `dack8 ${n}`),
      number.map((n) => `dack ${n}`),
      fc.tuple(number, fc.nat({ max: 5000 }), fc.nat({ max: 65535 }), fc.constantFrom("", " fin"))
        .map(([dsn, ssn, length, fin]) => `map8 ${dsn} ${ssn} ${length}${fin}`),
      fc.tuple(number, number).map(([a, b]) => `sack ${a}:${b}`),
    );
    const rare = fc.oneof(
      fc.nat({ max: 255 }).map((id) => `add ${id} 10.0.${id}.9`),
      fc.nat({ max: 255 }).map((id) => `rm ${id}`),
      fc.constantFrom("prio", "prio backup", "fastclose bad", "mpc keys", "join ack", "noTS"),
    );
    const segment = fc.record({
      flags: fc.constantFrom(".", "P.", "F.", "R.", "S", "S.", "FP", "SFR."),
      seq: number,
      length: fc.nat({ max: 3000 }),
      ack: number,
      win: fc.nat({ max: 65535 }),
      options: fc.oneof(
        fc.uniqueArray(option, { maxLength: 2, selector: (text) => text.slice(0, 4) })
          .map((two) => [...two, "noTS"]),
        rare.map((one) => [one]),
      ),
      other: fc.boolean(),
      wait: positive,
    }, { noNullPrototype: true });
    fc.assert(
      fc.property(
        fc.boolean(),
        fc.array(segment, { minLength: 1, maxLength: 60 }),
        (client, all) => {
          using d = new Dialogue({
            experiments: { receiveBuffer: 60000, sendBuffer: 60000 },
            policies: { pathManager: fullMesh() },
          });
          const { first, second, app } = client ? dialled(d) : joined(d);
          app.write(60000);
          for (const { flags, seq, length, ack, win, options, other, wait } of all) {
            const peer: Peer = other ? second : first;
            const range = length > 0 ? `${seq}:${seq + length}` : `${seq}`;
            peer.sends(`${flags} ${range} ack ${ack} win ${win} <${options.join(", ")}>`);
            d.pass(wait);
            app.socket.read(d.now, new Uint8Array(500));
            assert(host_usage(d.stack.wasm, USAGE_BYTES) < 2e6);
          }
          app.close();
          bury(d);
        },
      ),
      { numRuns: 300 },
    );
  });

  it("of mappings without data, or data without mappings, is bounded; the subflow is reset", () => {
    using d = new Dialogue({ experiments: { receiveBuffer: 50000 } });
    const { first, second, app } = joined(d);
    for (let i = 0; i < 5000; i++) {
      first.sends(`. 1 ack 1 <dack8 1, map8 ${1000 * i + 1} ${10 * i + 1} 5>`);
    }
    assert(host_usage(d.stack.wasm, USAGE_BYTES) < 1e6);
    // One mapping too many is not kept, so neither are its bytes: they come again.
    first.takeAll();
    first.sends(". 20001:20101 <dack8 1, map8 20001 20001 100>");
    first.sends(". 30001 ack 1 <dack8 1>");
    assert(
      first.takeAll().every(({ options }) => !options.some((each) => each.startsWith("sack"))),
    );
    second.takeAll();
    let reset = false;
    for (let i = 0; i < 60 && !reset; i++) {
      second.sends(". +1000 <dack8 1>");
      reset = second.takeAll().some(({ flags }) => flags.includes("R"));
    }
    assert(reset, "a window of data without mappings is not the end of the subflow");
    assertEquals(app.socket.subflows.length, 1);
    assertEquals(app.code, undefined);
  });

  for (
    const [where, first, second] of [
      ["below what has come", "", ". <dack8 1, map8 50 0 1 fin>"],
      ["in two places", ". <dack8 1, map8 301 0 1 fin>", ". <dack8 1, map8 302 0 1 fin>"],
    ] as const
  ) {
    it(`of a DATA_FIN ${where} costs the subflow, and is no end`, () => {
      using d = new Dialogue();
      const { peer, app } = d.opened();
      peer.data(100);
      if (first !== "") peer.sends(first);
      peer.sends(second);
      peer.takeAll();
      assertEquals(app.read(), 100);
      assertEquals(app.socket.receiveQueue.reached, false);
      assertEquals([app.code, app.socket.reason], ["ConnectionAborted", "bytes-miscounted"]);
    });
  }

  it("of data behind a DATA_FIN, or in its place, is ignored", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened();
    peer.data(200);
    assertEquals(app.read(), 200);
    peer.sends(". <dack8 1, map8 201 0 1 fin>");
    assertEquals(app.socket.atEnd, true);
    // Behind it, and in its place.
    peer.sends("P. +100 <dack8 1, map8 202 201 100>");
    peer.sends("P. +100 <dack8 1, map8 201 301 100>");
    assertEquals(app.read(), 0);
    assertEquals(app.socket.dataRcvNxt, 202);
  });
});
