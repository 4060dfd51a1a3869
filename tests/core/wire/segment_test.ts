import { describe, it } from "@std/testing/bdd";
import { assertEquals } from "@std/assert";
import {
  ADD_ADDR,
  CAPABLE_HMAC_SHA256,
  MP_CAPABLE,
  MP_PRIO,
  readAddAddr,
} from "../../../core/wire/mptcp.ts";
import { inOnePiece, packetOut } from "../../../core/wire/packet.ts";
import { type Draft, rx, tx } from "../../../core/wire/segment.ts";
import {
  CHECKSUM_FULL,
  DSS_DATA_ACK,
  DSS_DATA_FIN,
  DSS_DSN_8,
  DSS_MAPPING,
  OPTION_DSS,
  OPTION_MPTCP,
  OPTION_MSS,
  OPTION_SACK,
  OPTION_SACK_PERMITTED,
  OPTION_TIMESTAMPS,
  OPTION_WINDOW_SCALE,
  PARSE_OK,
  TCP_ACK,
  TCP_FIN,
  TCP_PSH,
  TCP_SYN,
  TX_SACK,
} from "../../../wasm/layout.ts";
import { memory_alloc, packet_parse, u32, u8 } from "../../../wasm/mod.ts";
import { build, type Segment } from "../../reference/header.ts";
import { bytesOf } from "../../support/packets.ts";
import { packetText } from "../../support/packet_text.ts";
import { flowKey } from "../../support/parts.ts";
import { Scratch } from "../../wasm/support.ts";

const SCRATCH = new Scratch(2048);

const PLAIN: Segment = {
  family: 4,
  source: new Uint8Array([10, 0, 0, 2]),
  dest: new Uint8Array([10, 0, 0, 1]),
  id: 0,
  dscp: 0,
  ecn: 0,
  sourcePort: 80,
  destPort: 1000,
  seq: 0xfffffff0,
  ack: 0x80000001,
  flags: TCP_ACK,
  window: 65535,
  options: 0,
  mss: 0,
  windowScale: 0,
  timestamps: [0, 0],
  sack: [],
  dss: { flags: 0, dataAck: [0, 0], dsn: [0, 0], ssn: 0, length: 0, checksum: -1 },
  raw: new Uint8Array(),
};

/** Reads a segment, built field by field, into `rx`; its payload is `length` bytes. */
function comes(segment: Partial<Segment>, length = 0): void {
  const payload = Uint8Array.from({ length }, (_, i) => i);
  const header = build({ ...PLAIN, ...segment }, payload, CHECKSUM_FULL);
  const bytes = Uint8Array.from([...header, ...payload]);
  assertEquals(packet_parse(0, SCRATCH.put(bytes), bytes.length, 0), PARSE_OK);
}

