/** A Transport Converter in dialogues: octets written by hand from RFC 8803 §6, to a converter and to a client. */

import { assert, assertEquals, assertRejects } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { parsePrefix } from "../../../../core/wire/ip.ts";
import { Admission, keyCookie } from "../../../../cli/gateway/convert/admission.ts";
import { ConvertClient } from "../../../../cli/gateway/convert/client.ts";
import { Converter } from "../../../../cli/gateway/convert/converter.ts";
import { SharedKey } from "../../../../cli/gateway/key.ts";
import { type Done, RelayServer } from "../../../../cli/gateway/relay_server.ts";
import type { ByteStream } from "../../../../cli/gateway/stream.ts";
import { type Outcome, type Target, TargetError } from "../../../../cli/gateway/target.ts";
import { emulate, type MptcpConn } from "../../../../mod.ts";
import * as fc from "../../../support/property.ts";
import { hex, latin1, octets, pipe, type PipeEnd, readAll, readExactly } from "../support.ts";

const KEY = SharedKey.create();
const COOKIE = `16 09 0000 ${keyCookie(KEY).toHex()}`;
const CONNECT = "0a 05 01bb  00000000 00000000 0000ffff c0000207"; // 192.0.2.7:443
const CONNECTED = "14 01 0000";
const HOME = "10.1.2.3";

/** A message of these TLVs, with its fixed header. */
function message(...tlvs: readonly string[]): Uint8Array {
  const body = hex(tlvs.join(""));
  return Uint8Array.of(1, 1 + body.length / 4, 0x22, 0x63, ...body);
}

/** A converter, and what came of its connections. */
class World {
  readonly done: Done[] = [];
  readonly targets: { readonly target: Target; readonly end: PipeEnd }[] = [];
  readonly server: RelayServer;
  /** Milliseconds. */
  now = 10_000_000;

  constructor(refuse: TargetError | null = null, most = 10) {
    const admission = new Admission(KEY, [parsePrefix("10.0.0.0/8")!], () => this.now);
    const converter = new Converter(admission, () => this.now);
    this.server = new RelayServer({
      hear: (stream, from) => converter.hear(stream, from),
      most,
      handshakeTimeout: 1000,
      after: () => () => {},
      dial: (target): Promise<ByteStream> => {
        if (refuse !== null) return Promise.reject(refuse);
        const [near, end] = pipe();
        this.targets.push({ target, end });
        return Promise.resolve(near);
      },
    });
  }

  /** A connection of a client at `from`, which says `first`. */
  async client(first: Uint8Array, from = HOME): Promise<PipeEnd> {
    const [near, far] = pipe();
    await near.write(first);
    void this.server.serve(far, from, (done) => this.done.push(done));
    return near;
  }

  /** All that a converter says to `first`, and then ends in order. */
  async answer(first: Uint8Array, from = HOME): Promise<Uint8Array> {
    return await readAll(await this.client(first, from));
  }
}

