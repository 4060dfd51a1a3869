/** What programs say to a proxy: SOCKS5 (RFC 1928) and HTTP CONNECT (RFC 9110 §9.3.6), and what neither is. */

import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { HttpError, parseConnect, readConnect } from "../../../cli/gateway/http_connect.ts";
import { parseMethods, parseRequest, readSocks, SocksError } from "../../../cli/gateway/socks.ts";
import { Head, ProtocolError } from "../../../cli/gateway/stream.ts";
import { isName, readAuthority } from "../../../cli/gateway/target.ts";
import * as fc from "../../support/property.ts";
import { latin1, octets, pipe } from "./support.ts";

/** A request as RFC 1928 §4 has it. */
function request(
  command: number,
  kind: number,
  address: readonly number[],
  port: number,
): number[] {
  return [5, command, 0, kind, ...address, port >> 8, port & 255];
}

const NAME = "example.org";
const named = [NAME.length, ...octets(NAME)];
const GOOD: readonly [string, readonly number[], string, number][] = [
  ["a name", request(1, 3, named, 443), NAME, 443],
  ["an IPv4 address", request(1, 1, [192, 0, 2, 1], 80), "192.0.2.1", 80],
  [
    "an IPv6 address",
    request(1, 4, [0x20, 1, 0xd, 0xb8, ...Array(11).fill(0), 1], 22),
    "2001:db8::1",
    22,
  ],
];

describe("a SOCKS5 request", () => {
  for (const [what, bytes, host, port] of GOOD) {
    it(`names ${what}; what follows it is the program's`, async () => {
      for (let cut = 0; cut < bytes.length; cut++) {
        assertEquals(parseRequest(Uint8Array.from(bytes.slice(0, cut))), null, `${cut} octets`);
      }
      const [program, proxy] = pipe();
      await program.write(Uint8Array.of(5, 2, 2, 0, ...bytes, 1, 2, 3));
      const head = new Head(proxy);
      assertEquals(await readSocks(head, (bytes) => proxy.write(bytes)), { host, port });
      assertEquals([proxy.said, [...head.rest]], [[5, 0], [1, 2, 3]]);
    });
  }

  it("is refused by the reply that RFC 1928 §6 has for it", () => {
    const refused: readonly [readonly number[], number, string][] = [
      [request(2, 1, [1, 2, 3, 4], 80), 7, "BIND"],
      [request(3, 1, [1, 2, 3, 4], 80), 7, "UDP ASSOCIATE"],
      [request(9, 1, [1, 2, 3, 4], 80), 7, "command 9"],
      [request(1, 2, [1, 2, 3, 4], 80), 8, "address type 2"],
      [request(1, 1, [1, 2, 3, 4], 0), 1, "port 0"],
      [request(1, 3, [0], 80), 1, "no name"],
      [request(1, 3, [4, ...octets("a\0b ")], 80), 1, "no name"],
      [[4, 1, 0, 1, 0, 0], 1, "version 5"],
    ];
    for (const [bytes, reply, text] of refused) {
      const error = assertThrows(() => parseRequest(Uint8Array.from(bytes)), SocksError, text);
      assertEquals([...error.reply], [5, reply, 0, 1, 0, 0, 0, 0, 0, 0]);
    }
  });

  it("of another version, or with a password, is not taken (§3)", async () => {
    assertThrows(() => parseMethods(Uint8Array.of(4, 1)), SocksError, "SOCKS version 4");
    const [program, proxy] = pipe();
    await program.write(Uint8Array.of(5, 1, 2));
    const error = await assertRejects(
      () => readSocks(new Head(proxy), (bytes) => proxy.write(bytes)),
      SocksError,
    );
    assertEquals([...error.reply], [5, 0xff]);
  });
});

