import { describe, it } from "@std/testing/bdd";
import { assertEquals } from "@std/assert";
import { TIMER_ACK } from "../../../core/subflow/deadlines.ts";
import { Handshake, PLAIN } from "../../../core/subflow/handshake.ts";
import type { Mapping } from "../../../core/subflow/pieces.ts";
import { tx } from "../../../core/wire/segment.ts";
import { DSS_DATA_ACK, DSS_MAPPING, PAGE, TCP_ACK, TCP_SYN } from "../../../wasm/layout.ts";
import { stream as octets } from "../../support/segment_codec.ts";
import { comes, OutputParts } from "../../support/parts.ts";

/** A mapping of bytes from data offset `dsn` on at sequence offset `ssn`. */
function mapping(dsn: number, ssn: number, length: number, checksum = -1): Mapping {
  return { dsn, ssn, length, checksum, first: false };
}

/** The payload of a packet in IPv4 without IP options. */
function payload(packet: Uint8Array): Uint8Array {
  return packet.subarray(20 + (packet[32]! >> 4) * 4);
}

describe("SYN and SYN/ACK", () => {
  it("offer our MSS, SACK, timestamps and window scale, and acknowledge a SYN that came", () => {
    const { outlet, output, level } = new OutputParts({ timestamps: true });
    level.receiveScale = 3;
    const handshake = new Handshake(PLAIN);
    output.syn(handshake, TCP_SYN, 9000);
    output.syn(handshake, TCP_SYN | TCP_ACK, 9000);
    assertEquals(outlet.lines(), [
      "S 1000 win 50000 <mss 1460, sackOK, TS 9 0, ws 3>",
      "S. 1000 ack 5001 win 50000 <mss 1460, sackOK, TS 9 77, ws 3>",
    ]);
    assertEquals(output.segments, 2);
  });

  it("offer what the peer did too (RFC 7323 §2.2, RFC 2018 §2)", () => {
    const { outlet, output, level } = new OutputParts();
    level.receiveScale = 3;
    assertEquals([output.sackPermitted, output.scaled, output.scale], [true, true, 3]);
    output.agree(false, false);
    assertEquals([output.sackPermitted, output.scaled, output.scale], [false, false, 0]);
    output.agree(true, true);
    assertEquals([output.sackPermitted, output.scaled], [false, false]);
    output.syn(new Handshake(PLAIN), TCP_SYN | TCP_ACK, 0);
    assertEquals(outlet.lines(), ["S. 1000 ack 5001 win 50000 <mss 1460>"]);
  });

  it("have a window that is not scaled, of 16 bits (RFC 7323 §2.2)", () => {
    const { outlet, output, level } = new OutputParts();
    level.receiveScale = 7;
    level.receiveWindow = 65536;
    output.syn(new Handshake(PLAIN), TCP_SYN, 0);
    assertEquals(outlet.lines(), ["S 1000 win 65535 <mss 1460, sackOK, ws 7>"]);
  });
});

