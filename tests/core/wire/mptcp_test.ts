import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { rx } from "../../../core/wire/segment.ts";
import { writeKey } from "../../../core/host/flow_key.ts";
import { parseAddress } from "../../../core/wire/ip.ts";
import * as M from "../../../core/wire/mptcp.ts";
import { header_build, memory_alloc, packet_parse, u32, u8 } from "../../../wasm/mod.ts";
import * as L from "../../../wasm/layout.ts";
import * as fc from "../../support/property.ts";

const KEY = writeKey(parseAddress("10.0.0.1")!, 1, parseAddress("10.0.0.2")!, 2, 0);
const PACKET = memory_alloc(256);

const octets = (size: number): fc.Arbitrary<Uint8Array> =>
  fc.uint8Array({ minLength: size, maxLength: size });
const word = fc.nat({ max: 0xffffffff });
const octet = fc.nat({ max: 255 });
const short = fc.nat({ max: 65535 });
const key = fc.record({ high: word, low: word }, { noNullPrototype: true });

/** Writes options on a segment with `flags`, reads it back; the address of the option of `subtype`. */
function carried(subtype: number, flags: number, write: () => void): number {
  M.clearOptions();
  write();
  u32[L.TX_OPTIONS] = L.OPTION_MPTCP;
  u32[L.TX_FLAGS] = flags;
  const size = header_build(KEY, PACKET, 0, 0, 0, 0, L.CHECKSUM_FULL);
  assertEquals(packet_parse(0, PACKET, size, 0), L.PARSE_OK);
  assertEquals(u32[L.RX_OPTIONS]! & L.OPTION_MALFORMED, 0);
  return M.optionAt(subtype);
}

/** Whether an option of these octets counts on a segment with `flags`. */
function counts(flags: number, ...bytes: number[]): boolean {
  const subtype = bytes[2]! >> 4;
  const at = carriedRaw(flags, bytes);
  const malformed = (u32[L.RX_OPTIONS]! & L.OPTION_MALFORMED) !== 0;
  assertEquals(at(subtype) === 0, malformed);
  return !malformed;
}

function carriedRaw(flags: number, bytes: number[]): (subtype: number) => number {
  M.clearOptions();
  bytes.forEach((byte, i) => u8[u32[L.TX_RAW]! + i] = byte);
  u32[L.TX_RAW_LENGTH] = bytes.length;
  u32[L.TX_OPTIONS] = L.OPTION_MPTCP;
  u32[L.TX_FLAGS] = flags;
  const size = header_build(KEY, PACKET, 0, 0, 0, 0, L.CHECKSUM_FULL);
  assertEquals(packet_parse(0, PACKET, size, 0), L.PARSE_OK);
  return M.optionAt;
}