describe("a Transport Converter (RFC 8803)", () => {
  it("connects, says so, and carries what follows the message", async () => {
    const world = new World();
    const client = await world.client(
      Uint8Array.of(...message(CONNECT, COOKIE), ...octets("GET /")),
    );
    assertEquals(await readExactly(client, 8), message(CONNECTED));
    const [{ target, end }] = world.targets as [(typeof world.targets)[number]];
    assertEquals(target, { host: "192.0.2.7", port: 443 });
    await client.closeWrite();
    assertEquals(latin1(await readAll(end)), "GET /");
    await end.write(octets("200"));
    await end.closeWrite();
    assertEquals(latin1(await readAll(client)), "200");
  });

  it("tells what it has a service for: Multipath TCP, alone or before it connects (§6.2.3)", async () => {
    const world = new World();
    const supported = "15 02 0000 1e000000";
    assertEquals(await world.answer(message("01010000", COOKIE)), message(supported));
    assertEquals(world.done.map(({ outcome }) => outcome), ["told"]);
    const client = await world.client(message("01010000", CONNECT, COOKIE));
    assertEquals(await readExactly(client, 16), message(supported, CONNECTED));
    assertEquals(world.targets.length, 1);
    client.abort();
  });

  it("ignores the options of a request that are the converter's own, and refuses others (§7)", async () => {
    const world = new World();
    const at = "00000000 00000000 0000ffff c0000207";
    // MSS 1460, Window Scale 7, SACK, No-Operation.
    const own = `0a 08 01bb ${at} 020405b4 030307 0502 01 0000`;
    const client = await world.client(message(own, COOKIE));
    assertEquals(await readExactly(client, 8), message(CONNECTED));
    client.abort();
    // TCP-AO (§7.7: MUST be rejected), MPTCP, Fast Open.
    const others = `0a 07 01bb ${at} 1d02 1e02 2202 0000`;
    assertEquals(await world.answer(message(others, COOKIE)), message("1e02211d 1e220000"));
    assertEquals(world.targets.length, 1);
  });

  it("gives a cookie to hosts of its networks, which is good at their address, for an hour or two", async () => {
    const world = new World();
    const missing = await world.answer(message(CONNECT));
    assertEquals(missing.subarray(0, 8), hex("01 06 2263 1e 05 03 00"));
    const cookie = `16 05 0000 ${missing.slice(8).toHex()}`;
    const refused = message("1e012000");
    assertEquals(world.targets, []);
    for (
      const [minutes, from, good] of [
        [0, HOME, true],
        [0, `::ffff:${HOME}`, true],
        [0, "10.1.2.4", false],
        [0, "192.0.2.1", false],
        [59, HOME, true],
        [121, HOME, false],
      ] as const
    ) {
      world.now = 10_000_000 + minutes * 60_000;
      const client = await world.client(message(CONNECT, cookie), from);
      const expected = good ? message(CONNECTED) : refused;
      assertEquals(await readExactly(client, expected.length), expected, `${from}, ${minutes} min`);
      client.abort();
    }
    // Elsewhere only the key's cookie lets in, and nobody is given one.
    assertEquals(await world.answer(message(CONNECT), "192.0.2.1"), refused);
    const client = await world.client(message(CONNECT, COOKIE), "192.0.2.1");
    assertEquals(await readExactly(client, 8), message(CONNECTED));
    client.abort();
  });

  const errors: readonly (readonly [Exclude<Outcome, "connected">, number, string])[] = [
    ["not allowed", 1, "1e012000"],
    ["busy", 1, "1e014000"],
    ["timed out", 1, "1e014100"],
    ["failed", 1, "1e014100"],
    ["refused", 1, "1e016000"],
    ["unreachable", 0, "1e016100"],
    ["unreachable", 1, "1e016101"],
  ];
  for (const [outcome, icmpCode, tlv] of errors) {
    it(`says why it has not connected, and ends in order: ${outcome} (${icmpCode})`, async () => {
      const world = new World(new TargetError(outcome, "because", { icmpCode }));
      assertEquals(await world.answer(message(CONNECT, COOKIE)), message(tlv));
      assertEquals(world.done.map(({ outcome }) => outcome), [outcome]);
    });
  }

  it("says that it has no resources (Resource Exceeded)", async () => {
    const world = new World(null, 1);
    const first = await world.client(message(CONNECT, COOKIE));
    await readExactly(first, 8);
    assertEquals(await world.answer(message(CONNECT, COOKIE)), message("1e014000"));
    first.abort();
  });

  it("answers what it cannot read by an error, and what is no message by a reset", async () => {
    const world = new World();
    assertEquals(await world.answer(hex("02 02 2263 01010000")), message("1e010001"));
    const twice = message("01010000", "01010000");
    assertEquals(
      await world.answer(twice),
      message(`1e 04 01 00 ${twice.toHex()}`),
    );
    const unknown = message("2a010000");
    assertEquals(await world.answer(unknown), message(`1e 03 02 00 ${unknown.toHex()}`));
    // A TLV that only a converter sends.
    const stray = message("1e010000", COOKIE);
    assertEquals(
      await world.answer(stray),
      message(`1e ${(1 + stray.length / 4).toString(16).padStart(2, "0")} 02 00 ${stray.toHex()}`),
    );
    for (const other of ["474554202f", "01002263", "16030100"]) {
      const client = await world.client(hex(other));
      await assertRejects(() => readAll(client));
    }
    assertEquals(world.targets, []);
  });

  it("tells 100 errors a second and no more", async () => {
    const world = new World();
    for (let i = 0; i < 100; i++) {
      assertEquals((await world.answer(message(CONNECT), "192.0.2.1")).length, 8);
    }
    const more = await world.client(message(CONNECT), "192.0.2.1");
    await assertRejects(() => readAll(more));
    world.now += 1000;
    assertEquals((await world.answer(message(CONNECT), "192.0.2.1")).length, 8);
  });

  it("lets nothing through and keeps nothing, whatever strangers say", async () => {
    const world = new World();
    const tlvs = fc.array(fc.constantFrom(CONNECT, "01010000", "16 02 0000 00000000", "1e010000"), {
      maxLength: 4,
    });
    const said = fc.oneof(fc.uint8Array({ maxLength: 100 }), tlvs.map((each) => message(...each)));
    await fc.assert(
      fc.asyncProperty(said, fc.constantFrom(HOME, "192.0.2.1"), async (first, from) => {
        world.now += 1000;
        const client = await world.client(first, from);
        await client.closeWrite();
        await readAll(client).catch(() => {});
        assertEquals(world.targets, []);
      }),
      { numRuns: 300 },
    );
    await new Promise((resolve) => setImmediate(resolve));
    assertEquals(world.server.connections, 0);
  });
});

