/** Fast Open over paths that lose, double and delay packets: what was sent arrives once and in order, whatever became of the SYNs (RFC 7413, RFC 8684 appendix B). */

import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { emulate, type MptcpConn } from "../../mod.ts";
import { disorder } from "../support/middlebox.ts";

const REQUEST = Uint8Array.from({ length: 3000 }, (_, i) => i * 31 >> 3);
const REPLY = Uint8Array.from({ length: 20_000 }, (_, i) => i * 17 >> 2);

/** Reads to the end. */
async function readAll(conn: MptcpConn, most: number): Promise<Uint8Array> {
  const got = new Uint8Array(most + 1);
  let bytes = 0;
  for (let count = await conn.read(got); count !== null;) {
    bytes += count;
    count = await conn.read(got.subarray(bytes));
  }
  return got.subarray(0, bytes);
}

/** Connections one after the other; how many had data taken with their SYN. */
async function run(seed: number, mptcp: boolean, loss: number): Promise<number> {
  await using net = emulate({
    paths: {
      lan: { rate: "20 Mbit/s", delay: "10 ms", loss, elements: [disorder(0.1)] },
      lte: { rate: "5 Mbit/s", delay: "30 ms", loss },
    },
    links: { checksums: true },
    seed,
    tcp: { fastOpen: true },
    mptcp,
  });
  using listener = net.server.listen({ port: 80 });
  let over = false;
  const serve = async (): Promise<void> => {
    // A SYN that comes late, once more, is a connection of its own (RFC 7413 §6.1): it has the request, and nobody behind it.
    for await (const peer of listener) {
      if (over) return;
      void (async () => {
        using conn = peer;
        const got = await readAll(conn, REQUEST.length);
        assertEquals(got, REQUEST);
        await conn.write(REPLY);
        await conn.closeWrite();
        await conn.closed;
      })().catch(() => {});
    }
  };
  const serving = serve();
  for (let i = 0; i < 4; i++) {
    const data = REQUEST.subarray(0, 1000 * (i % 3));
    using conn = await net.client.connect({ hostname: "server", port: 80, data });
    await conn.write(REQUEST.subarray(data.length));
    await conn.closeWrite();
    assertEquals(await readAll(conn, REPLY.length), REPLY, `seed ${seed}, connection ${i}`);
  }
  over = true;
  listener.close();
  await serving;
  return net.client.counters.TCPFastOpenActive ?? 0;
}

describe("RFC 7413 §4.2.2, over paths that lose, double and delay", () => {
  for (const mptcp of [true, false]) {
    it(`request and reply arrive once, in order (${mptcp ? "MPTCP" : "plain TCP"})`, async () => {
      let taken = 0;
      for (let seed = 1; seed <= 24; seed++) taken += await run(seed, mptcp, 0.1);
      assert(taken >= 15, `${taken} times data were taken with a SYN`);
    });
  }
});
