import { describe, it } from "@std/testing/bdd";
import { assertEquals } from "@std/assert";
import { Handshake, PLAIN, type SynOption } from "../../../core/subflow/handshake.ts";
import {
  type Key,
  MP_CAPABLE,
  MP_JOIN,
  readMpCapable,
  readMpJoin,
} from "../../../core/wire/mptcp.ts";
import { rx } from "../../../core/wire/segment.ts";
import { TCP_ACK, TCP_SYN } from "../../../wasm/layout.ts";
import { comes } from "../../support/parts.ts";

const OWN: Key = { high: 1, low: 2 };
const PEER: Key = { high: 3, low: 4 };
const SYN_ACK = TCP_SYN | TCP_ACK;
const MAC = Uint8Array.from({ length: 32 }, (_, i) => i);

const capable = (peer: Key | null, repeats = 1): SynOption => ({
  kind: "capable",
  flags: 0x81,
  repeats,
  own: OWN,
  peer,
});
const joining = (mac: Uint8Array | null): SynOption => ({
  kind: "join",
  backup: true,
  addressId: 7,
  token: 0xaabbccdd,
  nonce: 0x01020304,
  peerNonce: 0,
  mac,
});

/** Has `handshake` write its option on a segment with `flags`, which is read into `rx`; what it counts. */
function write(handshake: Handshake, flags: number): string[] {
  const counted: string[] = [];
  comes({
    flags,
    options: (draft) => handshake.write(draft, flags, (name) => counted.push(name)),
  });
  return counted;
}

/** What the written MP_CAPABLE holds. */
function mpCapable(handshake: Handshake, flags: number): unknown[] {
  write(handshake, flags);
  if (rx.option(MP_CAPABLE) === 0) return [];
  const { version, flags: bits, senderKey, receiverKey } = readMpCapable(rx.option(MP_CAPABLE));
  return [version, bits, senderKey ?? null, receiverKey ?? null];
}

describe("the option of a first subflow's handshake (RFC 8684 §3.1)", () => {
  // RFC 8684 §3.1: "the sender of the MP_CAPABLE option SHOULD signal the highest version number it supports"
  // RFC 8684 §3.1: "it MUST include the MP_CAPABLE on the first ACK, but without the additional data parameters"
  it("has no key on the SYN, ours on the SYN/ACK, both on the third ACK", () => {
    assertEquals(mpCapable(new Handshake(capable(null)), TCP_SYN), [1, 0x81, null, null]);
    assertEquals(mpCapable(new Handshake(capable(PEER)), SYN_ACK), [1, 0x81, OWN, null]);
    assertEquals(mpCapable(new Handshake(capable(PEER)), TCP_ACK), [1, 0x81, OWN, PEER]);
  });

  it("is left out of a third ACK while the peer's key is unknown", () => {
    assertEquals(mpCapable(new Handshake(capable(null)), TCP_ACK), []);
  });

  /** Which of six sent by ourselves have the option, and what is counted. */
  function turns(flags: number, repeats: number): [string, string[]] {
    const handshake = new Handshake(capable(flags === TCP_SYN ? null : PEER, repeats));
    const counted: string[] = [];
    const has = Array.from({ length: 6 }, (_, i) => {
      counted.push(...write(handshake, flags));
      handshake.sent(i);
      return rx.hasMptcp ? "M" : "-";
    });
    return [has.join(""), counted];
  }

  // RFC 8684 §3.1: "an implementation MAY choose to attempt sending MPTCP options more than one time before making this decision to operate as
  // regular TCP"
  it("is left out of a SYN after so many repeats, and of every other one from then on: a path may drop what it does not know", () => {
    const dropped = ["MPCapableSYNTX", "MPCapableSYNTXDrop"];
    for (
      const [repeats, has] of [[0, "M-M-M-"], [1, "MM-M-M"], [2, "MMM-M-"], [4, "MMMMM-"]] as const
    ) assertEquals(turns(TCP_SYN, repeats), [has, dropped]);
    assertEquals(turns(TCP_SYN, 127), ["MMMMMM", ["MPCapableSYNTX"]]);
  });

  it("is left out of SYN/ACKs in the same way, as it is these that a path may drop", () => {
    for (const [repeats, has] of [[1, "MM-M-M"], [2, "MMM-M-"], [127, "MMMMMM"]] as const) {
      assertEquals(turns(SYN_ACK, repeats), [has, []]);
    }
  });

  it("is in the answer to a copy of a SYN as that asks, whosever turn it is", () => {
    const handshake = new Handshake(capable(PEER));
    handshake.sent(0);
    handshake.sent(1);
    for (const asked of [true, false]) {
      handshake.asked(asked);
      assertEquals(handshake.mayAnswer(asked ? 2e6 : 3e6), true);
      write(handshake, SYN_ACK);
      assertEquals(rx.hasMptcp, asked);
    }
    handshake.asked(true);
    write(handshake, SYN_ACK);
    assertEquals(rx.hasMptcp, false);
  });

  it("is none for plain TCP, nor when the peer has shown that it speaks none", () => {
    for (const flags of [TCP_SYN, SYN_ACK, TCP_ACK]) {
      assertEquals(write(new Handshake(PLAIN), flags), []);
      assertEquals(rx.hasMptcp, false);
    }
    const handshake = new Handshake(capable(null));
    handshake.learn(PLAIN);
    assertEquals(mpCapable(handshake, TCP_SYN), []);
  });
});