/** A client, and the far ends of what it has dialled. */
class ClientWorld {
  readonly dialled: PipeEnd[] = [];
  /** Where each was to begin at, and the addresses that they begin at where that was left to the paths, in turn. */
  readonly from: (string | null)[] = [];
  addresses = ["192.0.2.1"];
  failing = false;
  readonly supported: (readonly number[])[] = [];
  readonly client: ConvertClient<PipeEnd>;
  now = 0;

  constructor(
    key: SharedKey | null,
    answers: readonly Uint8Array[],
    names: readonly string[] = [],
  ) {
    const left = [...answers];
    this.client = new ConvertClient({
      key,
      now: () => this.now,
      resolve: () => Promise.resolve(names),
      onSupported: (kinds) => this.supported.push(kinds),
      times: { answer: 1000, after: () => () => {} },
      beginsAt: (stream) => {
        const at = this.dialled.indexOf(stream);
        return this.from[at] ?? this.addresses[at % this.addresses.length]!;
      },
      dial: async (data, from) => {
        this.from.push(from);
        const [near, far] = pipe();
        await near.write(data);
        this.dialled.push(near);
        if (this.failing) throw new Error("the address is gone");
        await far.write(left.shift() ?? message(CONNECTED));
        return near;
      },
    });
  }

  /** What the n-th connection has said. */
  said(n: number): Uint8Array {
    return Uint8Array.from(this.dialled[n]!.said);
  }
}