describe("an acknowledgement", () => {
  it("says what is expected, the window and the DATA_ACK", () => {
    const { outlet, output, level } = new OutputParts();
    level.dataRcvNxt = 41;
    level.receiveWindow = 129;
    level.receiveScale = 7;
    assertEquals(output.ack(null, 1, 0), true);
    assertEquals(outlet.lines(), [". 1001 ack 5001 win 2 <dack8 20041>"]);
  });

  it("echoes the peer's timestamp beside ours (RFC 7323 §3.2)", () => {
    const { outlet, output } = new OutputParts({ timestamps: true, plain: true });
    output.ack(null, 1, 5000);
    assertEquals(outlet.lines(), [". 1001 ack 5001 win 50000 <TS 5 77>"]);
  });

  it("tells holes in SACK blocks, where these were agreed", () => {
    const desk = new OutputParts({ plain: true });
    desk.receive(101, 100);
    desk.receive(301, 100);
    desk.output.ack(null, 1, 0);
    desk.output.agree(false, false);
    desk.output.ack(null, 1, 0);
    assertEquals(desk.outlet.lines(), [
      ". 1001 ack 5001 win 50000 <sack 5301:5401 5101:5201>",
      ". 1001 ack 5001 win 50000",
    ]);
  });

  it("lets a DATA_ACK that was told give way to SACK blocks, and one that has moved not (RFC 8684 appendix A)", () => {
    const desk = new OutputParts({ timestamps: true });
    for (let i = 0; i < 4; i++) desk.receive(101 + 200 * i, 100);
    desk.level.dataRcvNxt = 41;
    desk.output.ack(null, 11, 0);
    desk.output.ack(null, 11, 0);
    assertEquals(desk.outlet.lines(), [
      ". 1011 ack 5001 win 50000 <TS 0 77, sack 5701:5801, dack8 20041>",
      ". 1011 ack 5001 win 50000 <TS 0 77, sack 5701:5801 5501:5601 5301:5401>",
    ]);
  });

  it("has its DATA_ACK beside SACK blocks as long as nothing was sent: the peer may still wait for the first", () => {
    const desk = new OutputParts({ timestamps: true });
    for (let i = 0; i < 4; i++) desk.receive(101 + 200 * i, 100);
    desk.level.dataRcvNxt = 41;
    desk.output.ack(null, 1, 0);
    desk.output.ack(null, 1, 0);
    const line = ". 1001 ack 5001 win 50000 <TS 0 77, sack 5701:5801, dack8 20041>";
    assertEquals(desk.outlet.lines(), [line, line]);
  });

  it("carries another option in place of the DATA_ACK: some pairs must not meet (RFC 8684 §3.1)", () => {
    const { outlet, output } = new OutputParts();
    output.ack(tx.begin().prio(true), 1, 0);
    assertEquals(outlet.lines(), [". 1001 ack 5001 win 50000 <prio 51>"]);
  });

  it("settles what is owed, and takes the delayed one back", () => {
    const { acks, deadlines, output, level } = new OutputParts();
    level.dataRcvNxt = 41;
    level.receiveWindow = 1000;
    acks.need();
    deadlines.set(TIMER_ACK, 40e3);
    output.ack(null, 1, 0);
    assertEquals([acks.now, acks.last, acks.dataAck, acks.edge], [false, 1, 41, 1001]);
    assertEquals([deadlines.has(TIMER_ACK), output.segments], [false, 1]);
  });

  it("leaves a DATA_ACK owed that has moved and that another option took the place of", () => {
    const { acks, deadlines, output, level } = new OutputParts();
    output.ack(null, 1, 0);
    acks.need();
    deadlines.set(TIMER_ACK, 40e3);
    level.dataRcvNxt = 41;
    output.ack(tx.begin().prio(true), 1, 0);
    assertEquals([acks.now, deadlines.has(TIMER_ACK)], [true, true]);
    level.dataRcvNxt = 1;
    output.ack(tx.begin().prio(true), 1, 0);
    assertEquals([acks.now, deadlines.has(TIMER_ACK)], [false, false]);
  });

  it("notes the edge that the field tells, which rounding may move to the right", () => {
    const { acks, output, level } = new OutputParts();
    level.receiveScale = 7;
    level.receiveWindow = 129;
    output.ack(null, 1, 0);
    assertEquals(acks.edge, 1 + 256);
  });

  it("that the link refuses is still owed", () => {
    const { acks, outlet, output } = new OutputParts();
    outlet.room = 0;
    assertEquals([output.blocked, output.ack(null, 1, 0)], [true, false]);
    assertEquals([acks.now, acks.edge, output.segments], [true, 0, 0]);
  });
});

describe("segments without data", () => {
  it("probe with a number before the window, so that the peer must answer (RFC 9293 §3.8.4)", () => {
    const { outlet, output } = new OutputParts();
    output.probeBefore(101, 0);
    assertEquals(outlet.lines(), [". 1100 ack 5001 win 50000 <dack8 20001>"]);
  });

  // RFC 8684 §3.3.3: "when the DATA_FIN is not attached to a TCP segment containing data, the DSS MUST have a subflow sequence number of 0, a
  // Data-Level Length of 1"
  it("end the data at sequence offset 0, length 1 (RFC 8684 §3.3.3), with a checksum where agreed", () => {
    const { outlet, output, level } = new OutputParts();
    output.dataFin(501, 301, 0);
    level.dssChecksum = true;
    output.dataFin(501, 301, 0);
    // Of the pseudo-header 0:10501, 0, 1: ~(0x2905 + 1).
    assertEquals(outlet.lines(), [
      ". 1301 ack 5001 win 50000 <dack8 20001 map8 10501 0 1 fin>",
      ". 1301 ack 5001 win 50000 <dack8 20001 map8 10501 0 1 fin csum d6f9>",
    ]);
  });

  it("finish and reset the subflow where its data end", () => {
    const { host, outlet, output } = new OutputParts();
    output.finAt(301, 0);
    output.reset(tx.begin().tcpRst(6, true), 301, 0);
    assertEquals(outlet.lines(), [
      "F. 1301 ack 5001 win 50000 <dack8 20001>",
      "R. 1301 ack 5001 win 50000 <tcprst 8106>",
    ]);
    assertEquals(host.counted, ["TcpOutRsts"]);
  });

  it("repeat the third ACK with its option, which is owed while the link is full", () => {
    const { outlet, output } = new OutputParts();
    const handshake = new Handshake({
      kind: "capable",
      flags: 1,
      repeats: 1,
      own: { high: 0, low: 1 },
      peer: { high: 0, low: 2 },
    });
    outlet.room = 0;
    assertEquals([output.thirdAck(handshake, 1, 0), handshake.ackOwed], [false, true]);
    outlet.room = 1;
    assertEquals([output.thirdAck(handshake, 1, 0), handshake.ackOwed], [true, false]);
    assertEquals(outlet.lines(), [
      ". 1001 ack 5001 win 50000 <mpc 010100000000000000010000000000000002>",
    ]);
  });
});

