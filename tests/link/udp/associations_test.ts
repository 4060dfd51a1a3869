/** What docs/udp.md says of associations: how they begin, are proved, move and end, and what others can do to them. */

import { assert, assertEquals, assertNotEquals, assertStrictEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import {
  BYE,
  CHALLENGE,
  DATA,
  datagram,
  HELLO,
  PING,
  RESPONSE,
  RETRY,
  UNKNOWN,
  WELCOME,
} from "../../../core/link/udp/datagram.ts";
import * as property from "../../support/property.ts";
import { end } from "../../support/udp_network.ts";
import { type Datagram, Rig, segment, Station } from "./rig.ts";

const types = (datagrams: readonly Datagram[]): number[] =>
  datagrams.map(({ bytes }) => bytes[0]! & 15);
const KEY = new Uint8Array(32).fill(3);

describe("an association", () => {
  it("begins with the first segment: no round trip of its own", () => {
    const rig = new Rig();
    const peer = rig.hello();
    const [hello] = rig.client.take();
    assertEquals(types([hello!]), [HELLO]);
    const accepted = rig.server.receive(hello!, rig.now)!;
    assertEquals(rig.server.segments[0]!.bytes, segment());
    assertEquals(types(rig.server.out), [WELCOME]);
    // What the server's stack answers may come first: it is under the tag that HELLO has named.
    const answer = rig.server.data(accepted, segment(50), rig.now)!;
    assertEquals(rig.client.receive(answer, rig.now), null);
    rig.settle();
    assertEquals(peer.state.kind, "open");
    assertStrictEquals(rig.client.receive(answer, rig.now), peer);
    assertEquals(rig.client.segments[0]!.bytes, segment(50));
  });

  it("is one, however often its HELLO comes", () => {
    const rig = new Rig();
    rig.hello();
    const [hello] = rig.client.take();
    const peers = [0, 1, 2].map(() => rig.server.receive(hello!, rig.now));
    assertEquals(new Set(peers).size, 1);
    assertEquals(rig.server.associations.size, 1);
    const welcomes = rig.server.take();
    assertEquals(types(welcomes), [WELCOME, WELCOME, WELCOME]);
    for (const { bytes } of welcomes) assertEquals(bytes, welcomes[0]!.bytes);
  });

  it("shows a peer at its address where that is free, else at one of the pool", () => {
    const rig = new Rig();
    const addresses = [40000, 40001, 40002].map((port) => {
      rig.client.address = end("192.0.2.5", port);
      return rig.open().server.address.join(".");
    });
    rig.client.address = end("127.0.0.1", 1);
    addresses.push(rig.open().server.address.join("."));
    assertEquals(addresses, ["192.0.2.5", "100.64.0.1", "100.64.0.2", "100.64.0.3"]);
  });

  it("is forgotten by goodbye, and by nobody else's", () => {
    const rig = new Rig();
    const { server } = rig.open();
    const forged = datagram(BYE, server.own);
    assertEquals(rig.server.receive({ bytes: forged, from: rig.client.address }, rig.now), null);
    assertEquals([rig.server.associations.size, rig.server.count("InBadMacs")], [1, 1]);
    rig.client.associations.close(rig.now);
    rig.settle();
    assertEquals(rig.server.associations.size, 0);
  });

  it("is begun again when the peer has lost it, by the segment that comes next", () => {
    const rig = new Rig();
    const { client } = rig.open();
    const restarted = new Station(rig.server.address, { accept: true }, 9);
    const lost = rig.client.data(client, segment(), rig.now)!;
    assertEquals(restarted.receive(lost, rig.now), null);
    const [unknown] = restarted.take();
    assertEquals(types([unknown!]), [UNKNOWN]);
    // Not from somewhere else, nor with another tag.
    rig.client.receive({ bytes: unknown!.bytes, from: end("198.51.100.1", 8684) }, rig.now);
    const other = unknown!.bytes.slice();
    other[9]! ^= 1;
    rig.client.receive({ bytes: other, from: unknown!.from }, rig.now);
    assertEquals([client.state.kind, rig.client.count("InUnexpected")], ["open", 2]);
    assertEquals(rig.client.moved, []);
    rig.client.receive(unknown!, rig.now);
    assertEquals(client.state.kind, "opening");
    // Who only receives has no segment to send unless it is asked for one.
    assertEquals(rig.client.moved, [client]);
  });

  it("is begun again by the same segment, less and less often, until the peer answers", () => {
    const rig = new Rig();
    const { client } = rig.open();
    const { associations } = rig.client;
    const restarted = new Station(rig.server.address, { accept: true }, 9);
    restarted.receive(rig.client.data(client, segment(), rig.now)!, rig.now);
    rig.client.receive(restarted.take()[0]!, rig.now);
    client.use(rig.now);
    const hello = associations.hello(client, 0, segment(), rig.now);
    client.maySend(hello.length, rig.now);
    const begin = rig.now;
    const after: number[] = [];
    for (let next = associations.tick(rig.now); after.length < 5; next = associations.tick(next)) {
      for (const { bytes } of rig.client.out) assertEquals(bytes, hello);
      if (rig.client.take().length > 0) after.push((rig.now - begin) / 1e6);
      rig.now = next;
    }
    assertEquals(after, [0.25, 0.5, 1, 2, 4]);
    restarted.receive({ bytes: hello, from: rig.client.address }, rig.now);
    assertEquals(restarted.segments.length, 1);
    const welcomes = restarted.take();
    rig.client.moved.length = 0;
    for (const datagram of welcomes) rig.client.receive(datagram, rig.now);
    assertEquals(client.state.kind, "open");
    // HELLO had the segment of one subflow, and those of others may be lost; once is enough.
    for (const datagram of welcomes) rig.client.receive(datagram, rig.now);
    assertEquals(rig.client.moved, [client]);
  });

  it("has nothing sent again where it is new", () => {
    const rig = new Rig();
    rig.open();
    assertEquals(rig.client.moved, []);
  });

  it("is shown, where nothing comes any more, where its peer is: soon, then less and less often", () => {
    const rig = new Rig();
    const { client } = rig.open();
    const { associations } = rig.client;
    rig.now += 1e6;
    client.use(rig.now);
    const begin = rig.now;
    const after: number[] = [];
    for (let next = associations.tick(rig.now); after.length < 9; next = associations.tick(next)) {
      if (types(rig.client.take()).includes(PING)) after.push((rig.now - begin) / 1e6);
      rig.now = next;
    }
    assertEquals(after, [0.25, 0.5, 1, 2, 4, 8, 16, 31, 46]);
    client.use(rig.now);
    assertEquals(associations.tick(rig.now), rig.now + 0.25e6);
  });

  it("is shown nothing by who is told to keep silent", () => {
    const rig = new Rig({ client: { keepAlive: Infinity } });
    const { client } = rig.open();
    client.use(rig.now);
    assertEquals([rig.client.associations.tick(rig.now), rig.client.out], [Infinity, []]);
  });

  it("is kept awake by who began it, as long as a translator would keep a TCP connection", () => {
    const rig = new Rig();
    rig.open();
    const { associations } = rig.client;
    let pings = 0;
    const start = rig.now;
    for (let next = associations.tick(rig.now); next < Infinity;) {
      rig.now = next;
      next = associations.tick(rig.now);
      pings += types(rig.client.take()).filter((type) => type === PING).length;
    }
    assertEquals(pings, 501);
    assert(rig.now - start >= 7425e6);
    assertEquals(rig.server.associations.tick(rig.now), 1e6 + 60e6 > rig.now ? 1 : Infinity);
  });
});

describe("who is not let in", () => {
  it("gets nothing from a link that accepts nobody", () => {
    const rig = new Rig({ server: { accept: false } });
    rig.hello();
    rig.settle();
    assertEquals([rig.server.associations.size, rig.server.count("InStrangers")], [0, 1]);
  });

  it("gets nothing without the key, nor with another", () => {
    for (const key of [new Uint8Array(0), KEY.map((octet) => octet ^ 1)]) {
      const rig = new Rig({ server: { key: KEY }, client: { key } });
      rig.hello();
      rig.server.receive(rig.client.take()[0]!, rig.now);
      assertEquals([rig.server.out.length, rig.server.count("InBadMacs")], [0, 1]);
    }
    const rig = new Rig({ server: { key: KEY }, client: { key: KEY } });
    assertEquals(rig.open().client.state.kind, "open");
  });

  it("gets no segment through by a HELLO of somebody who has the key", () => {
    for (const others of [0, 64]) {
      const rig = new Rig({ server: { key: KEY }, client: { key: KEY } });
      for (let i = 0; i < others; i++) {
        rig.client.address = end("192.0.2.9", 1000 + i);
        rig.hello();
        rig.server.receive(rig.client.take()[0]!, rig.now);
      }
      rig.client.address = end("192.0.2.5", 40000);
      rig.hello();
      const hello = rig.client.take()[0]!.bytes;
      rig.server.take();
      // Sent again from where its sender reads the answer, with the cookie if one is asked for.
      const from = end("198.51.100.7", 666);
      rig.server.receive({ bytes: hello, from }, rig.now);
      if (others > 0) {
        const [retry] = rig.server.take();
        assertEquals(types([retry!]), [RETRY]);
        const bytes = new Uint8Array(hello.length + 20);
        bytes.set(hello.subarray(0, 26));
        bytes[26] = 20;
        bytes.set(retry!.bytes.subarray(10), 27);
        bytes.set(hello.subarray(27), 47);
        rig.server.receive({ bytes, from }, rig.now);
      }
      const [welcome, challenge] = rig.server.take();
      assertEquals(types([welcome!, challenge!]), [WELCOME, CHALLENGE]);
      // Not with another segment, either.
      const other = hello.slice();
      other[other.length - 1]! ^= 1;
      assertEquals(rig.server.receive({ bytes: other, from }, rig.now), null);
      assertEquals(rig.server.count("InBadMacs"), 1);
      const segments = rig.server.segments.length;
      const data = new Uint8Array(70).fill(7);
      data.set(datagram(DATA, welcome!.bytes.slice(10, 18)).subarray(0, 10));
      for (let i = 0; i < 70; i++) {
        rig.now += 1e6;
        assertEquals(rig.server.receive({ bytes: data, from }, rig.now), null);
        rig.server.receive({ bytes: data, from: end("198.51.100.7", 667) }, rig.now);
      }
      assertEquals(rig.server.segments.length, segments);
      assert([...rig.server.associations.all()].every(({ validated }) => !validated));
      // Nor is it kept for as long as its copyist likes.
      rig.server.associations.tick(rig.now);
      assertEquals(rig.server.associations.size, 0);
    }
  });

  it("makes room, where there is a key, for who has it", () => {
    const rig = new Rig({ server: { key: KEY, most: 2 }, client: { key: KEY } });
    rig.hello();
    const [{ bytes }] = rig.client.take() as [Datagram];
    for (const port of [1, 2, 3]) {
      rig.server.receive({ bytes, from: end("198.51.100.7", port) }, rig.now);
    }
    rig.server.take();
    const { server } = rig.open();
    assertEquals([server.validated, rig.server.count("Evicted")], [true, 2]);
    // Of those who have shown it none has to go.
    for (const port of [4, 5]) {
      rig.server.receive({ bytes, from: end("198.51.100.7", port) }, rig.now);
    }
    assert([...rig.server.associations.all()].includes(server));
  });

  it("is asked whether it has the key before its second segment is taken, at no cost in time", () => {
    const rig = new Rig({ server: { key: KEY }, client: { key: KEY } });
    const client = rig.hello();
    const server = rig.server.receive(rig.client.take()[0]!, rig.now)!;
    const answers = rig.server.take();
    assertEquals(types(answers), [WELCOME, CHALLENGE]);
    // The question is lost: what comes without its answer asks for another.
    rig.client.receive(answers[0]!, rig.now);
    assertEquals([rig.up(client), server.validated], [null, false]);
    rig.settle();
    assertEquals(server.validated, true);
    assertStrictEquals(rig.up(client), server);
    assertEquals(rig.server.count("Moves"), 0);
  });

  it("is asked for a cookie when many addresses are unproved, and nothing is kept of it", () => {
    const rig = new Rig();
    for (let i = 0; i < 64; i++) {
      rig.client.address = end(`192.0.3.${1 + i}`, 1000);
      rig.hello();
      rig.server.receive(rig.client.take()[0]!, rig.now);
    }
    rig.server.take();
    rig.client.address = end("192.0.2.10", 1000);
    const peer = rig.hello();
    rig.server.receive(rig.client.take()[0]!, rig.now);
    const retry = rig.server.take();
    assertEquals([types(retry), rig.server.associations.size], [[RETRY], 64]);
    rig.client.receive(retry[0]!, rig.now);
    // A second one is believed no more.
    rig.client.receive(retry[0]!, rig.now);
    assertEquals(rig.client.count("InUnexpected"), 1);
    const [again] = rig.client.take();
    // The cookie is good for its address alone, and not for ever.
    rig.server.receive({ bytes: again!.bytes, from: end("192.0.2.11", 1000) }, rig.now);
    rig.server.receive(again!, rig.now + 11e6);
    assertEquals([rig.server.count("InBadCookies"), rig.server.associations.size], [2, 64]);
    const accepted = rig.server.receive(again!, rig.now)!;
    assertEquals(accepted.validated, true);
    assertEquals(rig.server.segments.at(-1)!.bytes, segment());
    rig.client.receive(rig.server.take()[0]!, rig.now);
    assertEquals(peer.state.kind, "open");
    // Those that never answer are forgotten.
    rig.server.associations.tick(rig.now + 61e6);
    assertEquals(rig.server.associations.size, 1);
  });

  it("is greeted without a cookie again when that is too old: the server that made it may be gone", () => {
    const rig = new Rig();
    const peer = rig.hello();
    rig.client.take();
    const retry = datagram(RETRY, peer.own);
    const answer = (): Datagram[] => {
      rig.client.receive({ bytes: retry, from: rig.server.address }, rig.now);
      return rig.client.take();
    };
    const lengthOfCookie = ({ bytes }: Pick<Datagram, "bytes">): number => bytes[26]!;
    assertEquals(answer().map(lengthOfCookie), [20]);
    const hello = (): Uint8Array => rig.client.associations.hello(peer, 0, segment(), rig.now);
    rig.now += 9e6;
    assertEquals([lengthOfCookie({ bytes: hello() }), answer().length], [20, 0]);
    rig.now += 2e6;
    assertEquals([lengthOfCookie({ bytes: hello() }), answer().map(lengthOfCookie)], [0, [20]]);
  });
});

describe("many associations of one address", () => {
  /** One more from there. */
  const more = (rig: Rig, address: string, port: number): boolean => {
    rig.client.address = end(address, port);
    const { size } = rig.server.associations;
    rig.hello();
    rig.settle();
    return rig.server.associations.size > size;
  };
  const fill = (rig: Rig, address: (i: number) => string): number => {
    let accepted = 0;
    for (let i = 0; i < 60; i++) if (more(rig, address(i), 1000 + i)) accepted++;
    return accepted;
  };
  const prove = (rig: Rig): void => {
    for (const peer of rig.client.associations.all()) {
      const [home] = [...rig.server.associations.all()].filter((one) =>
        one.own.join() === peer.theirs.join()
      );
      if (home === undefined) continue;
      rig.client.address = home.endpoint;
      rig.up(peer);
    }
  };

  it("are no more than a quarter of all: others have room", () => {
    const rig = new Rig();
    for (let i = 0; i < 60; i++) {
      more(rig, "192.0.2.9", 1000 + i);
      prove(rig);
    }
    assertEquals([rig.server.associations.size, rig.server.count("AddressFull")], [25, 35]);
    assertEquals(more(rig, "192.0.2.10", 1000), true);
    assertEquals([rig.server.count("Evicted"), rig.server.count("PeersFull")], [0, 0]);
    // What has been silent for a minute may go for a new one of its own address.
    rig.now += 61e6;
    rig.client.address = end("192.0.2.9", 3000);
    rig.hello();
    rig.settle();
    assertEquals([rig.server.count("Evicted"), rig.server.count("AddressFull")], [1, 35]);
  });

  it("are those of its network where it is IPv6", () => {
    const rig = new Rig();
    fill(rig, (i) => `2001:db8::${(1 + i).toString(16)}`);
    assertEquals(rig.server.associations.size, 25);
    assertEquals(more(rig, "2001:db8:0:1::1", 1000), true);
  });

  it("cost those of others nothing: what has no room there is held against its own alone", () => {
    const rig = new Rig({ client: { most: 1000 } });
    let looks = 0;
    for (let i = 0; i < 60; i++) {
      const { address, ...others } = end(`198.51.100.${1 + i}`, 1000);
      rig.client.address = {
        ...others,
        get address() {
          looks++;
          return address;
        },
      };
      rig.hello();
      rig.settle();
    }
    for (let i = 0; i < 25; i++) {
      more(rig, "192.0.2.9", 1000 + i);
      prove(rig);
    }
    looks = 0;
    for (let i = 0; i < 40; i++) more(rig, "192.0.2.9", 3000 + i);
    assertEquals([rig.server.count("AddressFull"), looks], [40, 0]);
  });

  it("go for one another before they have proved that they are there", () => {
    const rig = new Rig();
    fill(rig, () => "192.0.2.9");
    assertEquals([rig.server.count("Evicted"), rig.server.count("AddressFull")], [35, 0]);
  });

  it("count where they are: who has moved makes room", () => {
    const rig = new Rig();
    for (let i = 0; i < 25; i++) {
      more(rig, "192.0.2.9", 1000 + i);
      prove(rig);
    }
    const [peer] = rig.client.associations.all();
    rig.client.address = end("192.0.2.77", 1);
    rig.up(peer!);
    rig.settle();
    assertEquals(rig.server.moved.length, 1);
    assertEquals([more(rig, "192.0.2.9", 5000), rig.server.count("Evicted")], [true, 0]);
  });

  it("are not counted where there is a key: who is let in has it", () => {
    const rig = new Rig({ server: { key: KEY }, client: { key: KEY } });
    assertEquals(fill(rig, () => "192.0.2.9"), 60);
  });
});

describe("an address that is not proved", () => {
  it("is sent three octets for each that came from it, and no more", () => {
    const rig = new Rig();
    rig.hello();
    const [hello] = rig.client.take();
    const peer = rig.server.receive(hello!, rig.now)!;
    let sent = rig.server.take().reduce((sum, { bytes }) => sum + bytes.length, 0);
    for (let i = 0; i < 100; i++) {
      sent += rig.server.data(peer, segment(50), rig.now)?.bytes.length ?? 0;
    }
    const most = 3 * hello!.bytes.length;
    assert(sent <= most && sent > most - 60, `${sent} octets where ${most} may be`);
    // The tag has gone to the address alone: who names it has read what was sent there.
    rig.server.receive({
      bytes: datagram(PING, peer.own),
      from: rig.client.address,
    }, rig.now);
    assertEquals(peer.validated, true);
    assert(rig.server.data(peer, segment(1400), rig.now) !== null);
  });

  it("gets no more than that whatever comes from it", () => {
    const some = property.array(
      property.tuple(
        property.integer({ min: 0, max: 8 }),
        property.integer({ min: 0, max: 3 }),
        property.integer({ min: 0, max: 3 }),
        property.nat(200),
      ),
      { maxLength: 60 },
    );
    property.assert(
      property.property(some, property.boolean(), (steps, keyed) => {
        const key = keyed ? KEY : new Uint8Array(0);
        const rig = new Rig({ server: { key }, client: { key } });
        const { server, client } = rig.open();
        const captured = [rig.client.data(client, segment(), rig.now)!.bytes];
        rig.hello();
        captured.push(...rig.client.take().map(({ bytes }) => bytes));
        const victims = [1, 2, 3, 4].map((n) => end(`198.51.100.${n}`, 5000));
        const came = new Map<string, number>();
        const gone = new Map<string, number>();
        const add = (map: Map<string, number>, to: { text: string }, octets: number): void => {
          map.set(to.text, (map.get(to.text) ?? 0) + octets);
        };
        // Somebody who has seen datagrams, but not what was sent to the victims, sends in their names.
        for (const [type, victim, how, extra] of steps) {
          rig.now += extra * 1000;
          const from = victims[victim]!;
          const bytes = how === 0
            ? captured[extra % captured.length]!
            : datagram(type, how === 1 ? server.own : captured[1]!.slice(2, 10));
          add(came, from, bytes.length);
          rig.server.receive({ bytes, from }, rig.now);
          const peers = [...rig.server.associations.all()];
          for (const peer of peers) {
            const sent = rig.server.data(peer, segment(extra + 20), rig.now);
            if (sent !== null) rig.server.out.push(sent);
          }
          for (const { bytes, to } of rig.server.take()) {
            if (victims.some(({ text }) => text === to.text)) add(gone, to, bytes.length);
          }
          for (const { text } of victims) {
            assert((gone.get(text) ?? 0) <= 3 * (came.get(text) ?? 0), text);
          }
        }
        // And nobody has been steered.
        assertEquals(server.endpoint.text, rig.client.address.text);
      }),
      { numRuns: 200 },
    );
  });
});

describe("a peer that moves", () => {
  const elsewhere = end("198.51.100.9", 41000);

  it("is followed once it answers from there", () => {
    const rig = new Rig();
    const { client, server } = rig.open();
    rig.up(client);
    rig.client.address = elsewhere;
    assertStrictEquals(rig.up(client, 8), server);
    assertEquals(rig.server.segments.at(-1)!.bytes, segment(60, 8));
    assertNotEquals(server.endpoint.text, elsewhere.text);
    assertEquals(types(rig.server.out), [CHALLENGE]);
    rig.settle();
    assertEquals(server.endpoint.text, elsewhere.text);
    assertEquals(rig.server.count("Moves"), 1);
    assertEquals(rig.server.moved, [server]);
  });

  it("is followed though somebody sends what belongs to nothing as fast as he can", () => {
    const rig = new Rig();
    const { client, server } = rig.open();
    rig.up(client);
    const stray = datagram(PING, new Uint8Array(8));
    for (let i = 0; i < 2000; i++) {
      rig.server.receive({ bytes: stray, from: end("198.51.100.66", i) }, rig.now);
    }
    assertEquals(rig.server.take().length, 1000);
    rig.client.address = elsewhere;
    rig.up(client);
    rig.settle();
    assertEquals(server.endpoint.text, elsewhere.text);
  });

  it("is not taken for who copies its datagrams", () => {
    const rig = new Rig();
    const { client, server } = rig.open();
    rig.up(client);
    const copied = rig.client.data(client, segment(), rig.now)!.bytes;
    for (let i = 0; i < 5; i++) {
      rig.now += 1e5;
      rig.server.receive({ bytes: copied, from: elsewhere }, rig.now);
      const [challenge] = rig.server.take();
      assertEquals(challenge!.to.text, elsewhere.text);
      // They can read the challenge, and have read all of the handshake but what a key adds; or nothing of it.
      const cookie = challenge!.bytes.slice(10, 30);
      for (const code of [new Uint8Array(16), crypto.getRandomValues(new Uint8Array(16))]) {
        const forged = datagram(RESPONSE, server.own);
        forged.set(cookie, 10);
        forged.set(code, 30);
        rig.server.receive({ bytes: forged, from: elsewhere }, rig.now);
      }
      // The challenge handed on is none of the peer's: it does not come from where the server is.
      assertEquals(rig.client.receive({ bytes: challenge!.bytes, from: elsewhere }, rig.now), null);
      assertEquals(rig.client.out, []);
    }
    assertEquals(server.endpoint.text, rig.client.address.text);
    assertEquals(rig.server.count("InBadMacs"), 10);
  });

  it("is not sent back by an answer of earlier", () => {
    const rig = new Rig();
    const { client, server } = rig.open();
    const home = rig.client.address;
    rig.up(client);
    const answers: Datagram[] = [];
    for (const address of [elsewhere, home]) {
      rig.client.address = address;
      rig.now += 1e5;
      rig.up(client);
      rig.client.receive(rig.server.take()[0]!, rig.now);
      answers.push(...rig.client.take());
      rig.server.receive(answers.at(-1)!, rig.now);
    }
    assertEquals(types(answers), [RESPONSE, RESPONSE]);
    assertEquals([server.endpoint.text, rig.server.count("Moves")], [home.text, 2]);
    rig.server.receive(answers[0]!, rig.now);
    assertEquals([server.endpoint.text, rig.server.count("InBadCookies")], [home.text, 1]);
    // Nor by one that is good elsewhere.
    rig.server.receive({ bytes: answers[1]!.bytes, from: elsewhere }, rig.now);
    assertEquals([server.endpoint.text, rig.server.count("InBadCookies")], [home.text, 2]);
  });
});

describe("datagrams that are none", () => {
  it("are dropped and counted, and leave nothing", () => {
    const octets = property.uint8Array({ maxLength: 120 });
    const head = property.constantFrom(
      -1,
      DATA,
      HELLO,
      WELCOME,
      RETRY,
      CHALLENGE,
      RESPONSE,
      PING,
      UNKNOWN,
      BYE,
      12,
    );
    const tag = property.constantFrom("none", "client", "server");
    property.assert(
      property.property(property.array(property.tuple(octets, head, tag)), (list) => {
        const rig = new Rig({ server: { key: KEY }, client: { key: KEY } });
        const { client, server } = rig.open();
        rig.up(client);
        const before = rig.server.segments.length;
        let dropped = 0;
        for (const [noise, type, whose] of list) {
          const bytes = noise.slice();
          if (type >= 0 && bytes.length > 0) bytes[0] = 16 | type;
          if (whose !== "none" && bytes.length >= 10) {
            bytes.set(whose === "client" ? client.own : server.own, 2);
          }
          // A segment under the right tag is the stack's to judge, PING is what it seems.
          const named = whose === "server" && bytes.length >= 10;
          if (named && bytes[0] === (16 | PING) && bytes.length === 10) continue;
          if (named && bytes[0] === (16 | DATA) && bytes.length >= 30) continue;
          dropped++;
          rig.server.receive({ bytes, from: rig.client.address }, rig.now);
        }
        const counted = [...rig.server.counts].filter(([name]) => name.startsWith("In"))
          .reduce((sum, [, count]) => sum + count, 0);
        // A well-formed CHALLENGE from the peer's address asks for nothing secret: it is answered, and is no drop.
        const asked = rig.server.take().filter(({ bytes }) => (bytes[0]! & 15) === RESPONSE).length;
        assertEquals(counted + asked, dropped);
        assertEquals(rig.server.segments.length, before);
        assertEquals(rig.server.associations.size, 1);
        assertEquals(server.endpoint.text, rig.client.address.text);
      }),
      { numRuns: 300 },
    );
  });
});
