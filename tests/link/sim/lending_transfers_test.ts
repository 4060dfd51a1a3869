/** Connections over links that leave payload on the sender's pages, which end at any time: nobody reads what is not his. */

import { assertEquals, assertGreater } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { lia } from "../../../cc/mod.ts";
import type { MetaSocket } from "../../../core/connection/meta_socket.ts";
import { DEFAULT_MPTCP } from "../../../core/connection/settings.ts";
import { seededRandom } from "../../../core/host/random.ts";
import { Stack } from "../../../core/host/stack.ts";
import { delay } from "../../../core/link/sim/elements/delay.ts";
import { loss } from "../../../core/link/sim/elements/loss.ts";
import { Network } from "../../../core/link/sim/network.ts";
import { DEFAULT_SETTINGS } from "../../../core/subflow/settings.ts";
import { fullMesh, nDiffPorts } from "../../../pm/mod.ts";
import { minRtt, redundant, roundRobin } from "../../../sched/mod.ts";
import * as fc from "../../support/property.ts";

/** Byte `at` of what an end writes. */
const octet = (end: number, at: number): number => Math.imul(end * 7919 + at, 2654435761) >>> 24;

/** One end of a connection: it writes bytes of its own, and compares those that it reads. */
class End {
  readonly socket: MetaSocket;
  readonly #network: Network;
  readonly #own: number;
  readonly #other: number;
  readonly #target = new Uint8Array(70_000);
  over = false;
  read = 0;
  #written = 0;
  #wanted = 0;

  constructor(network: Network, socket: MetaSocket, own: number, other: number) {
    this.#network = network;
    this.socket = socket;
    this.#own = own;
    this.#other = other;
    socket.observe({
      onEstablished: () => {},
      onReadable: () => this.reads(),
      onWritable: () => this.writes(0),
      onClosed: () => this.over = true,
    });
  }

  writes(more: number): void {
    this.#wanted += more;
    while (!this.over && this.#written < this.#wanted) {
      const length = Math.min(this.#wanted - this.#written, 20_000);
      const part = Uint8Array.from({ length }, (_, i) => octet(this.#own, this.#written + i));
      const taken = this.socket.write(this.#network.now, part, 0);
      this.#written += taken;
      if (taken < length) break;
    }
  }

  reads(): void {
    while (!this.over) {
      const length = this.socket.read(this.#network.now, this.#target);
      if (length <= 0) return;
      for (let i = 0; i < length; i++) {
        assertEquals(this.#target[i], octet(this.#other, this.read + i), `byte ${this.read + i}`);
      }
      this.read += length;
    }
  }
}

/** A run that follows from its seed; bytes that were read. */
function run(seed: number): number {
  const random = seededRandom(seed)("run").float;
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)]!;
  const network = new Network({ seed });
  const hosts = [network.host("a"), network.host("b")];
  const policies = {
    scheduler: pick([minRtt, roundRobin, redundant])(),
    pathManager: pick([fullMesh(), nDiffPorts({ subflows: 2 })]),
    congestionControl: lia(),
  };
  const [enabled, checksum, pacing] = [random() < 0.8, random() < 0.3, random() < 0.5];
  const host = pick([64e6, 4e6, 1.2e6]);
  const [client, server] = hosts.map(({ name }) =>
    new Stack({
      random: (stream) => network.randomSource(`${name}/${stream}`),
      policies,
      fallbacks: policies,
      mptcp: { ...DEFAULT_MPTCP, enabled, checksum },
      memory: { host },
      tcp: { ...DEFAULT_SETTINGS, pacing },
    })
  ) as [Stack, Stack];
  const stacks = [client, server];
  const second = pick([[], [delay("1 ms")], [delay("5 ms"), loss(0.02)]]);
  const links = [[], second].map((elements, i) => {
    const link = network.link(`link${i}`, hosts[0]!, hosts[1]!, {
      elements,
      maxSegments: pick([1, 44]),
    });
    hosts.forEach((each, j) => {
      link.end(each).attach(each);
      stacks[j]!.addLink(0, link.end(each), [`10.0.${i}.${j + 1}/24`]);
    });
    return link;
  });
  hosts.forEach((each, i) => each.start(stacks[i]!));
  const ends: End[] = [];
  const served: End[] = [];
  const listener = server.listen(0, {
    port: 80,
    observer: {
      onConnection() {
        for (let each = listener.accept(); each !== null; each = listener.accept()) {
          const { port } = each.remoteEndpoint;
          const end = new End(network, each, 2 * port + 1, 2 * port);
          ends.push(end);
          served.push(end);
        }
      },
    },
  });
  let alive = true;
  for (let step = 0; step < 60 && alive; step++) {
    const end = ends.length > 0 ? pick(ends) : null;
    const what = random();
    if (what < 0.2 && ends.length < 12) {
      const observer = {
        onEstablished() {},
        onReadable() {},
        onWritable() {},
        onClosed() {},
      };
      const remote = { address: "10.0.0.2", port: 80 };
      // Both ends know each other by it.
      const port = 20_000 + step;
      const local = { address: "10.0.0.1", port };
      const socket = client.connect(network.now, { remote, local, observer });
      ends.push(new End(network, socket, 2 * port, 2 * port + 1));
    } else if (what < 0.23) {
      // It is gone with packets on their way, and others write at once.
      for (const each of ends) each.writes(50_000);
      client.flush(network.now);
      hosts[0]!.stop();
      client.free();
      alive = false;
      for (const each of served) each.writes(100_000);
    } else if (what < 0.25) {
      links[0]!.cut();
      network.runTo(network.now + 300e3 * random());
      links[0]!.restore();
    } else if (end !== null && !end.over) {
      if (what < 0.7) end.writes(Math.floor(300_000 * random()));
      else if (what < 0.77) end.socket.abort(network.now);
      else if (what < 0.84) {
        end.over = true;
        end.socket.close(network.now);
      }
    }
    if (alive) client.flush(network.now);
    server.flush(network.now);
    // What happens next may find packets on their way.
    if (random() < 0.3) continue;
    for (let events = Math.floor(30 * random()); events > 0; events--) network.step();
    if (random() < 0.3) network.runTo(network.now + 20e3 * random());
  }
  network.runTo(network.now + 2e6);
  network.close();
  hosts.forEach((each, i) => {
    if (i === 0 && !alive) return;
    each.stop();
    stacks[i]!.free();
  });
  return ends.reduce((sum, { read }) => sum + read, 0);
}

describe("connections over links that lend payload", () => {
  it("bring what was written, whenever they end", () => {
    let bytes = 0;
    fc.assert(fc.property(fc.nat(), (seed) => void (bytes += run(seed))), { numRuns: 60 });
    assertGreater(bytes, 60 * 100_000);
  });
});
