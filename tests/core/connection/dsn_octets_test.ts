import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { DsnOctets } from "../../../core/connection/dsn_octets.ts";
import { DSS_DSN_8, DSS_MAPPING } from "../../../wasm/layout.ts";
import { type App, Dialogue, type DialogueOptions } from "../../support/dialogue.ts";
import { join } from "../../support/joins.ts";
import { type Got, type Peer, withData } from "../../support/scripted_peer.ts";
import * as fc from "../../support/property.ts";

const LONG = DSS_MAPPING | DSS_DSN_8;
const BLOCK = 2 ** 24;
/** Microseconds that a block takes at 2^31 bytes in two minutes. */
const FAST = 937500;

describe("octets of our data sequence numbers (RFC 8684 §3.3.1)", () => {
  // RFC 8684 §3.3.1: "an implementation MAY include just the lower 32 bits of the data sequence number"
  it("are four, and eight where that is asked for", () => {
    assertEquals(new DsnOctets(false, 0).flags, DSS_MAPPING);
    assertEquals(new DsnOctets(true, 0).flags, LONG);
    assertEquals(new DsnOctets(true, 0).at(1, 2), LONG);
    assertEquals(new DsnOctets(true, 0).sent(2 ** 40, 1), false);
  });

  // RFC 8684 §3.3.1: "An implementation MUST send the full 64-bit data sequence number if it is transmitting at a sufficiently high rate that the
  // 32-bit value could wrap"
  it("are eight from the first 16 MB on that leave at half the rate at which 32 bits wrap in two minutes", () => {
    const fast = new DsnOctets(false, 5e6);
    assertEquals(fast.sent(BLOCK, 5e6 + FAST - 2), false);
    assertEquals(fast.sent(1 + BLOCK, 5e6 + FAST - 1), true);
    assertEquals(fast.flags, LONG);
    // Nobody need be told again, and a slow time brings four back no more.
    assertEquals(fast.sent(1 + 2 * BLOCK, 1e9), false);
    assertEquals(fast.flags, LONG);
    const slow = new DsnOctets(false, 5e6);
    assertEquals(slow.sent(1 + BLOCK, 5e6 + FAST), false);
    assertEquals(slow.sent(1 + 2 * BLOCK, 5e6 + 2 * FAST), false);
    assertEquals(slow.flags, DSS_MAPPING);
    // A burst behind a pause counts by itself.
    assertEquals(slow.sent(2 + 3 * BLOCK, 1e9), false);
    assertEquals(slow.sent(2 + 4 * BLOCK, 1e9 + FAST - 1), true);
  });

  it("are eight before 2^32 bytes have left within two minutes, whatever the rate does", () => {
    const step = fc.tuple(fc.integer({ min: 1, max: 2 ** 23 }), fc.integer({ min: 0, max: 1e6 }));
    fc.assert(fc.property(fc.array(step, { minLength: 200, maxLength: 2000 }), (steps) => {
      const octets = new DsnOctets(false, 0);
      const left: [offset: number, at: number][] = [[1, 0]];
      let [nxt, now, from] = [1, 0, 0];
      for (const [bytes, pause] of steps) {
        nxt += bytes;
        now += pause;
        octets.sent(nxt, now);
        left.push([nxt, now]);
        while (left[from]![1] < now - 120e6) from++;
        if (octets.flags === DSS_MAPPING) assert(nxt - left[from]![0] < 2 ** 31 + 4 * BLOCK);
      }
    }));
  });

  it("are eight for what lies a gigabyte below what was sent last: the peer may have got on so far", () => {
    const octets = new DsnOctets(false, 0);
    assertEquals(octets.at(1, 2 ** 30), DSS_MAPPING);
    assertEquals(octets.at(1, 2 ** 30 + 1), LONG);
    assertEquals(octets.at(2 ** 33, 2 ** 33 + 1000), DSS_MAPPING);
    // Of a connection that is there only to begin anew nothing lies below.
    assertEquals(octets.at(1000, 1), DSS_MAPPING);
  });
});

/** Keys whose initial data sequence numbers lie less than so many bytes below a wrap of their lower half. */
const OURS: DialogueOptions = { keys: [0x01020304, 1269544] };
const PEERS = { high: 0x11121314, low: 516018 };
const NEAR = 6000;

/** A connection of which the peer's initial data sequence number, too, is close to a wrap. */
function begun(
  d: Dialogue,
  role: "client" | "server",
  checksum = false,
): { peer: Peer; app: App } {
  const a = checksum ? " A" : "";
  if (role === "client") {
    const app = d.connect(80);
    const peer = d.called();
    peer.session.ourKey = PEERS;
    peer.gets("S 0");
    d.pass(20e3);
    peer.offers({ checksum }, "S.", [`mpc key${a}`]);
    peer.gets(". 1 ack 1 <mpc keys>");
    peer.sends(". 1 ack 1 <dack 1>");
    return { peer, app };
  }
  const listener = d.listen();
  const peer = d.peer();
  peer.session.ourKey = PEERS;
  peer.offers({ checksum }, "S", [`mpc${a}`]);
  peer.gets("S. 0 ack 1");
  d.pass(20e3);
  peer.sends(`. 1 ack 1 <mpc keys${a}>`);
  const app = d.accept(listener);
  peer.sends(". 1 ack 1 <dack 1>");
  return { peer, app };
}

const octetsOf = ({ options }: Got): string[] =>
  options.filter((each) => /^(map|dack)/.test(each)).map((each) => each.replace(/ .*/, ""));

