import { assert, assertEquals, assertRejects } from "@std/assert";
import { it } from "@std/testing/bdd";
import { Host } from "../../mod.ts";
import { Lab } from "../../cli/lab.ts";
import { tap } from "../../core/link/tap.ts";
import { needs } from "../support/tools.ts";
import { assertNoTrouble } from "./support/counters.ts";
import { startPeer } from "./support/peer.ts";
import { type Role, Stand } from "./support/stand.ts";
import { sleep, until } from "./support/wait.ts";

function stand(): Promise<Stand> {
  return Stand.open({ lab: { endpoints: "none" }, interfaces: { family: 4 } });
}

/** Waits until a connection has its second path. */
async function join(conn: { info(): { subflows: readonly unknown[] } }): Promise<void> {
  await until("there are two paths", () => conn.info().subflows.length === 2);
}

/** Sees that both sides have forgotten all connections. */
async function forgotten({ host, lab }: Stand): Promise<void> {
  await until("we have forgotten the connection", () => host.connections === 0);
  await until(
    "the kernel has forgotten the connection",
    async () => !(await lab.ss()).includes("ESTAB"),
  );
}

/** The kernel's program hears of it by what it does next: the first error that it meets is ECONNRESET in reading, and may be EPIPE in writing. */
function assertAborted({ error }: { readonly error?: unknown }): void {
  assert(error === "ECONNRESET" || error === "EPIPE", `${error}`);
}

const ROLES: readonly Role[] = ["client", "server"];

needs("kernel", "python3").describe("the end of a connection", () => {
  for (const role of ROLES) {
    it(`in order leaves nothing behind, as ${role}`, async () => {
      await using it = await stand();
      {
        await using meeting = await it.meet(role, "echo");
        await meeting.greet();
        await join(meeting.conn);
        await meeting.exchange(100_000);
      }
      await forgotten(it);
      const kernel = await it.lab.nstat();
      assertNoTrouble(kernel);
      assertEquals(kernel.MPCurrEstab, undefined);
    });

    it(`by close() with unread data is MP_FASTCLOSE, as ${role}`, async () => {
      await using it = await stand();
      await using meeting = await it.meet(role, "both", { size: 100_000, keep: true });
      await meeting.conn.write(new Uint8Array(1000));
      await join(meeting.conn);
      meeting.conn.close();
      assertAborted(await meeting.peer.until("end"));
      await forgotten(it);
      const kernel = await it.lab.nstat();
      // On each subflow, unless the first was enough.
      assert(kernel.MPFastcloseRx! >= 1);
      // Nothing is opened in place of what ends.
      assertEquals([kernel.MPJoinSynRx ?? 1, kernel.MPJoinSynTx ?? 1], [1, 1]);
    });

    it(`by abort() is MP_FASTCLOSE, as ${role}`, async () => {
      await using it = await stand();
      await using meeting = await it.meet(role, "echo");
      await meeting.greet();
      await join(meeting.conn);
      meeting.conn.abort();
      assertAborted(await meeting.peer.until("end"));
      assert((await it.lab.nstat()).MPFastcloseRx! >= 1);
    });

    it(`by the death of the kernel's program is told at once, as ${role}`, async () => {
      await using it = await stand();
      await using meeting = await it.meet(role, "echo");
      await meeting.greet();
      await join(meeting.conn);
      const sending = assertRejects(() => meeting.send(1e9), Deno.errors.ConnectionReset);
      // We do not read, so that in the end it does not either.
      let sent = -1;
      await until("nothing moves any more", async () => {
        const before = sent;
        await sleep(100);
        return (sent = meeting.sent) === before && sent > 1;
      });
      await meeting.peer[Symbol.asyncDispose]();
      await sending;
      await assertRejects(() => meeting.receive(), Deno.errors.ConnectionReset);
      assertEquals(it.host.counters.MPFastcloseRx, 1);
      await forgotten(it);
    });
  }

  it("comes in order although a path is dead", async () => {
    await using it = await stand();
    await using meeting = await it.meet("client", "echo");
    await meeting.greet();
    await join(meeting.conn);
    await it.lab.setUp(0, false);
    await meeting.exchange(1 << 20);
  });
});

needs("kernel", "python3").describe("what is refused", () => {
  it("is a connection to a port where nobody listens, either way", async () => {
    await using it = await stand();
    await assertRejects(
      () => it.host.connect({ hostname: "10.77.1.1", port: 9 }),
      Deno.errors.ConnectionRefused,
      "10.77.1.1:9",
    );
    await using peer = await startPeer(it.lab, "connect", "sink", { host: "10.77.1.2", port: 9 });
    assertEquals(await peer.next(), { event: "refused", error: "ECONNREFUSED" });
  });

  needs("iptables").it("is a join with a token that we do not know", async () => {
    await using lab = await Lab.create({ endpoints: "none" });
    const interfaces = { family: 4 } as const;
    const first = await Host.open({ interfaces: lab.interfaces(interfaces) });
    const listener = first.listen({ port: 8080 });
    await using _peer = await startPeer(lab, "connect", "both", {
      host: "10.77.1.2",
      port: 8080,
      size: 1000,
      keep: true,
    });
    const conn = await listener.accept();
    await conn.read(new Uint8Array(1000));
    await join(conn);
    await lab.exec(["iptables", "-A", "INPUT", "-j", "DROP"]);
    // The kernel hears nothing of that.
    await first.close();
    await lab.exec(["iptables", "-D", "INPUT", "-j", "DROP"]);
    await using second = await Host.open({ interfaces: lab.interfaces(interfaces) });
    const failures = async (): Promise<string | undefined> =>
      /AttemptFails +(\d+)/.exec((await lab.exec(["nstat", "-asz"])).stdout)?.[1];
    assertEquals(await failures(), "0");
    await lab.ip("mptcp endpoint add 10.77.2.1 subflow");
    await until("the join has been refused", async () => await failures() === "1");
    assertEquals(second.counters.MPJoinNoTokenFound, 1);
  });
});

