/** SYNs from addresses that are nobody's, 10,000 a second, beside clients that want to be served. `deno task soak` has ten seconds of it. */

import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { u8 } from "../../wasm/mod.ts";
import { ScriptedLink } from "../support/dialogue.ts";
import { PAYLOAD, Peer, type Sent } from "../support/scripted_peer.ts";
import { Session } from "../support/segment_codec.ts";
import { type End, type PathShape, Topology, type TopologyOptions } from "../support/topology.ts";

/** Of virtual time. */
const SECONDS = Number(Deno.env.get("SOAK_FLOOD_SECONDS") ?? 1);
const RATE = 10_000;
/** Between two clients. */
const PAUSE = 0.03;

const PATHS: Readonly<Record<string, PathShape>> = {
  a: { rate: "20 Mbit/s", delay: "10 ms" },
  b: { rate: "10 Mbit/s", delay: "25 ms" },
};
const ONE_PATH = { a: PATHS.a! };

/** Where bogus packets come in. What is sent back goes nowhere. */
class Flood {
  readonly #link: ScriptedLink;
  readonly #sent: Sent[] = [];
  readonly #address = PAYLOAD - (PAYLOAD & 3);
  #packets = 0;

  constructor(readonly t: Topology) {
    this.#link = new ScriptedLink("flood", this.#sent, 1500, 1);
    t.server.addLink(t.now, this.#link, ["10.9.0.1/16"]);
  }

  /** A packet to port 80 as a line has it. */
  packet(line: string, session = new Session()): Uint8Array {
    const stage = { now: this.t.now, sent: this.#sent, inject: () => {} };
    const ends = { local: "10.9.0.1", localPort: 80, remote: "10.9.1.1", remotePort: 1024 };
    return new Peer(stage, { link: 0, ...ends, session }).packet(line);
  }

  /** Has `packets` come in turn, RATE a second, each from another address and port, with other numbers. */
  run(seconds: number, packets: readonly Uint8Array[], since = this.t.seconds): void {
    const batch = 10;
    for (let i = 0; i < seconds * RATE; i += batch) {
      this.t.at(since + i / RATE, () => {
        for (let j = 0; j < batch; j++) this.#come(packets[(i + j) % packets.length]!);
      });
    }
  }

  #come(packet: Uint8Array): void {
    const number = ++this.#packets;
    u8.set(packet, this.#address);
    const source = Math.imul(number, 0x9e3779b1);
    // 172.16.0.0/12, any port above 1024, any sequence number, any acknowledged one.
    u8.set(
      [172, 16 | source & 15, source >> 8 & 255, 1 + (source >> 16 & 127)],
      this.#address + 12,
    );
    u8.set([4 | source >> 24 & 127, number], this.#address + 20);
    u8.set([number >> 8, number, source >> 8, source], this.#address + 24);
    if ((packet[33]! & 16) !== 0) {
      u8.set([source, source >> 8, number, number >> 8], this.#address + 28);
    }
    const { server } = this.t;
    // Its sums are not made.
    const incoming = { address: this.#address, length: packet.length, gsoSize: 0, verified: true };
    server.handlePacket(this.t.now, this.#link, incoming);
    server.flush(this.t.now);
    this.#sent.length = 0;
  }
}

interface Outcome {
  /** Clients that were served whole within 3 s, of all. */
  readonly served: number;
  readonly tried: number;
  /** Most connections of the server, and bytes in WebAssembly memory, that were not the clients'. */
  readonly connections: number;
  readonly bytes: number;
}

/** Serves a client every 30 ms, 1 KB each way, beside a flood. */
function serve(
  options: Omit<TopologyOptions, "paths">,
  lines: readonly string[],
  paths: Readonly<Record<string, PathShape>> = PATHS,
): Outcome {
  using t = new Topology({ ...options, paths });
  const flood = new Flood(t);
  // The listener is there with the first.
  const pairs: { client: End; server: () => End; begun: number }[] = [];
  const open = (): void => {
    pairs.push({ ...t.connect({ bytes: 1000 }, { bytes: 1000 }), begun: t.seconds });
  };
  open();
  t.runTo(0.5);
  flood.run(SECONDS, lines.map((line) => flood.packet(line)));
  const done = new Map<End, number>();
  let [connections, bytes] = [0, 0];
  for (let at = 0.6; at < 0.5 + SECONDS; at += PAUSE) t.at(at, open);
  for (let at = 0.5; at < 4 + SECONDS; at += 0.01) {
    t.at(at, () => {
      for (const { client } of pairs) if (client.done && !done.has(client)) done.set(client, at);
      const living = pairs.length - done.size;
      connections = Math.max(connections, t.server.connections - living);
      bytes = Math.max(bytes, t.server.bytes);
    });
  }
  t.runTo(4 + SECONDS);
  const served = pairs.filter(({ client, begun }) => done.get(client)! - begun < 3).length;
  // Whoever was not served ages away.
  t.runTo(300);
  assertEquals([t.server.connections, t.server.usage().tokens, t.faults], [0, 0, []]);
  return { served, tried: pairs.length, connections, bytes };
}

const SYN = "S 0 win 1000 <mss 1460>";
const RICH = "S 0 win 64000 <mss 1460, sackOK, TS 7 0, ws 7, mpc>";

const CLIENTS: readonly [
  name: string,
  options: Omit<TopologyOptions, "paths">,
  paths: typeof PATHS,
][] = [
  ["MPTCP over two paths", {}, PATHS],
  ["MPTCP over one path", {}, ONE_PATH],
  ["plain TCP", { client: { mptcp: false } }, ONE_PATH],
];

describe("a flood of SYNs", () => {
  for (const [name, options, paths] of CLIENTS) {
    it(`RFC 4987 §4: leaves at least 95 % of clients served, and makes no connection above the limit: ${name}`, () => {
      const { served, tried, connections, bytes } = serve(options, [SYN, RICH], paths);
      assert(tried > 19 && served >= 0.95 * tried, `${served} of ${tried} were served`);
      assert(connections <= 1024 + 2, `${connections} connections`);
      assert(bytes < 4e6, `${bytes} bytes`);
    });
  }
});

describe("a flood of ACKs", () => {
  it("that answer no cookie leaves at least 95 % of clients served, and makes nothing", () => {
    const lines = [". 1 ack 1 <mpc keys>", "P. 1:101 ack 1", ". 1 ack 1 <join ack>"];
    const { served, tried, connections } = serve({ tcp: { synCookies: "always" } }, lines);
    assert(tried > 19 && served >= 0.95 * tried, `${served} of ${tried} were served`);
    assertEquals(connections, 1);
  });
});

describe("a flood of joins", () => {
  it("with tokens that nobody has leaves at least 95 % of clients served, and makes nothing", () => {
    const { served, tried, connections } = serve({}, ["S 0 <mss 1460, join syn id 1>"]);
    assert(tried > 19 && served >= 0.95 * tried, `${served} of ${tried} were served`);
    assertEquals(connections, 1);
  });
});
