import { describe, it } from "@std/testing/bdd";
import { assertEquals } from "@std/assert";
import { Receiver } from "../../../core/subflow/receiver.ts";
import {
  DSS_DSN_8,
  DSS_MAPPING,
  PAGE,
  SEGMENT_ADVANCED,
  SEGMENT_DATA,
  SEGMENT_DUPLICATE,
  SEGMENT_FILLED,
  SEGMENT_GAP,
  SEGMENT_MEMORY,
  SEGMENT_STAGED,
  TX_SACK,
  USAGE_RECEIVERS,
} from "../../../wasm/layout.ts";
import { host_new, host_usage, stream_free, stream_new, u32 } from "../../../wasm/mod.ts";
import { readStream } from "../../wasm/support.ts";
import { stream as octets } from "../../support/segment_codec.ts";
import { comes, IRS } from "../../support/parts.ts";

/** A receiver after the handshake, and where it stores data. */
function started(): { receiver: Receiver; stream: number; host: number } {
  const host = host_new(1, 2);
  const stream = stream_new(host, 1);
  const receiver = new Receiver();
  receiver.begin(IRS);
  receiver.start(host, { receiveStream: stream });
  return { receiver, stream, host };
}

/** A segment of `length` bytes comes at `seq`. */
function place(receiver: Receiver, seq: number, length: number): number {
  comes({ seq, length });
  return receiver.place(seq, 1e6);
}

const ALL = 1e5;

describe("receiver", () => {
  it("expects the byte after the SYN, and takes none before it has started", () => {
    const receiver = new Receiver();
    assertEquals([receiver.nxt, receiver.started], [0, false]);
    receiver.begin(IRS);
    assertEquals([receiver.irs, receiver.nxt, receiver.ranges, receiver.staged], [IRS, 1, 0, 0]);
    assertEquals([receiver.started, receiver.nxt], [false, 1]);
  });

  it("takes no memory before something comes: neither for the handshake, nor for a FIN alone", () => {
    const { receiver, host } = started();
    const used = (): number => host_usage(host, USAGE_RECEIVERS);
    assertEquals([receiver.started, receiver.nxt, receiver.top, used()], [true, 1, 1, 0]);
    receiver.forgetMappings(0);
    receiver.noteFin(1);
    assertEquals([receiver.takeFin(), receiver.takeFin()], [true, false]);
    assertEquals([receiver.nxt, receiver.end, receiver.bytes, used()], [2, 1, 0, 0]);
    // Behind the FIN nothing new comes, and what is learned of a mapping does not take RCV.NXT back.
    receiver.map(1, 1, 100, -1, 1e6);
    assertEquals([receiver.nxt, used()], [2, 1]);
    receiver.free();
    assertEquals([receiver.nxt, used()], [2, 0]);
  });

  it("drops what there is no memory for", () => {
    const { receiver, host, stream } = started();
    // No record can be made for a stream that is gone.
    stream_free(stream);
    assertEquals(receiver.map(1, 1, 100, -1, 1e6), SEGMENT_MEMORY);
    assertEquals(place(receiver, 1, 100), SEGMENT_MEMORY);
    assertEquals([receiver.nxt, host_usage(host, USAGE_RECEIVERS)], [1, 0]);
  });

  it("puts mapped bytes into the stream, and moves RCV.NXT over them", () => {
    const { receiver, stream } = started();
    receiver.map(1, 1, ALL, -1, 1e6);
    assertEquals(place(receiver, 1, 100), SEGMENT_ADVANCED | SEGMENT_DATA);
    assertEquals([receiver.nxt, receiver.mappings], [101, 1]);
    assertEquals(readStream(stream, 1, 101), octets("peer", 1, 100));
  });

  it("keeps what comes above a hole, tells it in SACK blocks, newest first, and fills the hole", () => {
    const { receiver, stream } = started();
    receiver.map(1, 1, ALL, -1, 1e6);
    assertEquals(place(receiver, 201, 100) & SEGMENT_GAP, SEGMENT_GAP);
    place(receiver, 401, 100);
    assertEquals([receiver.nxt, receiver.ranges], [1, 2]);
    assertEquals(receiver.sack(4, false), 2);
    assertEquals([...u32.subarray(TX_SACK, TX_SACK + 4)], [401, 501, 201, 301].map((n) => IRS + n));
    assertEquals(receiver.sack(1, false), 1);
    assertEquals(place(receiver, 1, 200) & SEGMENT_FILLED, SEGMENT_FILLED);
    assertEquals([receiver.nxt, receiver.ranges], [301, 1]);
    assertEquals(place(receiver, 101, 300) & SEGMENT_DUPLICATE, SEGMENT_DUPLICATE);
    assertEquals([receiver.nxt, receiver.ranges], [501, 0]);
    assertEquals(readStream(stream, 1, 501), octets("peer", 1, 500));
  });

  it("holds bytes without a mapping until one comes", () => {
    const { receiver, stream } = started();
    assertEquals(place(receiver, 1, 100), SEGMENT_ADVANCED | SEGMENT_STAGED);
    assertEquals([receiver.nxt, receiver.staged], [101, 100]);
    receiver.map(1, 1, 100, -1, 1e6);
    assertEquals(receiver.staged, 0);
    assertEquals(readStream(stream, 1, 101), octets("peer", 1, 100));
  });

  it("knows a mapping that comes on every packet of a super-segment, and no other", () => {
    const { receiver } = started();
    const mapped = (dsn: number, ssn: number, length: number): boolean => {
      comes({ dss: { flags: DSS_MAPPING | DSS_DSN_8, dsn, ssn, length } });
      return receiver.repeatsMapping;
    };
    assertEquals(mapped(1, 1, 100), false);
    assertEquals(mapped(1, 1, 100), false);
    receiver.map(1, 1, 100, -1, 1e6);
    receiver.mappingLearned();
    assertEquals(mapped(1, 1, 100), true);
    assertEquals([mapped(2, 1, 100), mapped(1, 2, 100), mapped(1, 1, 101)], [false, false, false]);
  });

  it("moves over the peer's FIN when everything before it is there, once", () => {
    const { receiver } = started();
    receiver.map(1, 1, ALL, -1, 1e6);
    place(receiver, 101, 100);
    receiver.noteFin(201);
    assertEquals([receiver.finSeq, receiver.takeFin()], [201, false]);
    place(receiver, 1, 100);
    assertEquals([receiver.nxt, receiver.takeFin(), receiver.takeFin()], [201, true, false]);
    assertEquals(receiver.nxt, 202);
  });

  it("believes the first FIN, and none below what has come", () => {
    const { receiver } = started();
    receiver.map(1, 1, ALL, -1, 1e6);
    place(receiver, 101, 100);
    receiver.noteFin(200);
    assertEquals(receiver.finSeq, -1);
    receiver.noteFin(201);
    receiver.noteFin(301);
    assertEquals(receiver.finSeq, 201);
  });

  it("still knows RCV.NXT when its memory is given back, once", () => {
    const { receiver, host } = started();
    receiver.map(1, 1, PAGE, -1, 1e6);
    place(receiver, 1, 100);
    assertEquals(host_usage(host, USAGE_RECEIVERS), 1);
    receiver.free();
    receiver.free();
    assertEquals([receiver.nxt, receiver.ranges, receiver.started], [101, 0, false]);
    assertEquals(host_usage(host, USAGE_RECEIVERS), 0);
    receiver.noteFin(101);
    assertEquals([receiver.finSeq, receiver.takeFin()], [-1, false]);
  });
});