describe("data", () => {
  // RFC 8684 §3.3.1: "The mapping provided by a Data Sequence Mapping MUST apply to some or all of the subflow sequence space in the TCP segment
  // that carries the option"
  // RFC 8684 §3.7: "A sender MUST include a DSS option with Data Sequence Mapping in every segment until one of the sent segments has been
  // acknowledged with a DSS option containing a Data ACK"
  it("leave in segments of what the options leave, each under the whole mapping, PSH at the end", () => {
    const { outlet, output, mtu } = new OutputParts({ timestamps: true });
    assertEquals(mtu.payload, 1000 - 12 - 28);
    assertEquals(output.data(mapping(1, 1, 2000), 1, 2001, true, 0), 2000);
    const [first, second, third] = outlet.packets.map(payload);
    assertEquals(first, octets("stack", 1, 960));
    assertEquals(second, octets("stack", 961, 960));
    assertEquals(third, octets("stack", 1921, 80));
    const options = "ack 5001 win 50000 <TS 0 77, dack8 20001 map8 10001 1 2000>";
    assertEquals(outlet.lines(), [
      `. 1001:1961 ${options}`,
      `. 1961:2921 ${options}`,
      `P. 2921:3001 ${options}`,
    ]);
  });

  // RFC 8684 §3.3: "The remaining reserved bits MUST be set to 0 by an implementation of this specification."
  // RFC 8684 §3.3.1: "a TCP subflow MUST NOT use the Urgent Pointer to interrupt an existing mapping"
  it("have zeroes in the reserved bits of the DSS, no URG flag and no urgent pointer", () => {
    const { outlet, output } = new OutputParts();
    output.data(mapping(1, 1, 2000), 1, 2001, true, 0);
    output.dataFin(2001, 2001, 0);
    assertEquals(outlet.packets.length, 4);
    for (const bytes of outlet.packets) {
      // IPv4 and TCP have 20 octets each; there is no option before the DSS.
      assertEquals([bytes[33]! & 0x20, bytes[38], bytes[39]], [0, 0, 0]);
      assertEquals([bytes[40], bytes[42], bytes[43]! & 0xe0], [30, 0x20, 0]);
    }
  });

  // RFC 8684 §3.3.1: "A sender MUST NOT change this mapping after it has been declared"
  // RFC 8684 §3.7: "A sender MUST include a DSS option with Data Sequence Mapping in every segment until one of the sent segments has been
  // acknowledged with a DSS option containing a Data ACK"
  it("are the part that is asked for, from the place that the mapping gives it", () => {
    const { outlet, output } = new OutputParts();
    output.data(mapping(501, 1, 2000), 101, 301, true, 0);
    assertEquals(payload(outlet.packets[0]!), octets("stack", 601, 200));
    assertEquals(outlet.lines(), [
      "P. 1101:1301 ack 5001 win 50000 <dack8 20001 map8 10501 1 2000>",
    ]);
  });

  it("have no mapping on plain TCP, and all the room", () => {
    const { outlet, output, mtu } = new OutputParts({ plain: true });
    assertEquals(mtu.payload, 1000);
    output.data(mapping(1, 1, 1000), 1, 1001, true, 0);
    assertEquals(outlet.lines(), ["P. 1001:2001 ack 5001 win 50000"]);
  });

  it("have four-octet numbers and checksums where these are in use", () => {
    const { outlet, output, level } = new OutputParts();
    level.mappingFlags = DSS_MAPPING;
    level.dataAckFlags = DSS_DATA_ACK;
    output.data(mapping(1, 1, 10, 0xbeef), 1, 11, true, 0);
    assertEquals(outlet.lines(), [
      "P. 1001:1011 ack 5001 win 50000 <dack 20001 map 10001 1 10 csum beef>",
    ]);
  });

  // RFC 8684 §3.3.1: "A sender MUST NOT change this mapping after it has been declared"
  it("of which much has been sent since have eight octets under the same mapping, and no DATA_ACK where that has no room", () => {
    const { outlet, output, level, mtu } = new OutputParts();
    level.mappingFlags = DSS_MAPPING;
    level.dataAckFlags = DSS_DATA_ACK;
    output.resize();
    const full = mtu.payload;
    level.far = 600;
    output.data(mapping(1, 1, 10), 1, 11, false, 0);
    output.data(mapping(501, 501, full), 501, 501 + full, false, 0);
    output.data(mapping(600, 600, full), 600, 600 + full, false, 0);
    output.dataFin(300, 11, 0);
    const ack = "ack 5001 win 50000";
    assertEquals(outlet.lines(), [
      `P. 1001:1011 ${ack} <dack 20001 map8 10001 1 10>`,
      `P. 1501:${1501 + full} ${ack} <map8 10501 501 ${full}>`,
      `P. 1600:${1600 + full} ${ack} <dack 20001 map 10600 600 ${full}>`,
      `. 1011 ${ack} <dack 20001 map8 10300 0 1 fin>`,
    ]);
  });

  it("first of a client carry the keys in place of the mapping (RFC 8684 §3.1)", () => {
    const { outlet, output, level } = new OutputParts();
    level.keysOwed = { flags: 1, own: { high: 0, low: 1 }, peer: { high: 0, low: 2 } };
    output.data({ ...mapping(1, 1, 10), first: true }, 1, 11, true, 0);
    output.data(mapping(1, 1, 10), 1, 11, true, 0);
    level.keysOwed = null;
    output.data({ ...mapping(1, 1, 10), first: true }, 1, 11, true, 0);
    const mapped = "P. 1001:1011 ack 5001 win 50000 <dack8 20001 map8 10001 1 10>";
    assertEquals(outlet.lines(), [
      "P. 1001:1011 ack 5001 win 50000 <mpc 010100000000000000010000000000000002000a>",
      mapped,
      mapped,
    ]);
  });

  it("cross a page of the send queue in two pieces", () => {
    const { outlet, output } = new OutputParts({ written: PAGE + 1000 });
    output.data(mapping(PAGE - 500, 1, 900), 1, 901, true, 0);
    assertEquals(payload(outlet.packets[0]!), octets("stack", PAGE - 500, 900));
  });

  it("leave as super-segments where the link takes these, as many segments as it says", () => {
    const { outlet, output } = new OutputParts({ plain: true });
    outlet.maxSegments = 3;
    output.data(mapping(1, 1, 5500), 1, 5501, true, 0);
    assertEquals(outlet.gsoSizes, [1000, 1000]);
    assertEquals(outlet.lines(), [
      ". 1001:4001 ack 5001 win 50000",
      "P. 4001:6501 ack 5001 win 50000",
    ]);
    output.data(mapping(1, 1, 1000), 1, 1001, true, 0);
    assertEquals(outlet.gsoSizes, [0]);
  });

  it("stop where the link is full", () => {
    const { outlet, output } = new OutputParts({ plain: true });
    outlet.room = 2;
    assertEquals(output.data(mapping(1, 1, 5000), 1, 5001, true, 0), 2000);
    assertEquals(output.data(mapping(1, 1, 5000), 2001, 5001, true, 0), 0);
    assertEquals([outlet.packets.length, output.segments], [2, 2]);
  });
});

