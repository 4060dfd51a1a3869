/** The address translator: what it remembers, for how long, and what becomes of the rest (RFC 3022, RFC 5382, RFC 5508). */

import { assert, assertEquals, assertNotEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { nat, type NatOptions } from "../../../../mod.ts";
import {
  ACK,
  type Arrival,
  Boxed,
  FAMILIES,
  FIN,
  packetOf,
  readPacket,
  RST,
  SYN,
  type Tcp,
} from "../../../support/boxed.ts";
import { plainSum } from "../../../support/sim.ts";

const only = ([first, ...others]: readonly Arrival[]): Tcp => {
  assertEquals(others, []);
  return readPacket(first!.bytes);
};

for (const { family, client, server, other } of FAMILIES) {
  const make = (options: NatOptions = {}) => {
    const box = nat(options);
    const boxed = new Boxed([box.up], [box.down]);
    const up = (flags: number, more: Partial<Tcp> = {}): Tcp =>
      boxed.one(packetOf({ from: client, to: server, flags, ...more }));
    return { box, boxed, up };
  };

  describe(`nat(), IPv${family}:`, () => {
    it("gives a connection one port, and what comes for that goes back", () => {
      const { box, boxed, up } = make({ address: other, ports: [2000, 2999] });
      const out = up(SYN, { payload: [1, 2, 3] });
      const [address, port] = out.from.split(" ");
      assertEquals([address, out.to, out.payload], [other, server, [1, 2, 3]]);
      assert(Number(port) >= 2000 && Number(port) <= 2999);
      assertEquals(up(ACK).from, out.from);
      assertEquals(box.connections, 1);
      boxed.down(packetOf({ from: server, to: out.from, flags: SYN | ACK }));
      assertEquals(only(boxed.run()).to, client);
    });

    it("keeps addresses where none is given, and gives each connection its own port", () => {
      const { up } = make({ ports: [2000, 2001] });
      const ports = [client, client.replace("5000", "5001")].map((from) =>
        up(SYN, { from }).from.split(" ")
      );
      assertEquals(ports.map(([address]) => address), [client, client].map((c) => c.split(" ")[0]));
      assertEquals(ports.map(([, port]) => port).sort(), ["2000", "2001"]);
    });

    it("drops what it has no port for, and what nobody has asked for", () => {
      const { boxed, up } = make({ ports: [2000, 2000] });
      up(SYN);
      boxed.up(packetOf({ from: client.replace("5000", "5001"), to: server, flags: SYN }));
      boxed.down(packetOf({ from: server.replace(" 80", " 81"), to: client, flags: SYN }));
      boxed.down(packetOf({ from: server, to: client, flags: ACK }));
      assertEquals([boxed.run(), boxed.dropped], [[], 3]);
      // To another server the port is free.
      assertEquals(up(SYN, { to: server.replace(" 80", " 81") }).from.split(" ")[1], "2000");
    });

    it("forgets what was idle for too long, sooner while the handshake is under way", () => {
      const { boxed, up } = make({ timeout: "100 s", transitory: "10 s" });
      const opened = (wait: number): boolean => {
        const before = boxed.clock.now;
        const { from } = up(SYN);
        boxed.down(packetOf({ from: server, to: from, flags: SYN | ACK }));
        boxed.run();
        boxed.run(before + wait * 1e6);
        const kept = up(ACK).from === from;
        boxed.run(boxed.clock.now + 1000e6);
        return kept;
      };
      assertEquals([opened(99), opened(100)], [true, false]);
      const { from } = up(SYN);
      boxed.run(boxed.clock.now + 10e6);
      boxed.down(packetOf({ from: server, to: from, flags: SYN | ACK }));
      assertEquals(boxed.run(), []);
    });

    for (const flags of [FIN | ACK, RST]) {
      it(`forgets what was ${flags === RST ? "reset" : "closed"} soon`, () => {
        const { boxed, up } = make({ timeout: "100 s", transitory: "10 s" });
        const { from } = up(SYN);
        boxed.down(packetOf({ from: server, to: from, flags: SYN | ACK }));
        boxed.down(packetOf({ from: server, to: from, flags }));
        assertEquals(boxed.run().length, 2);
        boxed.run(9e6);
        assertEquals(up(ACK).from, from);
        boxed.run(boxed.clock.now + 10e6);
        assertNotEquals(up(ACK).from, from);
      });
    }

    it("forget() forgets all; what goes on then has another port, is dropped, or reset", () => {
      const after = (unknown: "translate" | "drop" | "reset", flags = ACK): Arrival[] => {
        const { box, boxed, up } = make({ unknown });
        up(SYN);
        box.forget();
        assertEquals(box.connections, 0);
        boxed.up(packetOf({ from: client, to: server, flags, seq: 7, ack: 9, payload: [1, 2] }));
        return boxed.run();
      };
      assertEquals(after("translate").map(({ side }) => side), ["server"]);
      assertEquals(after("drop"), []);
      const reset = only(after("reset"));
      assertEquals([reset.from, reset.to, reset.flags, reset.seq], [server, client, RST, 9]);
      assertEquals(only(after("reset", FIN)).ack, 9);
      assertEquals(after("reset", RST), []);
      assertEquals(after("drop", SYN).length, 1);
    });

    it("translates ICMP errors with what they quote", () => {
      const { boxed, up } = make({ address: other });
      const sent = packetOf({ from: client, to: server, flags: SYN });
      boxed.up(sent);
      const [out] = boxed.run();
      const header = family === 4 ? 20 : 40;
      const error = new Uint8Array(header + 8 + out!.bytes.length);
      error.set(out!.bytes.subarray(0, header));
      error.set(out!.bytes, header + 8);
      const view = new DataView(error.buffer);
      // From the server to whom it has heard.
      const [at, size] = family === 4 ? [12, 4] : [8, 16];
      error.copyWithin(at, header + 8 + at + size, header + 8 + at + 2 * size);
      error.copyWithin(at + size, header + 8 + at, header + 8 + at + size);
      error[family === 4 ? 9 : 6] = family === 4 ? 1 : 58;
      view.setUint16(family === 4 ? 2 : 4, error.length - (family === 4 ? 0 : 40));
      error[header] = family === 4 ? 3 : 1;
      error[header + 1] = family === 4 ? 3 : 4;
      const sums = (bytes: Uint8Array): number[] => {
        const pseudo = family === 4 ? 0 : plainSum(bytes.subarray(8, 40)) + 58 + bytes.length - 40;
        return [
          plainSum(bytes.subarray(header), pseudo),
          ...(family === 4 ? [plainSum(bytes.subarray(0, 20))] : []),
        ];
      };
      boxed.down(error);
      const [back] = boxed.run();
      assert(sums(back!.bytes).every((sum) => sum === 0xffff), "wrong checksums");
      // The client finds what it has sent.
      assertEquals(readPacket(back!.bytes.subarray(header + 8)), readPacket(sent));
      assertEquals(back!.bytes.subarray(at + size, at + 2 * size), sent.subarray(at, at + size));
      // One of a connection that it does not know goes nowhere.
      error[header + 8 + header]! ^= 1;
      boxed.down(error);
      assertEquals(boxed.run(), []);
      assertEquals(up(ACK).to, server);
    });

    it("an address of the other family is none for it", () => {
      const { boxed } = make({ address: family === 4 ? "fd00::7" : "10.9.9.9" });
      boxed.up(packetOf({ from: client, to: server, flags: SYN }));
      assertEquals([boxed.run(), boxed.dropped], [[], 1]);
    });
  });
}

describe("nat()", () => {
  it("refuses wrong options by what is right", () => {
    const cases: [() => unknown, string][] = [
      [() => nat({ address: "10.0.1" }), `an IP address such as "10.0.1.99": current value is`],
      [() => nat({ ports: [0, 10] }), "'ports[0]' must be an integer from 1 to 65535"],
      [() => nat({ ports: [100, 99] }), "'ports[1]' must be an integer from 100 to 65535"],
      [() => nat({ ports: 7 as unknown as [number, number] }), "the first and the last port"],
      [() => nat({ timeout: "60" as "60 s" }), "the duration 'timeout'"],
      [() => nat({ unknown: "rst" as "reset" }), `one of "translate", "drop", "reset"`],
      [() => nat({ idle: "60 s" } as object), "there is no option 'idle'"],
    ];
    for (const [make, text] of cases) assertThrows(make, Error, text);
  });
});