describe("the option of a join's handshake (RFC 8684 §3.2)", () => {
  it("names the connection on the SYN", () => {
    assertEquals(write(new Handshake(joining(null)), TCP_SYN), ["MPJoinSynTx"]);
    const { length, backup, addressId, token, nonce } = readMpJoin(rx.option(MP_JOIN));
    assertEquals([length, backup, addressId, token, nonce], [12, true, 7, 0xaabbccdd, 0x01020304]);
  });

  it("proves us by 8 octets of the HMAC on the SYN/ACK, by 20 on the third ACK", () => {
    assertEquals(write(new Handshake(joining(MAC)), SYN_ACK), []);
    const answer = readMpJoin(rx.option(MP_JOIN));
    assertEquals([answer.backup, answer.addressId, answer.nonce], [true, 7, 0x01020304]);
    assertEquals(answer.hmac, MAC.slice(0, 8));
    write(new Handshake(joining(MAC)), TCP_ACK);
    assertEquals(readMpJoin(rx.option(MP_JOIN)).hmac, MAC.slice(0, 20));
  });

  it("says nothing while the peer's random number is unknown", () => {
    for (const flags of [SYN_ACK, TCP_ACK]) {
      write(new Handshake(joining(null)), flags);
      assertEquals(rx.hasMptcp, false);
    }
  });
});

describe("how often a handshake is tried", () => {
  it("is seven SYNs for a first subflow, four for a join: other paths carry the data", () => {
    for (const [option, tries] of [[capable(null), 7], [PLAIN, 7], [joining(null), 4]] as const) {
      const handshake = new Handshake(option);
      for (let i = 0; i < tries; i++) {
        assertEquals(handshake.exhausted, false);
        handshake.sent(i * 10);
      }
      const { exhausted, sends, begunAt } = handshake;
      assertEquals([exhausted, sends, begunAt], [true, tries, 0]);
    }
  });

  it("is five repeats of the third ACK of a join whose SYN was sent once", () => {
    const handshake = new Handshake(joining(MAC));
    handshake.sent(0);
    assertEquals(Array.from({ length: 6 }, () => handshake.again()), [
      true,
      true,
      true,
      true,
      true,
      false,
    ]);
  });

  it("has the third ACK owed where the link refused it", () => {
    const handshake = new Handshake(PLAIN);
    assertEquals(handshake.ackOwed, false);
    handshake.acked(false);
    assertEquals(handshake.ackOwed, true);
    handshake.acked(true);
    assertEquals(handshake.ackOwed, false);
  });
});
