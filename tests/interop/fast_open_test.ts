import { createHash } from "node:crypto";
import { assertEquals } from "@std/assert";
import { it } from "@std/testing/bdd";
import type { MptcpConn } from "../../mod.ts";
import { needs } from "../support/tools.ts";
import { assertNoTrouble, LATE_JOINS } from "./support/counters.ts";
import { type PeerEnd, startPeer } from "./support/peer.ts";
import { Stand } from "./support/stand.ts";

/** Bytes that the kernel, and we, send on each connection: more than a SYN holds. */
const THEIRS = 5000;
const OURS = Uint8Array.from({ length: 4000 }, (_, i) => i * 31 >> 3);

/** The first asks for a cookie, the others use it. */
const CONNECTIONS = 3;

/** Bit of tcpi_options: data were acknowledged with their SYN. */
const SYN_DATA = 32;

/** Reads to the end: how many bytes, and their sum. */
async function readAll(conn: MptcpConn): Promise<[number, string]> {
  const sum = createHash("sha256");
  const block = new Uint8Array(65536);
  let bytes = 0;
  for (let count = await conn.read(block); count !== null; count = await conn.read(block)) {
    sum.update(block.subarray(0, count));
    bytes += count;
  }
  return [bytes, sum.digest("hex")];
}

/** Sees that each side has got what the other sent, once. */
function assertWhole(got: [number, string], end: PeerEnd): void {
  assertEquals(end.error, null);
  assertEquals(got, [THEIRS, end.sentSha256]);
  const sent = createHash("sha256").update(OURS).digest("hex");
  assertEquals([end.received, end.receivedSha256], [OURS.length, sent]);
}

/** Counters of Fast Open, without what their names begin with. */
function fastOpen(counters: Readonly<Record<string, number>>): Record<string, number> {
  const found = Object.entries(counters).filter(([name]) => /^TCPFastOpen/.test(name));
  return Object.fromEntries(found.map(([name, count]) => [name.slice(11), count]));
}

/** Most tries of what is only so where no process is kept waiting for a second. */
const TRIES = 5;

/** Does `work` on a stand. Where it fails and a timeout of the kernel's has passed, as nobody answered for a second, that decided: it is done again on another. */
async function inTime(work: (stand: Stand) => Promise<void>): Promise<void> {
  for (let tried = 1;; tried++) {
    await using stand = await Stand.open();
    try {
      return await work(stand);
    } catch (error) {
      const { TCPTimeouts = 0 } = await stand.lab.nstat("TcpExt");
      if (TCPTimeouts === 0 || tried === TRIES) throw error;
    }
  }
}

needs("kernel", "python3").describe("TCP Fast Open with the kernel (RFC 7413)", () => {
  for (const tcp of [true, false]) {
    for (const family of [4, 6] as const) {
      const how = `${tcp ? "plain TCP" : "MPTCP"}, IPv${family}`;
      const at = family === 4 ? 0 : 1;

      it(`takes the data of its SYNs: ${how}`, () =>
        inTime(async (stand) => {
          await stand.lab.sysctl({ "net/ipv4/tcp_fastopen": 1 });
          using listener = stand.host.listen({ port: 0, tcp: { fastOpen: true } });
          const host = stand.lab.path(0).host[at]!.replace(/\/.*/, "");
          const { port } = listener.addr;
          const options = { host, port, size: THEIRS, connections: CONNECTIONS, tcp };
          await using peer = await startPeer(stand.lab, "connect", "both", {
            ...options,
            fastopen: true,
          });
          for (let i = 0; i < CONNECTIONS; i++) {
            await using conn = await listener.accept();
            const [first] = conn.info().subflows;
            assertEquals((first!.tcp.options & SYN_DATA) !== 0, i > 0);
            assertEquals(conn.info().mptcp.flags, tcp ? 1 : first!.tcp.state === 3 ? 0 : 2);
            // Sent before the third ACK has come, as a rule.
            await conn.write(OURS);
            await conn.closeWrite();
            const got = await readAll(conn);
            const end = await peer.until("end");
            assertWhole(got, end);
            if (!tcp) assertEquals(end.mptcp!.fallback, false);
          }
          assertEquals(fastOpen(stand.host.counters), {
            CookieReqd: 1,
            Passive: CONNECTIONS - 1,
          });
          const kernel = fastOpen(await stand.lab.nstat("TcpExt"));
          assertEquals(kernel, { Active: CONNECTIONS - 1 });
          if (!tcp) assertNoTrouble(await stand.lab.nstat(), LATE_JOINS);
        }));

      it(`has it take the data of ours: ${how}`, async () => {
        await using stand = await Stand.open();
        await stand.lab.sysctl({ "net/ipv4/tcp_fastopen": 2 });
        await using peer = await startPeer(stand.lab, "listen", "both", {
          host: family === 4 ? "0.0.0.0" : "::",
          size: THEIRS,
          accept: CONNECTIONS,
          fastopen: true,
          tcp,
        });
        const hostname = stand.lab.path(0).kernel[at]!;
        // A cookie is of two addresses: all begin at the same, whichever path a join has found to be faster.
        const localAddress = stand.lab.path(0).host[at]!.replace(/\/.*/, "");
        for (let i = 0; i < CONNECTIONS; i++) {
          await using conn = await stand.host.connect({
            hostname,
            port: peer.port,
            localAddress,
            data: OURS,
            tcp: { fastOpen: true },
          });
          const [first] = conn.info().subflows;
          assertEquals((first!.tcp.options & SYN_DATA) !== 0, i > 0);
          assertEquals(conn.info().mptcp.flags, tcp ? 1 : 2);
          await conn.closeWrite();
          const got = await readAll(conn);
          assertWhole(got, await peer.until("end"));
        }
        assertEquals(fastOpen(stand.host.counters), { Active: CONNECTIONS - 1 });
        const kernel = fastOpen(await stand.lab.nstat("TcpExt"));
        assertEquals(kernel, { CookieReqd: 1, Passive: CONNECTIONS - 1 });
        if (!tcp) assertNoTrouble(await stand.lab.nstat(), LATE_JOINS);
      });
    }
  }
});