describe("a client of a Transport Converter", () => {
  const target = { host: "192.0.2.7", port: 443 };

  it("asks in its first octets, shows the cookie of its key, and asks once what is spoken", async () => {
    const world = new ClientWorld(KEY, [
      Uint8Array.of(...message("15 02 0000 1e040000", CONNECTED), ...octets("early")),
    ]);
    const { rest } = await world.client.open(target);
    assertEquals(latin1(rest), "early");
    assertEquals(world.said(0), message("01010000", CONNECT, COOKIE));
    assertEquals(world.supported, [[30, 4]]);
    await world.client.open({ host: "2001:db8::1", port: 80 });
    const connect6 = "0a 05 0050 20010db8 00000000 00000000 00000001";
    assertEquals(world.said(1), message(connect6, COOKIE));
  });

  it("comes again with the cookie that it was given, and shows it from then on", async () => {
    const world = new ClientWorld(null, [message("1e 02 03 00 0a0b0c0d")]);
    await world.client.open(target);
    await world.client.open(target);
    const cookie = "16 02 0000 0a0b0c0d";
    assertEquals(world.dialled.length, 3);
    assertEquals(world.said(0), message("01010000", CONNECT));
    assertEquals(world.said(1), message("01010000", CONNECT, cookie));
    assertEquals(world.said(2), message("01010000", CONNECT, cookie));
    // RFC 8803 §6.2.8: "a Client MUST reset the associated connection".
    assertEquals(world.dialled.map(({ aborted }) => aborted), [true, false, false]);
  });

  it("asks anew where its cookie has ended, and not for ever", async () => {
    const missing = message("1e 02 03 00 0a0b0c0d");
    const refused = message("1e012000");
    const first = [missing, message(CONNECTED)];
    const world = new ClientWorld(null, [...first, refused, missing, missing]);
    await world.client.open(target);
    await assertRejects(() => world.client.open(target), TargetError);
    assertEquals(world.dialled.length, 5);
    // Or where it was good for another address.
    const other = new ClientWorld(null, [...first, refused, message("1e 02 03 00 01020304")]);
    await other.client.open(target);
    await other.client.open(target);
    assertEquals(other.said(4), message("01010000", CONNECT, "16 02 0000 01020304"));
    const never = new ClientWorld(null, [...first, ...Array(9).fill([refused, missing]).flat()]);
    await never.client.open(target);
    await assertRejects(() => never.client.open(target), TargetError);
    assertEquals(never.dialled.length, 5);
  });

  it("shows a cookie from the address alone that it was given to, whichever path answers first, until that address is gone", async () => {
    const given = message("1e 02 03 00 0a0b0c0d");
    const world = new ClientWorld(null, [given]);
    world.addresses = ["192.0.2.1", "198.51.100.1"];
    await world.client.open(target);
    await world.client.open(target);
    assertEquals(world.from, [null, "192.0.2.1", "192.0.2.1"]);
    world.failing = true;
    await assertRejects(() => world.client.open(target), TargetError);
    world.failing = false;
    await world.client.open(target);
    assertEquals(world.from.slice(3), ["192.0.2.1", null]);
    assertEquals(world.said(4), message("01010000", CONNECT));
  });

  it("keeps no cookie that a request has no room for", async () => {
    const room = 988; // 255 words, less the header, Info, Connect and the head of the cookie
    for (const [size, dialled] of [[room, 3], [room + 4, 2]] as const) {
      const words = (size + 4) / 4;
      const given = message(`1e ${words.toString(16)} 03 00 ${"0a".repeat(size)}`);
      const world = new ClientWorld(null, [given]);
      if (size > room) await assertRejects(() => world.client.open(target), TargetError);
      else await world.client.open(target);
      await world.client.open(target);
      assertEquals(world.dialled.length, dialled);
    }
  });

  it("knows why there is no connection", async () => {
    const cases: readonly (readonly [string, Outcome])[] = [
      ["1e010001", "failed"],
      ["1e010100", "failed"],
      ["1e010200", "failed"],
      ["1e012000", "not allowed"],
      ["1e01211e", "failed"],
      ["1e014000", "busy"],
      ["1e014100", "timed out"],
      ["1e016000", "refused"],
      ["1e016101", "unreachable"],
      ["1e017700", "failed"],
    ];
    for (const [tlv, outcome] of cases) {
      const world = new ClientWorld(KEY, [message(tlv)]);
      const error = await assertRejects(() => world.client.open(target), TargetError);
      assertEquals(error.outcome, outcome);
      assert(world.dialled[0]!.aborted);
    }
  });

  it("leaves a converter without resources alone for as long as that asks for, or 30 s", async () => {
    for (const [tlv, seconds] of [["1e014005", 5], ["1e014000", 30]] as const) {
      const world = new ClientWorld(KEY, [message(tlv)]);
      await assertRejects(() => world.client.open(target), TargetError);
      world.now = seconds * 1000 - 1;
      await assertRejects(() => world.client.open(target), TargetError, "1 s more");
      assertEquals(world.dialled.length, 1);
      world.now++;
      await world.client.open(target);
    }
  });

  it("tries the next address of a name where one cannot be reached", async () => {
    const names = ["192.0.2.7", "2001:db8::1"];
    const world = new ClientWorld(KEY, [message("1e016101")], names);
    await world.client.open({ host: "example.org", port: 443 });
    assertEquals(world.dialled.length, 2);
    const none = new ClientWorld(KEY, [], []);
    const error = await assertRejects(
      () => none.client.open({ host: "example.org", port: 1 }),
      TargetError,
    );
    assertEquals([error.outcome, none.dialled.length], ["unknown name", 0]);
  });

  it("resets what does not answer by a message, or answers by a wrong one", async () => {
    for (
      const answer of [octets("HTTP/1.1 400"), message("01010000"), message(CONNECTED, CONNECTED)]
    ) {
      const world = new ClientWorld(KEY, [answer]);
      await assertRejects(() => world.client.open(target), TargetError);
      assert(world.dialled[0]!.aborted);
    }
  });
});

describe("client and converter over MPTCP", () => {
  it("take a round trip less from the second connection on: what is asked for is in the SYN (§4.2)", async () => {
    await using net = emulate({
      paths: {
        wifi: { rate: "50 Mbit/s", delay: "20 ms" },
        lte: { rate: "20 Mbit/s", delay: "40 ms" },
      },
    });
    const world = new World();
    const tcp = { fastOpen: true };
    using listener = net.server.listen({ port: 5124, tcp });
    void (async () => {
      for await (const conn of listener) {
        void world.server.serve(conn, conn.remoteAddr.hostname, (done) => world.done.push(done));
      }
    })();
    const client = new ConvertClient<MptcpConn>({
      key: KEY,
      times: { answer: 10_000 },
      beginsAt: ({ localAddr }) => localAddr.hostname,
      dial: (data) => net.client.connect({ hostname: "server", port: 5124, data, tcp }),
    });
    const times: number[] = [];
    for (let i = 0; i < 2; i++) {
      const start = net.now;
      const { stream } = await client.open({ host: "192.0.2.7", port: 443 });
      times.push((net.now - start) / 1000);
      const { end } = world.targets[i]!;
      await stream.write(octets("GET /"));
      assertEquals(latin1(await readExactly(end, 5)), "GET /");
      assertEquals(stream.info().mptcp.flags & 1, 0, "no fallback");
      await end.closeWrite();
      await stream.closeWrite();
      await readAll(stream);
    }
    const [first = 0, second = 0] = times;
    assert(first > 79 && second < 45, `${times}`);
  });
});
