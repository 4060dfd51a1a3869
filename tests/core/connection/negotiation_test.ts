/** What keeps a handshake from MPTCP, in either role: whoever falls back says nothing of it any more (RFC 8684 §3.1). */

import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { type App, Dialogue, type DialogueOptions } from "../../support/dialogue.ts";
import type { Peer } from "../../support/scripted_peer.ts";

const PEER_KEY = "00 00 00 01 00 00 00 02";
const OUR_KEY = "00 00 00 07 00 00 00 09";
const KEYS = { keys: [7, 9] };

/** The connection is plain TCP: neither data nor their repeats, ACKs and FIN have an option, and no token is left. */
function staysPlain(d: Dialogue, peer: Peer, app: App): void {
  const bare = (text: string): void => {
    const { options } = peer.gets(text);
    const mptcp = /^(mpc|join|dack|map|add|rm|prio|fail|fastclose|tcprst)/;
    assertEquals(options.filter((each) => mptcp.test(each)), []);
  };
  assertEquals([app.socket.fallback, d.usage.tokens], [true, 0]);
  app.write(100);
  bare("P. 1:101 ack 1");
  d.untilSent();
  bare("P. 1:101 ack 1");
  peer.sends("P. 1:51 ack 101");
  assertEquals(app.read(), 50);
  d.untilSent();
  bare(". 101 ack 51");
  app.finish();
  bare("F. 101 ack 51");
  peer.sends("F. 51 ack 102");
  bare(". 102 ack 52");
}