describe("MPTCP options", () => {
  it("MP_CAPABLE comes back in each of its five lengths (RFC 8684 §3.1)", () => {
    fc.assert(fc.property(octet, key, key, short, short, (flags, a, b, length, checksum) => {
      const forms: [number, Parameters<typeof M.writeMpCapable>][] = [
        [L.TCP_SYN, [flags]],
        [L.TCP_SYN | L.TCP_ACK, [flags, a]],
        [L.TCP_ACK, [flags, a, b]],
        [L.TCP_ACK, [flags, a, b, length]],
        [L.TCP_ACK, [flags, a, b, length, checksum]],
      ];
      forms.forEach(([tcp, form], i) => {
        const at = carried(M.MP_CAPABLE, tcp, () => M.writeMpCapable(...form));
        assertEquals(M.readMpCapable(at), {
          version: 1,
          flags,
          length: [4, 12, 20, 22, 24][i]!,
          ...(i >= 1 && { senderKey: a }),
          ...(i >= 2 && { receiverKey: b }),
          ...(i >= 3 && { dataLength: length }),
          ...(i >= 4 && { checksum }),
        });
      });
    }));
  });

  it("MP_JOIN comes back in each of its three forms (RFC 8684 §3.2)", () => {
    fc.assert(fc.property(
      fc.boolean(),
      octet,
      word,
      word,
      octets(8),
      octets(20),
      (backup, id, token, nonce, short, long) => {
        const none = new Uint8Array();
        let at = carried(M.MP_JOIN, L.TCP_SYN, () => M.writeJoinSyn(backup, id, token, nonce));
        const common = { backup, addressId: id };
        assertEquals(M.readMpJoin(at), { ...common, length: 12, token, nonce, hmac: none });
        at = carried(
          M.MP_JOIN,
          L.TCP_SYN | L.TCP_ACK,
          () => M.writeJoinSynAck(backup, id, short, nonce),
        );
        assertEquals(M.readMpJoin(at), { ...common, length: 16, token: 0, nonce, hmac: short });
        at = carried(M.MP_JOIN, L.TCP_ACK, () => M.writeJoinAck(long));
        assertEquals(M.readMpJoin(at).hmac, long);
      },
    ));
  });

  it("ADD_ADDR comes back with and without port, IPv4 and IPv6, and as echo (RFC 8684 §3.4.1)", () => {
    fc.assert(fc.property(
      octet,
      fc.oneof(octets(4), octets(16)),
      short,
      fc.constantFrom(0, 8),
      (addressId, address, port, macLength) => {
        const hmac = new Uint8Array(macLength).fill(0xa5);
        const at = carried(
          M.ADD_ADDR,
          L.TCP_ACK,
          () => M.writeAddAddr(addressId, address, port, hmac),
        );
        assertEquals(M.readAddAddr(at), { echo: macLength === 0, addressId, address, port, hmac });
      },
    ));
  });

  it("REMOVE_ADDR, MP_PRIO, MP_FAIL, MP_FASTCLOSE and MP_TCPRST come back", () => {
    const ids = fc.uniqueArray(octet, { minLength: 1, maxLength: 20 });
    fc.assert(fc.property(ids, fc.boolean(), key, octet, (ids, flag, key, reason) => {
      let at = carried(M.REMOVE_ADDR, L.TCP_ACK, () => M.writeRemoveAddr(ids));
      assertEquals(M.readRemoveAddr(at), ids);
      at = carried(M.MP_PRIO, L.TCP_ACK, () => M.writeMpPrio(flag));
      assertEquals(M.readMpPrio(at), flag);
      at = carried(M.MP_FAIL, L.TCP_ACK, () => M.writeMpFail(key));
      assertEquals(M.readMpFail(at), key);
      at = carried(M.MP_FASTCLOSE, L.TCP_ACK, () => M.writeFastclose(key));
      assertEquals(M.readFastclose(at), key);
      at = carried(M.MP_TCPRST, L.TCP_RST, () => M.writeTcpRst(reason, flag));
      assertEquals(M.readTcpRst(at), reason);
      assertEquals(u8[at + 2]! & 1, Number(flag));
    }));
  });

  it("of another length than their subtype and segment demand are left out and counted", () => {
    const nulls = (count: number): number[] => new Array<number>(count).fill(0);
    assertEquals(counts(L.TCP_SYN, 30, 4, 0x01, 1), true);
    assertEquals(counts(L.TCP_SYN, 30, 12, 0x01, ...nulls(9)), false); // keys have no place in a SYN
    assertEquals(counts(L.TCP_SYN | L.TCP_ACK, 30, 4, 0x01, 1), false);
    assertEquals(counts(L.TCP_ACK, 30, 21, 0x01, ...nulls(18)), false);
    assertEquals(counts(L.TCP_SYN, 30, 16, 0x10, ...nulls(13)), false);
    assertEquals(counts(L.TCP_ACK, 30, 12, 0x10, ...nulls(9)), false);
    assertEquals(counts(L.TCP_ACK, 30, 3, 0x40), false); // REMOVE_ADDR of nothing
    assertEquals(counts(L.TCP_ACK, 30, 9, 0x30, ...nulls(6)), false);
    assertEquals(counts(L.TCP_ACK, 30, 4, 0x20, 0x01), false); // DSS shorter than its flags say
    assertEquals(counts(L.TCP_ACK, 30, 20, 0x20, 0x05, ...nulls(16)), true);
  });

  // RFC 8684 §3.2: "The MP_JOIN option on packets with the SYN flag set also includes 4 bits of flags, 3 of which are currently reserved and MUST be set
  // to 0 by the sender."
  // RFC 8684 §3.2: "The reserved bits in this option MUST be set to 0 by the sender."
  // RFC 8684 §3.4.1: "The other bits are currently unassigned; they MUST be set to 0 by a sender"
  // RFC 8684 §3.6: "An implementation of this specification MUST set these flags to 0"
  it("have zeroes where bits are reserved", () => {
    const hmac = new Uint8Array(20).fill(0xff);
    const all = 0xffffffff;
    const forms: [string, number, number, number, () => void][] = [
      ["join syn", M.MP_JOIN, L.TCP_SYN, 0x0f, () => M.writeJoinSyn(true, 255, all, all)],
      [
        "join synack",
        M.MP_JOIN,
        L.TCP_SYN | L.TCP_ACK,
        0x0f,
        () => M.writeJoinSynAck(true, 255, hmac.subarray(0, 8), all),
      ],
      ["join ack", M.MP_JOIN, L.TCP_ACK, 0x0f, () => M.writeJoinAck(hmac)],
      [
        "add",
        M.ADD_ADDR,
        L.TCP_ACK,
        0x0f,
        () => M.writeAddAddr(255, hmac.subarray(0, 4), 65535, hmac.subarray(0, 8)),
      ],
      [
        "echo",
        M.ADD_ADDR,
        L.TCP_ACK,
        0x0f,
        () => M.writeAddAddr(255, hmac.subarray(0, 4), 65535, new Uint8Array()),
      ],
      ["tcprst", M.MP_TCPRST, L.TCP_RST, 0x0f, () => M.writeTcpRst(255, true)],
    ];
    const low = forms.map(([, subtype, flags, mask, write]) => {
      const at = carried(subtype, flags, write);
      return u8[at + 2]! & mask;
    });
    // The B flag of joins, the E flag of an echo, the T flag of a RST, and nothing else.
    assertEquals(low, [1, 1, 0, 0, 1, 1]);
    const at = carried(M.MP_JOIN, L.TCP_ACK, () => M.writeJoinAck(hmac));
    assertEquals(u8[at + 3], 0);
  });

  // RFC 8684 §3.4.1: "The other bits are currently unassigned; they … MUST be ignored by the receiver."
  // RFC 8684 §3.6: "a receiver MUST ignore them"
  it("are heeded whatever their reserved bits are", () => {
    let at = carriedRaw(L.TCP_ACK, [30, 16, 0x3e, 7, 10, 0, 0, 1, 1, 2, 3, 4, 5, 6, 7, 8]);
    const { echo, addressId, port } = M.readAddAddr(at(M.ADD_ADDR));
    assertEquals([echo, addressId, port], [false, 7, 0]);
    at = carriedRaw(L.TCP_RST, [30, 4, 0x8e, 3]);
    assertEquals(M.readTcpRst(at(M.MP_TCPRST)), 3);
    assertEquals(M.readTcpRstTransient(at(M.MP_TCPRST)), false);
  });

  it("may stand together, and the first of each subtype counts", () => {
    const at = carriedRaw(L.TCP_ACK, [30, 3, 0x51, 30, 3, 0x50, 30, 4, 0x40, 7]);
    assertEquals(M.readMpPrio(at(M.MP_PRIO)), true);
    assertEquals(M.readRemoveAddr(at(M.REMOVE_ADDR)), [7]);
    assertEquals(rx.onlyDss, false);
  });
});
