/** Convert messages against octets that were written by hand from the figures of RFC 8803 §6. */

import { assertEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import {
  CONVERT_ERRORS,
  ConvertFault,
  encodeMessage,
  findMessage,
  NoConvertMessage,
  parseMessage,
  type Tlv,
} from "../../../../cli/gateway/convert/message.ts";
import * as fc from "../../../support/property.ts";
import { hex } from "../support.ts";

const SERVER = hex("00000000 00000000 0000ffff c0000207"); // ::ffff:192.0.2.7
const SERVER6 = hex("20010db8 00000000 00000000 00000001");

describe("Convert messages are those of the figures of RFC 8803", () => {
  const messages: readonly (readonly [string, string, readonly Tlv[]])[] = [
    ["Figure 15, Info", "01 02 2263  01 01 0000", [{ type: "info" }]],
    ["Figure 16, Supported TCP Extensions", "01 03 2263  15 02 0000  1e 00 00 00", [
      { type: "supported TCP extensions", kinds: [30] },
    ]],
    [
      "Figure 17, Base Connect",
      "01 06 2263  0a 05 01bb  00000000 00000000 0000ffff c0000207",
      [{ type: "connect", address: SERVER, port: 443, options: [] }],
    ],
    [
      "Figures 18 and 19, Extended Connect: MPTCP without a value, a Fast Open cookie, padding",
      "01 09 2263  0a 08 0050  20010db8 00000000 00000000 00000001  1e 02 22 06  a1 a2 a3 a4  04 02 00 00",
      [{
        type: "connect",
        address: SERVER6,
        port: 80,
        options: [
          { kind: 30, value: hex("") },
          { kind: 34, value: hex("a1a2a3a4") },
          { kind: 4, value: hex("") },
        ],
      }],
    ],
    ["Figure 20, Extended TCP Header", "01 03 2263  14 02 0000  04 02 00 00", [
      { type: "extended TCP header", options: hex("04020000") },
    ]],
    ["Figure 21, Cookie", "01 04 2263  16 03 0000  0102030405060708", [
      { type: "cookie", cookie: hex("0102030405060708") },
    ]],
    ["Figure 22, Error", "01 02 2263  1e 01 61 03", [
      { type: "error", code: CONVERT_ERRORS["Destination Unreachable"], value: hex("03") },
    ]],
    [
      "several: Info, Connect",
      "01 07 2263  01 01 0000  0a 05 01bb  00000000 00000000 0000ffff c0000207",
      [{ type: "info" }, { type: "connect", address: SERVER, port: 443, options: [] }],
    ],
  ];
  for (const [name, octets, tlvs] of messages) {
    it(name, () => {
      assertEquals(parseMessage(hex(octets)), tlvs);
      assertEquals(encodeMessage(tlvs), hex(octets));
      const followed = hex(`${octets} 47 45 54`);
      assertEquals(findMessage(followed), { value: hex(octets), length: hex(octets).length });
      for (let cut = 0; cut < hex(octets).length; cut++) {
        assertEquals(findMessage(followed.subarray(0, cut)), null);
      }
    });
  }

  it("the codes are those of Table 2", () => {
    assertEquals(CONVERT_ERRORS, {
      "Unsupported Version": 0x00,
      "Malformed Message": 0x01,
      "Unsupported Message": 0x02,
      "Missing Cookie": 0x03,
      "Not Authorized": 0x20,
      "Unsupported TCP Option": 0x21,
      "Resource Exceeded": 0x40,
      "Network Failure": 0x41,
      "Connection Reset": 0x60,
      "Destination Unreachable": 0x61,
    });
  });
});

describe("What is no message", () => {
  it("is answered by nothing where the magic number or the Total Length is wrong", () => {
    for (const octets of ["16 03 01 02", "01 02 2264", "01 00 2263"]) {
      assertThrows(() => findMessage(hex(octets)), NoConvertMessage);
    }
  });

  it("is answered by the version that is spoken", () => {
    for (const octets of ["00 02 2263", "02 02 2263"]) {
      const fault = assertThrows(() => findMessage(hex(octets)), ConvertFault);
      assertEquals([fault.error, [...fault.value]], ["Unsupported Version", [1]]);
    }
  });

  const base = "0a 05 01bb  00000000 00000000 0000ffff";
  const wrong: readonly (readonly [string, string, ConvertFault["error"]])[] = [
    ["a Length of zero", "01 02 2263  01 00 0000", "Malformed Message"],
    ["a Length beyond the end", "01 02 2263  0a 05 01bb", "Malformed Message"],
    ["an Info of two words", "01 03 2263  01 02 0000 00000000", "Malformed Message"],
    [
      "a Connect of four words",
      "01 05 2263  0a 04 01bb 00000000 00000000 00000000",
      "Malformed Message",
    ],
    ["two of a kind", "01 03 2263  01 01 0000 01 01 0000", "Malformed Message"],
    ["loopback", `01 06 2263 ${base} 7f000001`, "Malformed Message"],
    ["multicast", `01 06 2263 ${base} e0000001`, "Malformed Message"],
    ["broadcast", `01 06 2263 ${base} ffffffff`, "Malformed Message"],
    [
      "loopback of IPv6",
      "01 06 2263 0a 05 01bb 00000000 00000000 00000000 00000001",
      "Malformed Message",
    ],
    [
      "multicast of IPv6",
      "01 06 2263 0a 05 01bb ff020000 00000000 00000000 00000001",
      "Malformed Message",
    ],
    ["port 0", "01 06 2263 0a 05 0000 20010db8 00000000 00000000 00000001", "Malformed Message"],
    [
      "a TCP option that is cut",
      `01 07 2263 0a 06 01bb 00000000 00000000 0000ffff c0000207 22060102`,
      "Malformed Message",
    ],
    [
      "a TCP option of length 1",
      `01 07 2263 0a 06 01bb 00000000 00000000 0000ffff c0000207 22010000`,
      "Malformed Message",
    ],
    ["type 0", "01 02 2263  00 01 0000", "Unsupported Message"],
    ["a type that is not known", "01 02 2263  2a 01 0000", "Unsupported Message"],
  ];
  for (const [name, octets, error] of wrong) {
    it(`is told so, with an echo: ${name}`, () => {
      const fault = assertThrows(() => parseMessage(hex(octets)), ConvertFault);
      assertEquals(fault.error, error);
      assertEquals(fault.value, Uint8Array.of(0, ...hex(octets)));
    });
  }

  it("has an echo that fits into a message, however long it is", () => {
    const long = new Uint8Array(1020).fill(0x2a);
    long.set(hex("01 ff 2263"));
    const { value } = assertThrows(() => parseMessage(long), ConvertFault);
    const answer = encodeMessage([{ type: "error", code: 2, value }]);
    assertEquals(answer.length, 1020);
    assertEquals(findMessage(answer)?.length, 1020);
  });

  it("throws nothing else, whatever the octets are", () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 1016 }), (body) => {
      const message = new Uint8Array(4 + Math.floor(body.length / 4) * 4);
      message.set([1, message.length / 4, 0x22, 0x63]);
      message.set(body.subarray(0, message.length - 4), 4);
      try {
        parseMessage(message);
      } catch (error) {
        if (!(error instanceof ConvertFault)) throw error;
      }
    }));
  });
});