describe("an HTTP CONNECT", () => {
  it("names HOST:PORT; its fields are not heeded, what follows is the program's", async () => {
    const requests: readonly [string, string, number][] = [
      [
        "CONNECT example.org:443 HTTP/1.1\r\nhost: example.org:443\r\nx-y: \xe4\t z\r\n\r\n",
        NAME,
        443,
      ],
      ["CONNECT 192.0.2.1:80 HTTP/1.0\r\n\r\n", "192.0.2.1", 80],
      ["CONNECT [2001:db8::1]:22 HTTP/1.1\r\n\r\n", "2001:db8::1", 22],
    ];
    for (const [text, host, port] of requests) {
      for (let cut = 0; cut < text.length; cut++) {
        assertEquals(parseConnect(octets(text.slice(0, cut))), null, text.slice(0, cut));
      }
      const [program, proxy] = pipe();
      await program.write(octets(`${text}hello`));
      const head = new Head(proxy);
      assertEquals(await readConnect(head), { host, port });
      assertEquals(latin1(head.rest), "hello");
    }
  });

  it("that is none is answered by what is wrong, as soon as its first line has come", () => {
    const refused: readonly [string, string][] = [
      ["GET http://example.org/ HTTP/1.1\r\n", "405 Method Not Allowed"],
      ["CONNECT example.org HTTP/1.1\r\n", "400 Bad Request"],
      ["CONNECT example.org:0 HTTP/1.1\r\n", "400"],
      ["CONNECT example.org:65536 HTTP/1.1\r\n", "400"],
      ["CONNECT exa mple.org:80 HTTP/1.1\r\n", "400"],
      ["CONNECT user@example.org:80 HTTP/1.1\r\n", "400"],
      ["CONNECT example.org:80 HTTP/2\r\n", "400"],
      ["CONNECT example.org:80\r\n", "400"],
      ["CONNECT example.org:80 HTTP/1.1\n", "400"],
      ["\x16\x03\x01\x02\x00\x01\n", "400"],
      ["CONNECT example.org:80 HTTP/1.1\r\nno field\r\n\r\n", "400"],
      ["CONNECT example.org:80 HTTP/1.1\r\na: b\r\n folded\r\n\r\n", "400"],
    ];
    for (const [text, status] of refused) {
      const error = assertThrows(() => parseConnect(octets(text)), HttpError);
      assert(latin1(error.answer).startsWith(`HTTP/1.1 ${status}`), text);
    }
    const error = assertThrows(() => parseConnect(octets("GET / HTTP/1.1\r\n")), HttpError);
    assert(latin1(error.answer).includes("allow: CONNECT\r\n"));
    assert(error.message.includes("--proxytunnel"), error.message);
  });
});

describe("a target", () => {
  it("has a name of RFC 1123, an address, and a port", () => {
    for (const name of ["a", "a.b", "_x.a-b.example", "192.0.2.1", "a.", `${"a".repeat(254)}`]) {
      assert(isName(name), name);
    }
    for (const name of ["", ".", "a..b", "-a", "a b", "a\0", "a/b", "ä", "a:1", "a".repeat(256)]) {
      assert(!isName(name), name);
    }
    for (
      const text of ["a:", ":1", "a:1:2", "[a]:1", "[::1", "[1.2.3.4]:1", "::1:80", "a:-1", "a:1 "]
    ) {
      assertEquals(readAuthority(text), null, text);
    }
  });
});

describe("anything that a program sends", () => {
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 600 }),
    fc.uint8Array({ maxLength: 400 }).map((rest) => Uint8Array.of(5, 1, 0, 5, 1, 0, ...rest)),
    fc.string({ maxLength: 300 }).map((rest) => octets(`CONNECT ${rest}`)),
  );

  it("is read alike however it is cut, and either taken, or refused, or waited for within bounds", async () => {
    await fc.assert(
      fc.asyncProperty(
        bytes,
        fc.array(fc.nat(600), { maxLength: 6 }),
        fc.boolean(),
        async (all, cuts, socks) => {
          const outcome = async (pieces: readonly Uint8Array[]): Promise<unknown> => {
            const [program, proxy] = pipe();
            const head = new Head(proxy);
            const reading =
              (socks ? readSocks(head, (bytes) => proxy.write(bytes)) : readConnect(head)).catch(
                (error) => {
                  assert(error instanceof ProtocolError, `${error}`);
                  return error.message;
                },
              );
            for (const piece of pieces) if (piece.length > 0) await program.write(piece);
            await program.closeWrite();
            return await reading;
          };
          const at = [
            0,
            ...cuts.map((cut) => Math.min(cut, all.length)).sort((a, b) => a - b),
            all.length,
          ];
          const pieces = at.slice(1).map((end, i) => all.subarray(at[i], end));
          assertEquals(await outcome(pieces), await outcome([all]));
        },
      ),
      { numRuns: 400 },
    );
  });
});