describe("the segment parsed last", () => {
  it("has addresses, ports and the places of its headers", () => {
    comes({ ecn: 2 }, 5);
    const { family, protocol, ecn, flow, sourcePort, destinationPort } = rx;
    assertEquals([family, protocol, ecn, flow, sourcePort, destinationPort], [
      4,
      6,
      2,
      0,
      80,
      1000,
    ]);
    assertEquals(rx.source, { family: 4, bytes: PLAIN.source });
    assertEquals(rx.destination, { family: 4, bytes: PLAIN.dest });
    assertEquals([rx.transport - rx.ip, rx.payload - rx.ip, rx.total], [20, 40, 45]);
    const six = {
      family: 6,
      source: new Uint8Array(16).fill(1),
      dest: new Uint8Array(16).fill(2),
    } as const;
    comes(six);
    assertEquals([rx.family, rx.source.bytes, rx.destination.bytes], [6, six.source, six.dest]);
  });

  it("gives copies of its addresses: the next one does not change them", () => {
    comes({});
    const { source } = rx;
    comes({ source: new Uint8Array([9, 9, 9, 9]) });
    assertEquals(source.bytes, PLAIN.source);
  });

  it("has sequence number, acknowledgement, flags, window and payload as on the wire", () => {
    comes({ flags: TCP_ACK | TCP_PSH }, 5);
    assertEquals([rx.seq, rx.ack, rx.flags, rx.window], [
      0xfffffff0 | 0,
      0x80000001 | 0,
      TCP_ACK | TCP_PSH,
      65535,
    ]);
    assertEquals([...u8.subarray(rx.payload, rx.payload + rx.length)], [0, 1, 2, 3, 4]);
  });

  it("takes an octet each for SYN and FIN (RFC 9293 §3.4)", () => {
    const taken = [0, TCP_SYN, TCP_FIN, TCP_SYN | TCP_FIN].map((flags) => {
      comes({ flags: flags | TCP_ACK }, 5);
      return rx.taken;
    });
    assertEquals(taken, [5, 6, 6, 7]);
  });

  it("loses its FIN with what is cut off", () => {
    comes({ flags: TCP_ACK | TCP_FIN }, 5);
    rx.trim(3);
    assertEquals([rx.length, rx.flags, rx.taken], [3, TCP_ACK, 3]);
  });

  it("has no options where none came, whatever the one before had", () => {
    comes({
      options: OPTION_MSS | OPTION_WINDOW_SCALE | OPTION_SACK_PERMITTED | OPTION_TIMESTAMPS,
      mss: 1400,
      windowScale: 7,
      timestamps: [0xffffffff, 5],
    });
    const offered = (): boolean[] => [
      rx.hasMss,
      rx.hasWindowScale,
      rx.sackPermitted,
      rx.hasTimestamps,
      rx.hasMptcp,
      rx.hasDss,
      rx.hasDataAck,
      rx.hasMapping,
      rx.malformed,
    ];
    assertEquals(offered(), [true, true, true, true, false, false, false, false, false]);
    assertEquals([rx.mss, rx.windowScale, rx.tsval, rx.tsecr], [1400, 7, 0xffffffff | 0, 5]);
    comes({});
    assertEquals(offered(), Array(9).fill(false));
    assertEquals([rx.sacks, rx.onlyDss, rx.option(MP_CAPABLE)], [0, true, 0]);
  });

  it("has SACK blocks, each with two edges", () => {
    comes({ options: OPTION_SACK, sack: [[10, 20], [0xfffffff0, 5]] });
    assertEquals(rx.sacks, 2);
    assertEquals([rx.left(0), rx.right(0), rx.left(1), rx.right(1)], [10, 20, 0xfffffff0 | 0, 5]);
  });

  it("has a DSS: DATA_ACK and mapping as offsets near those that are expected", () => {
    const dss = {
      flags: DSS_DATA_ACK | DSS_MAPPING | DSS_DSN_8 | DSS_DATA_FIN,
      dataAck: [0, 1004],
      dsn: [8, 5],
      ssn: 301,
      length: 11,
      checksum: -1,
    } as const;
    comes({ options: OPTION_DSS | OPTION_MPTCP, dss }, 10);
    assertEquals([rx.hasMptcp, rx.hasDss, rx.hasDataAck, rx.hasMapping], [true, true, true, true]);
    assertEquals([rx.longDsn, rx.dataFin, rx.onlyDss, rx.dssFlags], [true, true, true, dss.flags]);
    assertEquals(rx.plainDss, true);
    assertEquals(rx.dataAck({ high: 3, low: 1000 }, 1), 4);
    assertEquals(rx.dsn({ high: 7, low: 0xffffffff }, 1), 6);
    // Eight octets must agree in full (RFC 8684 §3.3.1).
    assertEquals(rx.dsn({ high: 6, low: 0xffffffff }, 1), NaN);
    assertEquals([rx.dsnLow, rx.ssn, rx.dataLength, rx.dssChecksum], [5, 301, 11, -1]);
  });

  it("tells the sum that the payload of a mapping must have (RFC 8684 §3.3.1)", () => {
    // Pseudo-header 0:1001, 1, 2 and checksum field 0: the payload makes it up to 0xffff.
    const expected = rx.expectedSum(1, { high: 0, low: 1000 }, 1, 2, 0);
    assertEquals(expected, 0xffff - (1001 + 1 + 2));
  });

  it("has the place of each MPTCP option, and tells whether there is another one than DSS", () => {
    comes({ options: OPTION_MPTCP, raw: new Uint8Array([30, 3, 0x51]) });
    assertEquals([u8[rx.option(MP_PRIO)], rx.option(MP_CAPABLE), rx.onlyDss], [30, 0, false]);
    comes({ options: OPTION_MPTCP, raw: new Uint8Array([30, 7, 0x51, 0, 0, 0, 0]) });
    assertEquals([rx.option(MP_PRIO), rx.malformed], [0, true]);
  });

  it("has a plain DSS where no other MPTCP option came beside it, well-formed or not", () => {
    const dack = [30, 8, 0x20, DSS_DATA_ACK, 0, 0, 0, 1];
    const plain = [[], dack, [...dack, 30, 3, 0x51], [...dack, 30, 4, 0x51, 0], [30, 3, 0x51]].map(
      (raw) => {
        comes({ options: OPTION_MPTCP, raw: Uint8Array.from(raw) });
        return rx.plainDss;
      },
    );
    assertEquals(plain, [false, true, false, false, false]);
  });
});

const OUT = packetOut();
OUT.header = memory_alloc(256) + 16;
const KEY = flowKey();

/** The segment being built, without payload, in the words of a line. */
function line(): string {
  inOnePiece(OUT, 0);
  tx.build(KEY, OUT, CHECKSUM_FULL);
  return packetText(bytesOf(OUT)).replace("10.0.0.1.1000 > 10.0.0.2.80 ", "");
}

