/** Boxes that answer in place of servers: what either side sees of them, segment by segment. */

import { assert, assertEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { type Middlebox, synProxy, type SynProxyOptions, tcpProxy } from "../../../../mod.ts";
import {
  ACK,
  Boxed,
  FAMILIES,
  FIN,
  mptcp,
  packetOf,
  readPacket,
  RST,
  SYN,
  type Tcp,
} from "../../../support/boxed.ts";

const OFFER = [2, 4, 5, 180, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0, 1, 3, 3, 10, ...mptcp(0, 4)];
const SCALED = [2, 4, 5, 180, 1, 3, 3, 9];

for (const { family, client, server } of FAMILIES) {
  /** Both ends, by hand. */
  class Ends {
    readonly boxed: Boxed;

    constructor(box: Middlebox) {
      this.boxed = new Boxed([box.up], [box.down]);
    }

    client(flags: number, more: Partial<Tcp> = {}): void {
      this.boxed.up(packetOf({ from: client, to: server, flags, ...more }));
    }

    server(flags: number, more: Partial<Tcp> = {}): void {
      this.boxed.down(packetOf({ from: server, to: client, flags, ...more }));
    }

    /** What either gets until `seconds` later, or until nothing happens any more. */
    get(seconds: number): { client: Tcp[]; server: Tcp[] } {
      const all = this.boxed.run(this.boxed.clock.now + seconds * 1e6);
      const of = (side: "client" | "server"): Tcp[] =>
        all.filter((each) => each.side === side).map(({ bytes }) => readPacket(bytes));
      return { client: of("client"), server: of("server") };
    }
  }

  describe(`synProxy(), IPv${family}:`, () => {
    /** A connection up to the server's answer; our number in place of the server's. */
    const opened = (options?: SynProxyOptions): { ends: Ends; iss: number } => {
      const ends = new Ends(synProxy(options));
      ends.client(SYN, { seq: 1000, options: OFFER });
      const [answer] = ends.get(0.1).client;
      ends.client(ACK, { seq: 1001, ack: answer!.seq + 1, window: 64 });
      ends.get(0.1);
      ends.server(SYN | ACK, { seq: 777, ack: 1001, window: 6400, options: SCALED });
      ends.get(0.1);
      return { ends, iss: answer!.seq };
    };

    it("answers a SYN without the server, without a window, and with options that it knows", () => {
      const ends = new Ends(synProxy({ mss: 1400, windowScale: 5 }));
      ends.client(SYN, { seq: 2 ** 32 - 1, options: OFFER });
      const first = ends.get(0.1);
      assertEquals(first.server, []);
      const [answer] = first.client;
      assertEquals([answer!.flags, answer!.ack, answer!.window], [SYN | ACK, 0, 0]);
      assertEquals(answer!.options, [2, 4, 5, 120, 1, 3, 3, 5, 1, 1, 4, 2]);
      // Again, in the same words.
      ends.client(SYN, { seq: 2 ** 32 - 1, options: OFFER });
      assertEquals(ends.get(0.1).client, [answer]);
      // What it was not offered it does not say.
      const plain = new Ends(synProxy());
      plain.client(SYN, { options: [2, 4, 5, 180] });
      assertEquals(plain.get(0.1).client[0]!.options, [2, 4, 5, 180]);
    });

    it("asks the server when the client has proved its address, and no sooner", () => {
      const ends = new Ends(synProxy());
      ends.client(SYN, { seq: 1000, options: OFFER });
      const [answer] = ends.get(0.1).client;
      ends.client(ACK, { seq: 1001, ack: answer!.seq });
      assertEquals(ends.get(0.1), { client: [], server: [] });
      ends.client(ACK, { seq: 1001, ack: (answer!.seq + 1) >>> 0 });
      const [syn] = ends.get(0.1).server;
      assertEquals([syn!.seq, syn!.flags, syn!.from], [1000, SYN, client]);
      assertEquals(syn!.options, [2, 4, 5, 180, 1, 3, 3, 10, 1, 1, 4, 2]);
    });

    it("asks again for some time, then gives up", () => {
      const ends = new Ends(synProxy());
      ends.client(SYN, { seq: 1000, options: OFFER });
      const [answer] = ends.get(0.1).client;
      ends.client(ACK, { seq: 1001, ack: (answer!.seq + 1) >>> 0 });
      const { client: told, server: asked } = ends.get(100);
      assertEquals(asked.map(({ flags }) => flags), new Array<number>(6).fill(SYN));
      assertEquals(told.map(({ flags }) => flags), [RST | ACK]);
    });

    it("then changes numbers, SACK blocks and windows", () => {
      const { ends, iss } = opened({ windowScale: 7 });
      ends.server(ACK, { seq: 778, ack: 1001, window: 100, payload: [1, 2] });
      const [data] = ends.get(0.1).client;
      // 100 x 2^9 is 400 x 2^7.
      assertEquals([data!.seq, data!.window, data!.payload], [(iss + 1) >>> 0, 400, [1, 2]]);
      const at = (value: number): number[] => {
        const n = value >>> 0;
        return [n >>> 24, n >>> 16 & 255, n >>> 8 & 255, n & 255];
      };
      const options = [1, 1, 5, 10, ...at(iss + 10), ...at(iss + 20)];
      ends.client(ACK, { seq: 1001, ack: (iss + 3) >>> 0, options, window: 5 });
      const [ack] = ends.get(0.1).server;
      assertEquals([ack!.seq, ack!.ack, ack!.window], [1001, 780, 5]);
      assertEquals(ack!.options, [1, 1, 5, 10, ...at(787), ...at(797)]);
    });

    it("completes the server's handshake and opens the client's window", () => {
      const ends = new Ends(synProxy({ windowScale: 7 }));
      ends.client(SYN, { seq: 1000, options: OFFER });
      const [answer] = ends.get(0.1).client;
      ends.client(ACK, { seq: 1001, ack: (answer!.seq + 1) >>> 0, window: 64 });
      ends.get(0.1);
      ends.server(SYN | ACK, { seq: 777, ack: 1001, window: 6400, options: SCALED });
      const { client: [update], server: [third] } = ends.get(0.1);
      assertEquals([third!.seq, third!.ack, third!.window, third!.flags], [1001, 778, 64, ACK]);
      assertEquals([update!.seq, update!.window], [(answer!.seq + 1) >>> 0, 50]);
      // The third ACK was lost.
      ends.server(SYN | ACK, { seq: 777, ack: 1001, window: 6400, options: SCALED });
      assertEquals(ends.get(0.1), { client: [], server: [third!] });
    });

    it("tells the client of a server that refuses", () => {
      const ends = new Ends(synProxy());
      ends.client(SYN, { seq: 1000, options: OFFER });
      const [answer] = ends.get(0.1).client;
      ends.client(ACK, { seq: 1001, ack: (answer!.seq + 1) >>> 0 });
      ends.get(0.1);
      ends.server(RST | ACK, { seq: 0, ack: 1001 });
      const { client: told, server: asked } = ends.get(100);
      assertEquals([told.map(({ flags }) => flags), asked], [[RST | ACK], []]);
    });

    it("leaves alone what began before it was there", () => {
      const ends = new Ends(synProxy());
      ends.client(ACK, { seq: 5, payload: [1] });
      ends.server(ACK, { seq: 6, payload: [2] });
      const { client: down, server: up } = ends.get(0.1);
      assertEquals([down[0]!.seq, up[0]!.seq], [6, 5]);
    });
  });

  describe(`tcpProxy(), IPv${family}:`, () => {
    it("answers for the server, and opens a connection of its own from the client's port", () => {
      const ends = new Ends(tcpProxy({ mtu: 1000 }));
      ends.client(SYN, { seq: 1000, options: OFFER });
      const { client: [answer], server: early } = ends.get(0.1);
      assertEquals([answer!.flags & (SYN | ACK), answer!.ack, answer!.from], [
        SYN | ACK,
        1001,
        server,
      ]);
      assert(!answer!.options.includes(30), "an option of MPTCP");
      assertEquals(early, []);
      ends.client(ACK, { seq: 1001, ack: (answer!.seq + 1) >>> 0, payload: [1, 2, 3] });
      const { client: acks, server: [syn] } = ends.get(0.2);
      // It acknowledges what the server has not seen.
      assertEquals(acks.at(-1)!.ack, 1004);
      assertEquals([syn!.flags & (SYN | ACK), syn!.from, syn!.to], [SYN, client, server]);
      assert(syn!.seq !== 1000, "a number of its own");
      assertEquals(syn!.options.slice(0, 4), [2, 4, ...(family === 4 ? [3, 192] : [3, 172])]);
      ends.server(SYN | ACK, { seq: 5000, ack: (syn!.seq + 1) >>> 0, options: [2, 4, 5, 180] });
      const { server: sent } = ends.get(0.2);
      assertEquals(sent.flatMap(({ payload }) => payload), [1, 2, 3]);
      ends.boxed.clear();
    });

    it("tells a client of a server that refuses", () => {
      const ends = new Ends(tcpProxy());
      ends.client(SYN, { seq: 1000, options: OFFER });
      const [answer] = ends.get(0.1).client;
      ends.client(ACK, { seq: 1001, ack: (answer!.seq + 1) >>> 0 });
      const [syn] = ends.get(0.1).server;
      ends.server(RST | ACK, { seq: 0, ack: (syn!.seq + 1) >>> 0 });
      const { client: told } = ends.get(0.1);
      assertEquals(told.map(({ flags }) => flags & RST), [RST]);
      ends.boxed.clear();
    });

    it("resets what it has not opened, and takes no connection from the other side", () => {
      const ends = new Ends(tcpProxy());
      ends.server(SYN, { seq: 1 });
      assertEquals(ends.get(0.1), { client: [], server: [] });
      ends.client(SYN, { seq: 1000, options: OFFER });
      ends.get(0.1);
      ends.client(FIN | ACK, { from: client.replace("5000", "5001"), seq: 1, ack: 2 });
      assertEquals(ends.get(0.1).client.map(({ flags }) => flags & RST), [RST]);
      ends.boxed.clear();
    });
  });
}

describe("proxies", () => {
  it("refuse wrong options by what is right", () => {
    const cases: [() => unknown, string][] = [
      [() => synProxy({ mss: 10 }), "'mss' must be an integer from 88 to 65535"],
      [() => synProxy({ windowScale: 15 }), "'windowScale' must be an integer from 0 to 14"],
      [() => synProxy({ sack: 1 as unknown as boolean }), "'sack' must be true or false"],
      [() => tcpProxy({ mtu: 100 }), "'mtu' must be an integer from 576 to 65535"],
      [() => tcpProxy({ buffer: 1 } as object), "there is no option 'buffer'"],
    ];
    for (const [make, text] of cases) assertThrows(make, Error, text);
  });
});