describe("data over a wrap of the lower 32 bits of their numbers", () => {
  for (const role of ["client", "server"] as const) {
    for (const checksum of [false, true]) {
      it(`arrive in both directions, out of order and on two paths, as ${role}${checksum ? ", with checksums" : ""}`, () => {
        using d = new Dialogue({ ...OURS, experiments: { checksum } });
        const { peer, app } = begun(d, role, checksum);
        for (const { low } of [app.socket.localIdsn, app.socket.remoteIdsn]) {
          assert(2 ** 32 - (low >>> 0) < NEAR);
        }
        const sum = checksum ? " csum" : "";
        // The peer's, the last first.
        const step = 1000;
        const pieces = Array.from({ length: NEAR / step }, (_, i) => 1 + i * step);
        for (const at of [...pieces].reverse()) {
          peer.sends(
            `. ${at}:${at + step} ack 1 <dack 1, map ${at} ${at} ${step}${sum}>`,
          );
        }
        assertEquals(app.read(), NEAR);
        d.pass(50e3);
        assertEquals(peer.takeAll().at(-1)!.options.includes(`dack ${1 + NEAR}`), true);
        // Ours: what the first path does not bring the second does.
        const second = role === "server" ? join(d, peer, 1, { checksum }) : null;
        for (let i = 0; i < 4; i++) app.write(1500);
        const sent = [...peer.takeAll(), ...(second?.takeAll() ?? [])];
        for (const got of withData(sent)) {
          assertEquals(octetsOf(got), ["dack", "map"]);
        }
        if (second !== null) {
          peer.sends("R 6001");
          for (let i = 0; i < 5 && app.socket.unacked > 0; i++) {
            for (const got of withData(second.takeAll())) {
              assertEquals(octetsOf(got), ["dack", "map"]);
            }
            second.acks();
            d.pass(50e3);
          }
        } else {
          peer.acks();
        }
        assertEquals(app.socket.unacked, 0);
        assertEquals(d.counter("DSSNotMatching"), 0);
      });
    }
  }

  it("do not go back where an old segment of before the wrap comes again (RFC 8684 §3.3.1)", () => {
    using d = new Dialogue(OURS);
    const { peer, app } = begun(d, "server");
    peer.sends(`. 1:1001 ack 1 <dack 1, map 1 1 1000>`);
    peer.sends(`. 1001:6001 ack 1 <dack 1, map 1001 1001 5000>`);
    assertEquals(app.read(), NEAR);
    peer.takeAll();
    peer.sends(`. 1:1001 ack 1 <dack 1, map 1 1 1000>`);
    assertEquals(app.read(), 0);
    peer.gets(`. 1 ack 6001 <dack 6001>`);
    assertEquals(d.counter("DSSNotMatching"), 0);
  });
});

describe("the other lengths", () => {
  // RFC 8684 §3.3.2: "If data is received with a 64-bit DSN, it MUST be acknowledged with a 64-bit Data ACK."
  it("DATA_ACKs have eight octets from the peer's first number of eight on", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened();
    peer.sends("P. 1:101 ack 1 <dack 1, map 1 1 100>");
    d.pass(50e3);
    peer.gets(". 1 ack 101 <dack 101>");
    peer.sends("P. 101:201 ack 1 <dack 1, map8 101 101 100>");
    app.write(10);
    peer.gets("P. 1:11 ack 201 <dack8 201, map 1 1 10>");
  });

  it("so they have where the rest of a mapping comes again, in eight", () => {
    using d = new Dialogue();
    const { peer } = d.opened();
    peer.sends(". 1:101 ack 1 <dack 1, map 1 1 200>");
    d.pass(50e3);
    peer.gets(". 1 ack 101 <dack 101>");
    peer.sends("P. 101:201 ack 1 <dack 1, map8 1 1 200>");
    d.pass(50e3);
    peer.gets(". 1 ack 201 <dack8 201>");
  });

  it("a DATA_FIN is as short as data, and as long where that is asked for", () => {
    for (const [dsn, map] of [["short", "map"], ["long", "map8"]] as const) {
      using d = new Dialogue({ experiments: { dsn } });
      const { peer, app } = d.opened();
      app.write(10);
      peer.gets(`P. 1:11 ack 1 <${map} 1 1 10>`);
      app.finish();
      peer.gets(`. 11 ack 1 <${map} 11 0 1 fin>`);
    }
  });

  it("all have eight octets from where the rate is high, and segments carry four bytes less", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened();
    const [subflow] = app.socket.subflows;
    assertEquals([app.socket.mappingFlags, subflow!.mss], [DSS_MAPPING, 1428]);
    app.write(1);
    peer.acks();
    const { sendQueue } = app.socket;
    // As if so much had been sent at once.
    Object.defineProperty(sendQueue, "nxt", { get: () => 2 + BLOCK, configurable: true });
    app.socket.heedRate(d.now);
    Reflect.deleteProperty(sendQueue, "nxt");
    assertEquals([app.socket.mappingFlags, subflow!.mss], [LONG, 1424]);
    app.write(3000);
    for (const got of peer.takeAll().slice(1)) assertEquals(octetsOf(got), ["dack", "map8"]);
  });

  it("the DATA_ACK of a subflow in TIME-WAIT has eight octets: it stays, and the data go on", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened();
    app.finish();
    peer.sends(". 1 ack 1 <dack 1, map 1 0 1 fin>");
    peer.takeAll();
    peer.sends(". 1 ack 1 <dack 2>");
    peer.takeAll();
    peer.sends("F. 1 ack 2 <dack 2>");
    d.pass(50e3);
    peer.takeAll();
    peer.sends("F. 1 ack 2 <dack 2>");
    peer.gets(". 2 ack 2 <dack8 2>");
  });
});