describe("the DSS checksum (RFC 8684 §3.3.1)", () => {
  /** By hand: one's-complement sum of the pseudo-header and the bytes, complemented. */
  function byHand(dsn: number, ssn: number, bytes: Uint8Array): number {
    const wire = 10_000 + dsn;
    let total = (wire >>> 16) + (wire & 0xffff) + (ssn >>> 16) + (ssn & 0xffff) + bytes.length;
    bytes.forEach((byte, i) => total += i % 2 === 0 ? byte << 8 : byte);
    while (total > 0xffff) total = (total & 0xffff) + Math.floor(total / 65536);
    return ~total & 0xffff;
  }

  it("is of pseudo-header and bytes, over pages too, from an odd place", () => {
    const { output } = new OutputParts({ written: 2 * PAGE });
    for (const [dsn, length] of [[1, 10], [7, 11], [PAGE - 7, 30], [PAGE - 8, 31]] as const) {
      const expected = byHand(dsn, 3, octets("stack", dsn, length));
      assertEquals(output.checksum(dsn, 3, length, length), expected, `${dsn}`);
    }
  });
});

describe("what rests in TIME-WAIT", () => {
  it("says what the last ACK said", () => {
    const { outlet, output, host } = new OutputParts();
    const rest = output.rest(9, { address: "10.0.0.1", port: 1000 }, 301);
    assertEquals([rest.flow, rest.local.port], [9, 1000]);
    // A FIN that comes again is answered.
    comes({ flags: TCP_ACK | 1, seq: 0, ack: 301 });
    assertEquals(rest.arrive(0), "again");
    assertEquals(outlet.lines(), [". 1301 ack 5001 win 50000 <dack8 20001>"]);
    assertEquals(host.counted, []);
  });
});