needs("kernel", "python3").describe("one connection after the other", () => {
  const count = 200;

  it("leaves nothing behind: opened by the kernel", async () => {
    await using it = await stand();
    const listener = it.host.listen({ port: 8080 });
    const serving = (async () => {
      for await (const conn of listener) {
        await conn.readable.pipeTo(conn.writable);
      }
    })();
    await using peer = await startPeer(it.lab, "connect", "both", {
      host: "10.77.1.2",
      port: 8080,
      size: 10_000,
      connections: count,
    });
    for (let i = 0; i < count; i++) {
      const { error, sentSha256, receivedSha256 } = await peer.until("end");
      assertEquals([error, receivedSha256], [null, sentSha256]);
    }
    listener.close();
    await serving;
    await forgotten(it);
    assertEquals((await it.lab.nstat()).MPCapableSYNACKRX, count);
  });

  it("leaves nothing behind: opened by us", async () => {
    await using it = await stand();
    await using peer = await startPeer(it.lab, "listen", "echo", {
      host: "0.0.0.0",
      accept: count,
    });
    const payload = new Uint8Array(10_000).map((_, i) => i * 7);
    for (let i = 0; i < count; i++) {
      await using conn = await it.host.connect({ hostname: "10.77.1.1", port: peer.port });
      await conn.write(payload);
      await conn.closeWrite();
      assertEquals(new Uint8Array(await new Response(conn.readable).arrayBuffer()), payload);
      assertEquals((await peer.until("end")).error, null);
    }
    await forgotten(it);
    assertEquals((await it.lab.nstat()).MPCapableACKRX, count);
  });
});

/** Connects again and again from one port, each time until the peer has ended; fails where one does not. */
const RECONNECTS = `
import errno, socket, sys, time
def connect():
    s = socket.socket(socket.AF_INET, socket.SOCK_STREAM, int(sys.argv[1]))
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(("10.77.1.1", 7000))
    s.connect(("10.77.1.2", 8080))
    return s
for i in range(60):
    while True:
        try:
            s = connect()
            break
        except OSError as error:
            # The last ACK of the one before is on its way to this side's own kernel.
            if error.errno != errno.EADDRNOTAVAIL: raise
            time.sleep(0.002)
    while s.recv(65536):
        pass
    s.close()
`;

/**
 * SYNs from port 7000 that nobody takes for new: neither by their timestamp nor by their sequence number (RFC 6191 §2). Linux has put the one before 65537 above a
 * TIME-WAIT of its own, and its clock, of milliseconds, has not gone on since the last segment. It is acknowledged, resets what the ACK is of, and asks again.
 */
class OldSyns {
  count = 0;
  #last: { stamp: number; next: number } | null = null;

  see(direction: "in" | "out", bytes: Uint8Array): void {
    const packet = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    const tcp = (bytes[0]! & 15) * 4;
    if (direction === "out" || bytes[9] !== 6 || packet.getUint16(tcp) !== 7000) return;
    const payload = tcp + (bytes[tcp + 12]! >> 4) * 4;
    const flags = bytes[tcp + 13]!;
    const [syn, fin, rst] = [flags >> 1 & 1, flags & 1, flags >> 2 & 1];
    let stamp: number | null = null;
    for (let at = tcp + 20; at < payload && bytes[at]! > 0;) {
      if (bytes[at] === 8) stamp = packet.getUint32(at + 2);
      at += bytes[at] === 1 ? 1 : bytes[at + 1]!;
    }
    if (rst === 1 || stamp === null) return;
    const seq = packet.getUint32(tcp + 4);
    const last = this.#last;
    if (syn === 1 && last !== null && stamp === last.stamp && (seq - last.next | 0) <= 0) {
      this.count++;
    }
    this.#last = { stamp, next: seq + syn + fin + bytes.length - payload >>> 0 };
  }
}

needs("kernel", "python3").describe(
  "a kernel that connects again from the port of a connection in TIME-WAIT",
  () => {
    for (const [kind, protocol] of [["plain TCP", "6"], ["MPTCP", "262"]] as const) {
      it(`does not wait, 60 times: ${kind}`, async () => {
        const old = new OldSyns();
        await using it = await Stand.open({
          lab: { endpoints: "none" },
          interfaces: {
            family: 4,
            wrap: (link) => tap(link, (_link, _now, direction, bytes) => old.see(direction, bytes)),
          },
        });
        const listener = it.host.listen({ port: 8080 });
        const serving = (async () => {
          for await (const conn of listener) {
            await conn.write(new Uint8Array(1000));
            // We end first: TIME-WAIT is ours.
            await conn.closeWrite();
            await conn.closed;
          }
        })();
        await it.lab.exec(["python3", "-c", RECONNECTS, protocol]);
        // A SYN that is not taken comes again.
        const { TCPSynRetrans = 0 } = await it.lab.nstat("TcpExt");
        assertEquals(TCPSynRetrans, old.count);
        listener.close();
        await serving;
      });
    }
  },
);