for (const family of [4, 6] as const) {
  const server = (options: DialogueOptions = {}) => {
    const d = new Dialogue({ family, tcp: { tlp: false }, ...options });
    return { d, listener: d.listen(), peer: d.peer() };
  };
  const client = (options: DialogueOptions = {}) => {
    const d = new Dialogue({ family, tcp: { tlp: false }, ...options });
    const app = d.connect();
    return { d, app, peer: d.called() };
  };

  describe(`RFC 8684 §3.1: an MP_CAPABLE of a length that its segment cannot have (IPv${family})`, () => {
    for (const octets of [`0c 01 01 ${PEER_KEY}`, `14 01 01 ${PEER_KEY} ${OUR_KEY}`]) {
      it(`on a SYN: ${octets.slice(0, 2)}`, () => {
        const { d, listener, peer } = server();
        peer.offers({}, "S", [`raw 1e ${octets}`]);
        peer.gets("S. 0 ack 1 <!mpc>");
        peer.sends(". 1 ack 1");
        staysPlain(d, peer, d.accept(listener));
        d.stack.free();
      });
    }

    for (const octets of ["04 01 01", `14 01 01 ${PEER_KEY} ${OUR_KEY}`]) {
      it(`on a SYN/ACK: ${octets.slice(0, 2)}`, () => {
        const { d, app, peer } = client(KEYS);
        peer.gets("S 0 <mpc>");
        peer.offers({}, "S.", [`raw 1e ${octets}`]);
        peer.gets(". 1 ack 1 <!mpc>");
        assertEquals(d.counter("MPCapableFallbackSYNACK"), 1);
        staysPlain(d, peer, app);
        d.stack.free();
      });
    }

    for (const octets of ["04 01 01", `0c 01 01 ${PEER_KEY}`]) {
      it(`on a third ACK: ${octets.slice(0, 2)}`, () => {
        const { d, listener, peer } = server(KEYS);
        peer.offers({}, "S", ["mpc"]);
        peer.gets("S. 0 ack 1 <mpc key>");
        peer.sends(`. 1 ack 1 <raw 1e ${octets}>`);
        assertEquals(d.counter("MPCapableFallbackACK"), 1);
        staysPlain(d, peer, d.accept(listener));
        d.stack.free();
      });
    }
  });

  describe(`RFC 8684 §3.1: whoever falls back sends no MPTCP option any more (IPv${family})`, () => {
    for (const checksum of [false, true]) {
      const choices = { experiments: { checksum } };
      const a = checksum ? " A" : "";

      // RFC 8684 §3.1: "If a SYN does not contain an MP_CAPABLE option, the SYN/ACK MUST NOT contain one in response"
      it(`a server that is not asked${a}`, () => {
        const { d, listener, peer } = server(choices);
        peer.offers({}, "S", []);
        peer.gets("S. 0 ack 1 <!mpc>");
        peer.sends(". 1 ack 1");
        staysPlain(d, peer, d.accept(listener));
        d.stack.free();
      });

      // RFC 8684 §3.1: "If the third packet (the ACK) does not contain the MP_CAPABLE option, then the session MUST fall back to operating as a regular, single-path TCP session"
      it(`a server whose third ACK has none${a}`, () => {
        const { d, listener, peer } = server(choices);
        peer.offers({}, "S", [`mpc${a}`]);
        peer.gets(`S. 0 ack 1 <mpc key${a}>`);
        peer.sends(". 1 ack 1");
        staysPlain(d, peer, d.accept(listener));
        d.stack.free();
      });

      // RFC 8684 §3.1: "thus, the MPTCP session MUST operate as a regular, single-path TCP session"
      it(`a client whose SYN/ACK has none${a}`, () => {
        const { d, app, peer } = client(choices);
        peer.gets(`S 0 <mpc${a}>`);
        peer.offers({}, "S.", []);
        peer.gets(". 1 ack 1 <!mpc>");
        staysPlain(d, peer, app);
        d.stack.free();
      });

      // RFC 8684 §3.1: "the host MUST stop using MPTCP and no longer include MPTCP options in future TCP packets"
      it(`a server that is told another key of the client's by the first data${a}`, () => {
        const { d, listener, peer } = server(choices);
        peer.offers({}, "S", [`mpc${a}`]);
        peer.gets(`S. 0 ack 1 <mpc key${a}>`);
        peer.sends(`. 1 ack 1 <mpc keys${a}>`);
        const app = d.accept(listener);
        peer.session.ourKey = { high: 77, low: 78 };
        peer.sends(`P. 1:11 ack 1 <mpc keys len 10${checksum ? " csum A" : ""}>`);
        assertEquals([app.socket.fallback, app.read()], [true, 10]);
        assertEquals(d.counter("MPCapableDataFallback"), 1);
        d.untilSent();
        peer.gets(". 1 ack 11 <!dack, !dack8>");
        app.write(10);
        peer.gets("P. 1:11 ack 11 <!map, !dack8>");
        d.stack.free();
      });
    }

    it("both ends have opened at once: SimultConnectFallback, as in Linux", () => {
      const { d, app, peer } = client();
      peer.gets("S 0 <mpc>");
      peer.offers({}, "S", ["mpc"]);
      peer.gets("S. 0 ack 1 <!mpc>");
      peer.sends(". 1 ack 1");
      assertEquals([d.counter("SimultConnectFallback"), d.counter("MPCapableFallbackACK")], [1, 0]);
      assertEquals(app.log, ["established", "writable"].slice(0, app.log.length));
      staysPlain(d, peer, app);
      d.stack.free();
    });

    it("both ends have opened at once without MPTCP: nothing is counted", () => {
      const { d, app, peer } = client({ experiments: { mptcp: false } });
      peer.gets("S 0 <!mpc>");
      peer.offers({}, "S", ["mpc"]);
      peer.gets("S. 0 ack 1 <!mpc>");
      peer.sends(". 1 ack 1");
      assertEquals(d.counter("SimultConnectFallback"), 0);
      staysPlain(d, peer, app);
      d.stack.free();
    });
  });

  describe(`RFC 8684 §3.1: no key whose token is free (IPv${family})`, () => {
    it("a client asks for no MPTCP", () => {
      const { d, peer } = client(KEYS);
      peer.gets("S 0 <mpc>");
      d.connect();
      const second = d.called();
      second.gets("S 0 <!mpc>");
      assertEquals([d.counter("MPFallbackTokenInit"), d.usage.tokens], [1, 1]);
      assertEquals(d.counter("MPCapableSYNTXDisabled"), 0);
      d.stack.free();
    });

    it("a server answers without", () => {
      const { d, listener, peer } = server(KEYS);
      peer.offers({}, "S", ["mpc"]);
      peer.gets("S. 0 ack 1 <mpc key>");
      const second = d.peer();
      second.offers({}, "S", ["mpc"]);
      second.gets("S. 0 ack 1 <!mpc>");
      second.sends(". 1 ack 1");
      assertEquals(d.accept(listener).socket.fallback, true);
      assertEquals([d.counter("MPFallbackTokenInit"), d.usage.tokens], [1, 1]);
      d.stack.free();
    });
  });

  describe(`'mptcp: false' (IPv${family})`, () => {
    const OFF: DialogueOptions = { experiments: { mptcp: false } };
    for (const synCookies of ["off", "always"] as const) {
      const options: DialogueOptions = { ...OFF, tcp: { tlp: false, synCookies } };

      it(`a server with cookies "${synCookies}" ignores MP_CAPABLE, on SYN and third ACK`, () => {
        const { d, listener, peer } = server(options);
        peer.offers({}, "S", ["mpc A"]);
        peer.gets("S. 0 ack 1 <!mpc>");
        peer.sends(". 1 ack 1 <mpc keys A>");
        for (const name of ["MPCapableSYNRX", "MPCapableFallbackACK", "MPCapableACKRX"]) {
          assertEquals(d.counter(name), 0, name);
        }
        staysPlain(d, peer, d.accept(listener));
        d.stack.free();
      });

      it(`a server with cookies "${synCookies}" takes data with a DSS as they are`, () => {
        const { d, listener, peer } = server(options);
        peer.offers({}, "S", []);
        peer.gets("S. 0 ack 1 <!mpc>");
        peer.sends("P. 1:11 ack 1 <dack8 1, map8 1 1 10>");
        assertEquals(d.accept(listener).read(), 10);
        d.stack.free();
      });
    }

    it("a client ignores the MP_CAPABLE of a SYN/ACK that answers none", () => {
      const { d, app, peer } = client(OFF);
      peer.gets("S 0 <!mpc>");
      peer.offers({}, "S.", ["mpc key"]);
      peer.gets(". 1 ack 1 <!mpc>");
      assertEquals(d.counter("MPCapableFallbackSYNACK"), 0);
      staysPlain(d, peer, app);
      d.stack.free();
    });

    it("joins are refused, also where a listener is", () => {
      const { d, listener, peer } = server(OFF);
      peer.offers({}, "S", ["join syn id 1"]);
      peer.gets("R. 0 ack 1");
      assertEquals([listener.halfOpen.size, d.usage.connections], [0, 0]);
      d.stack.free();
    });
  });

  describe(`RFC 8684 §3.1: the A flag in all combinations (IPv${family})`, () => {
    for (const ours of [false, true]) {
      for (const theirs of [false, true]) {
        const agreed = ours || theirs ? " A" : "";
        const flag = (is: boolean): string => is ? " A" : "";
        const csum = agreed ? " csum" : "";
        const has = (options: readonly string[]): boolean => options.some((o) => /mpc.* A/.test(o));

        for (const synCookies of ["off", "always"] as const) {
          // RFC 8684 §3.1: "if either host requires the use of checksums, checksums MUST be used"
          it(`a server, cookies "${synCookies}": ours ${ours}, the client's ${theirs}`, () => {
            const { d, listener, peer } = server({
              experiments: { checksum: ours },
              tcp: { tlp: false, synCookies },
            });
            peer.offers({}, "S", [`mpc${flag(theirs)}`]);
            assertEquals(has(peer.gets("S. 0 ack 1 <mpc key>").options), ours || theirs);
            peer.sends(`. 1 ack 1 <mpc keys${agreed}>`);
            const app = d.accept(listener);
            peer.sends(`P. 1:11 ack 1 <mpc keys len 10${csum}${agreed}>`);
            assertEquals([app.read(), app.socket.fallback], [10, false]);
            app.write(10);
            const { options } = peer.gets("P. 1:11 <map 1 1 10>");
            assertEquals(options.includes("map 1 1 10 csum"), ours || theirs);
            d.stack.free();
          });
        }

        // RFC 8684 §3.1: "if the initiator sets A=0 in the SYN but the responder sets A=1 in the SYN/ACK, checksums MUST be used in both directions, and the initiator will set A=1 in the ACK"
        it(`a client: ours ${ours}, the server's ${theirs}`, () => {
          const { d, app, peer } = client({ experiments: { checksum: ours } });
          assertEquals(has(peer.gets("S 0 <mpc>").options), ours);
          // A server that answers has heeded what it was asked for.
          peer.offers({}, "S.", [`mpc key${flag(theirs || ours)}`]);
          assertEquals(has(peer.gets(". 1 ack 1 <mpc keys>").options), ours || theirs);
          app.write(10);
          const { options } = peer.gets("P. 1:11 <mpc keys len 10>");
          assertEquals(options.some((each) => each.includes("csum")), ours || theirs);
          const map = `map8 1 1 10${csum}`;
          peer.sends(`P. 1:11 ack 11 <dack8 11, ${map}>`);
          assertEquals([app.read(), app.socket.fallback], [10, false]);
          d.stack.free();
        });
      }
    }
  });
}