describe("the segment being built", () => {
  it("has a header, and nothing of the one before", () => {
    tx.begin().prio(true);
    tx.header(1, 2, TCP_SYN | TCP_ACK, 3);
    tx.offer(1460, true, 7);
    tx.timestamps(4, 5);
    assertEquals(line(), "S. 1 ack 2 win 3 <mss 1460, sackOK, TS 4 5, ws 7, prio 51>");
    tx.begin();
    tx.header(6, 7, TCP_ACK, 8);
    assertEquals(line(), ". 6 ack 7 win 8 <>");
  });

  it("offers no window scale below 0, nor SACK where it is not wanted", () => {
    tx.begin();
    tx.header(1, 2, TCP_SYN | TCP_ACK, 3);
    tx.offer(1460, false, -1);
    assertEquals(line(), "S. 1 ack 2 win 3 <mss 1460>");
    tx.offer(1460, false, 0);
    assertEquals(line(), "S. 1 ack 2 win 3 <mss 1460, ws 0>");
  });

  it("goes on under the same header with another number and other flags", () => {
    tx.begin();
    tx.header(1, 2, TCP_ACK, 3);
    tx.timestamps(4, 5);
    tx.next(1001, TCP_ACK | TCP_PSH);
    assertEquals(line(), "P. 1001 ack 2 win 3 <TS 4 5>");
  });

  it("carries DSS and SACK blocks as they are planned", () => {
    const initial = { high: 0, low: 0xffffffff };
    tx.begin();
    tx.header(1, 2, TCP_ACK, 3);
    u32.set([10, 20], TX_SACK);
    tx.plan({ timestamps: false, dss: DSS_DATA_ACK, sack: 1, size: 24 });
    tx.dataAck(2, initial);
    assertEquals(line(), ". 1 ack 2 win 3 <sack 10:20, dack 1>");
    tx.header(1, 2, TCP_ACK, 3);
    tx.plan({ timestamps: false, dss: DSS_MAPPING | DSS_DSN_8 | DSS_DATA_FIN, sack: 0, size: 24 });
    tx.mapping(2, initial, 301, 11, 0xbeef);
    assertEquals(line(), ". 1 ack 2 win 3 <map8 4294967297 301 11 fin csum beef>");
    tx.header(1, 2, TCP_ACK, 3);
    tx.plan({ timestamps: false, dss: DSS_DATA_ACK, sack: 0, size: 8 });
    tx.dataAckWords({ high: 1, low: 77 });
    assertEquals(line(), ". 1 ack 2 win 3 <dack 77>");
  });
});

describe("the draft of a segment's MPTCP options", () => {
  /** What a draft writes, with its octets. */
  function drafted(write: (draft: Draft) => Draft, flags = TCP_ACK): string {
    write(tx.begin());
    const octets = tx.optionLength;
    tx.header(1, 2, flags, 3);
    return `${octets}: ${/<(.*)>/.exec(line())![1]}`;
  }
  const key = { high: 1, low: 2 };

  it("takes the octets of each option (RFC 8684 §3)", () => {
    const mac = Uint8Array.from({ length: 20 }, (_, i) => i);
    const address = new Uint8Array([10, 0, 0, 9]);
    assertEquals(drafted((draft) => draft), "0: ");
    assertEquals(drafted((draft) => draft.capable(CAPABLE_HMAC_SHA256), TCP_SYN), "4: mpc 0101");
    assertEquals(
      drafted((draft) => draft.capable(0x81, key, key, 10, 0xbeef)),
      "24: mpc 018100000001000000020000000100000002000abeef",
    );
    assertEquals(
      drafted((draft) => draft.joinSyn(true, 7, 0xaabbccdd, 0x01020304), TCP_SYN),
      "12: join 1107aabbccdd01020304",
    );
    assertEquals(
      drafted((draft) => draft.joinSynAck(false, 7, mac.subarray(0, 8), 5), TCP_SYN | TCP_ACK),
      "16: join 1007000102030405060700000005",
    );
    assertEquals(
      drafted((draft) => draft.joinAck(mac)),
      "24: join 1000000102030405060708090a0b0c0d0e0f10111213",
    );
    assertEquals(
      drafted((draft) => draft.addAddr(4, address, 80, mac.subarray(0, 8))),
      "18: add 30040a00000900500001020304050607",
    );
    assertEquals(drafted((draft) => draft.removeAddr([4, 5])), "5: rm 400405");
    assertEquals(drafted((draft) => draft.prio(false)), "3: prio 50");
    assertEquals(drafted((draft) => draft.fastclose(key)), "12: fastclose 70000000000100000002");
    assertEquals(drafted((draft) => draft.tcpRst(6, true)), "4: tcprst 8106");
  });

  it("holds several, one behind the other", () => {
    const address = new Uint8Array([10, 0, 0, 9]);
    assertEquals(
      drafted((draft) => draft.addAddr(4, address, 0, new Uint8Array()).prio(true)),
      "11: add 31040a000009, prio 51",
    );
    const bytes = bytesOf(OUT);
    assertEquals(packet_parse(0, SCRATCH.put(bytes), bytes.length, 0), PARSE_OK);
    assertEquals(readAddAddr(rx.option(ADD_ADDR)).address, address);
    assertEquals(rx.option(MP_PRIO) !== 0, true);
  });

  it("takes back what was drafted before, when it begins anew", () => {
    tx.begin().fastclose(key);
    assertEquals(drafted((draft) => draft.prio(true)), "3: prio 51");
  });
});
