import { assert, assertEquals } from "@std/assert";
import { it } from "@std/testing/bdd";
import type { LabOptions } from "../../cli/lab.ts";
import type { HostOptions, MptcpConn, Probe } from "../../mod.ts";
import { passive } from "../../pm/mod.ts";
import { needs } from "../support/tools.ts";
import { assertNoTrouble } from "./support/counters.ts";
import { type Meeting, Stand } from "./support/stand.ts";
import { until } from "./support/wait.ts";

/** More than all buffers on the way to the kernel and back hold: halfway through neither side has sent its end, after which Linux changes no paths. */
const SIZE = 96 << 20;

/** A stand whose kernel announces nothing by itself. */
function quiet(
  host: Omit<HostOptions, "interfaces"> = {},
  lab: LabOptions = {},
): Promise<Stand> {
  return Stand.open({ lab: { endpoints: "none", ...lab }, interfaces: { family: 4 }, host });
}

/** Our and the peer's address of each path in use. */
function pairs(conn: MptcpConn): string[] {
  return conn.info().subflows.map(({ local, remote }) => `${local.address}-${remote.address}`)
    .sort();
}

/** Waits until these are the paths in use. */
function uses(conn: MptcpConn, ...wanted: string[]): Promise<void> {
  const expected = wanted.sort().join();
  return until(
    `the paths are ${expected}, not ${pairs(conn)}`,
    () => pairs(conn).join() === expected,
  );
}

/**
 * Exchanges `size` bytes; after an eighth calls `leave`, and sees that the paths in use become those wanted before the end. Meanwhile everything is read:
 * the peer's FIN stands behind what it had sent.
 */
async function exchangeAndLeave(
  meeting: Meeting,
  size: number,
  leave: () => unknown,
  wanted: () => readonly string[],
): Promise<void> {
  const { conn } = meeting;
  let begun = false;
  let gone = false;
  let last = "";
  await meeting.exchange(size, {
    async received(bytes) {
      if (bytes > size / 8 && !begun) {
        begun = true;
        await leave();
      }
      last = pairs(conn).join();
      gone ||= begun && last === [...wanted()].sort().join();
    },
  });
  assert(gone, `in use to the end: ${last}`);
}

/** FINs of ours that went again. */
class FinsAgain implements Probe {
  count = 0;
  readonly #finished = new Set<string>();

  segmentSent(
    _now: number,
    connection: number,
    path: number,
    _seq: number,
    _length: number,
    flags: number,
  ): void {
    if ((flags & 1) === 0) return;
    const subflow = `${connection} ${path}`;
    if (this.#finished.has(subflow)) this.count++;
    this.#finished.add(subflow);
  }
}

/** The local address with this text, as path managers see it. */
function localOf(conn: MptcpConn, text: string) {
  return conn.paths.locals.find(({ address }) => address === text)!;
}

/** Waits until the kernel has counted `count` of `name`. */
function counted(stand: Stand, name: string, count: number): Promise<void> {
  return until(
    `the kernel has counted ${count} ${name}`,
    async () => (await stand.lab.nstat())[name] === count,
  );
}

const DIRECT = ["10.77.1.2-10.77.1.1", "10.77.2.2-10.77.1.1"];
const SECOND = ["10.77.1.2-10.77.2.1", "10.77.2.2-10.77.2.1"];

needs("kernel", "python3").describe("addresses that the kernel announces", () => {
  it("are echoed and joined, and left when they are taken back, which loses nothing", async () => {
    await using stand = await quiet();
    const size = SIZE;
    await using meeting = await stand.meet("client", "echo");
    await meeting.greet();
    const { conn } = meeting;
    await uses(conn, ...DIRECT);
    await stand.lab.addEndpoint(1, ["signal"]);
    await uses(conn, ...DIRECT, ...SECOND);
    await counted(stand, "EchoAdd", 1);
    assertEquals(conn.info().mptcp.add_addr_accepted, 1);
    const takeBack = () => stand.lab.ip("mptcp endpoint delete id 1");
    await exchangeAndLeave(meeting, size, takeBack, () => DIRECT);
    const { counters } = stand.host;
    assertEquals([counters.AddAddr, counters.EchoAddTx, counters.RmAddr], [1, 1, 1]);
    const kernel = await stand.lab.nstat();
    assertEquals([kernel.AddAddrTx, kernel.RmAddrTx, kernel.MPJoinAckRx], [1, 1, 3]);
    assertNoTrouble(kernel);
  });

  it("may be of another port", async () => {
    await using stand = await quiet();
    await using meeting = await stand.meet("client", "echo");
    await meeting.greet();
    await stand.lab.ip("mptcp endpoint add 10.77.2.1 dev mptcp1 signal port 4444");
    await uses(meeting.conn, ...DIRECT, ...SECOND);
    const ports = meeting.conn.info().subflows.map(({ remote }) => remote.port);
    assertEquals(ports.filter((port) => port === 4444).length, 2);
    const { PortAdd, MPJoinPortAckRx } = await stand.lab.nstat();
    assertEquals([PortAdd, MPJoinPortAckRx, stand.host.counters.PortAdd], [1, 2, 1]);
    await meeting.exchange(1000);
  });

  it("may be of the other family", async () => {
    await using stand = await Stand.open({ lab: { endpoints: "none" } });
    await using meeting = await stand.meet("client", "echo", { family: 6 });
    await meeting.greet();
    await stand.lab.addEndpoint(1, ["signal"], 6);
    await uses(
      meeting.conn,
      ...["1", "2"].flatMap((ours) =>
        ["1", "2"].map((theirs) => `fd00:77:${ours}::2-fd00:77:${theirs}::1`)
      ),
    );
    await meeting.exchange(1000);
  });

  it("are all that is joined where the first one is not to be (C flag)", async () => {
    await using stand = await quiet();
    await stand.lab.sysctl({ "net/mptcp/allow_join_initial_addr_port": 0 });
    await using meeting = await stand.meet("client", "echo");
    await meeting.greet();
    assert(meeting.conn.paths.peerDeniesJoinToInitial);
    await stand.lab.addEndpoint(1, ["signal"]);
    await uses(meeting.conn, DIRECT[0]!, ...SECOND);
    await meeting.exchange(1000);
    assertEquals((await stand.lab.nstat()).MPJoinSynRx, 2);
  });

  it("can be that of the first subflow, taken back", async () => {
    await using stand = await quiet();
    const size = SIZE;
    await using meeting = await stand.meet("client", "echo");
    await meeting.greet();
    const { conn } = meeting;
    await stand.lab.addEndpoint(1, ["signal"]);
    await uses(conn, ...DIRECT, ...SECOND);
    const takeBack = () => stand.lab.ip("mptcp endpoint delete id 0 10.77.1.1");
    await exchangeAndLeave(meeting, size, takeBack, () => SECOND);
    assertEquals(stand.host.counters.RmAddr, 1);
  });
});

needs("kernel", "python3").describe("addresses that we announce", () => {
  it("are joined by the kernel, and left when they are taken back, which loses nothing", async () => {
    await using stand = await quiet({ pathManager: passive() });
    const size = SIZE;
    await using meeting = await stand.meet("server", "echo");
    await meeting.greet();
    const { conn } = meeting;
    assertEquals(pairs(conn), ["10.77.1.2-10.77.1.1"]);
    conn.paths.announce(localOf(conn, "10.77.2.2"));
    await uses(conn, "10.77.1.2-10.77.1.1", "10.77.2.2-10.77.2.1");
    const withdraw = () => conn.paths.withdraw(localOf(conn, "10.77.2.2"));
    await exchangeAndLeave(meeting, size, withdraw, () => ["10.77.1.2-10.77.1.1"]);
    const { counters } = stand.host;
    assertEquals([counters.AddAddrTx, counters.EchoAdd, counters.RmAddrTx], [1, 1, 1]);
    const kernel = await stand.lab.nstat();
    assertEquals([kernel.AddAddr, kernel.EchoAddTx, kernel.RmAddr], [1, 1, 1]);
    assertEquals([kernel.MPJoinSynTx, kernel.MPJoinSynAckRx], [1, 1]);
    assertNoTrouble(kernel);
  });

  it("are announced by the default path manager of a server", async () => {
    await using stand = await quiet();
    await using meeting = await stand.meet("server", "echo");
    await meeting.greet();
    await uses(meeting.conn, "10.77.1.2-10.77.1.1", "10.77.2.2-10.77.2.1");
    await meeting.exchange(1000);
  });
});

const FOUR = [1, 2, 3, 4].map((n) => `10.77.${n}.2-10.77.${n}.1`);

/** A connection that the kernel opened to us over four paths, joining addresses that we announced. */
async function fourPaths(stand: Stand): Promise<Meeting> {
  const meeting = await stand.meet("server", "echo");
  await meeting.greet();
  const { conn } = meeting;
  for (const n of [2, 3, 4]) conn.paths.announce(localOf(conn, `10.77.${n}.2`));
  await uses(conn, ...FOUR);
  return meeting;
}

needs("kernel", "python3").describe("subflows that work, used no longer", () => {
  const ways: readonly [string, Record<string, number>, (stand: Stand, conn: MptcpConn) => void][] =
    [
      ["three withdrawals at once", { RmAddr: 3 }, (_, conn) => {
        for (const n of [2, 3, 4]) conn.paths.withdraw(localOf(conn, `10.77.${n}.2`));
      }],
      ["three withdrawals, one after the other", { RmAddr: 3 }, (_, conn) => {
        for (const n of [2, 3, 4]) {
          setTimeout(() => conn.paths.withdraw(localOf(conn, `10.77.${n}.2`)), 3 * n);
        }
      }],
      ["use() without their paths", {}, (_, conn) => conn.paths.use([1])],
      ["three addresses of ours removed", { RmAddr: 3 }, ({ host }) => {
        for (const n of [2, 3, 4]) host.removeAddress(`10.77.${n}.2`);
      }],
    ];
  for (const [what, counts, leave] of ways) {
    it(`end by FIN on both sides, which loses nothing: ${what}`, async () => {
      await using stand = await quiet({ pathManager: passive() }, { paths: 4 });
      await using meeting = await fourPaths(stand);
      const { conn } = meeting;
      await exchangeAndLeave(meeting, SIZE, () => leave(stand, conn), () => [FOUR[0]!]);
      // All may have been exchanged before the last of them is told.
      await until(
        "the removals are told",
        () => (stand.host.counters.RmAddrTx ?? 0) === (counts.RmAddr ?? 0),
      );
      const { RmAddrTx = 0, RmSubflow, TcpOutRsts = 0, MPRstRx = 0 } = stand.host.counters;
      assertEquals([RmAddrTx, RmSubflow, TcpOutRsts, MPRstRx], [counts.RmAddr ?? 0, 3, 0, 0]);
      // Its worker counts them a moment after they have come.
      await until(
        "the kernel has heeded the removals",
        async () => (await stand.lab.nstat()).RmAddr === counts.RmAddr,
      );
      const kernel = await stand.lab.nstat();
      assertEquals([kernel.RmAddr, kernel.RmAddrDrop], [counts.RmAddr, undefined]);
      assertNoTrouble(kernel);
    });
  }

  it("end by FIN when the kernel takes three addresses back at once", async () => {
    const fins = new FinsAgain();
    await using stand = await quiet({ probe: fins }, { paths: 4 });
    await using meeting = await stand.meet("client", "echo");
    await meeting.greet();
    const { conn } = meeting;
    const before = () => pairs(conn).filter((pair) => pair.endsWith("-10.77.1.1"));
    for (const index of [1, 2, 3]) await stand.lab.addEndpoint(index, ["signal"]);
    // As many as our limits allow.
    await until("there are nine paths", () => pairs(conn).length === 9);
    await exchangeAndLeave(meeting, SIZE, () => stand.lab.ip("mptcp endpoint flush"), before);
    const kernel = await stand.lab.nstat();
    const { RmAddr, RmSubflow, TcpOutRsts = 0 } = stand.host.counters;
    assertEquals([RmAddr, RmSubflow], [kernel.RmAddrTx, undefined]);
    // Nobody is left to take the ACK of a FIN of ours that went again as the first ACK was late (RFC 9293 §3.10.7.1).
    assert(TcpOutRsts <= fins.count, `${TcpOutRsts} resets, ${fins.count} FINs again`);
    assertEquals([kernel.RmAddrTx, kernel.RmSubflow], [3, 5]);
    assertNoTrouble(kernel);
  });
});

needs("kernel", "python3").describe(
  "an address removed while the kernel goes on sending to it",
  () => {
    it("loses nothing: the removal names it, and what was on the way comes over the others", async () => {
      await using stand = await quiet({}, {});
      await using meeting = await stand.meet("client", "echo");
      await meeting.greet();
      const { conn } = meeting;
      await uses(conn, ...DIRECT);
      const remove = () => stand.host.removeAddress("10.77.2.2");
      await exchangeAndLeave(meeting, SIZE, remove, () => [DIRECT[0]!]);
      const kernel = await stand.lab.nstat();
      assertEquals([kernel.RmAddr, stand.host.counters.RmAddrTx], [1, 1]);
      assertEquals(stand.host.counters.TcpOutRsts ?? 0, 0);
      assertNoTrouble(kernel);
    });
  },
);

needs("kernel", "python3").describe("counters of both sides", () => {
  it("tell the same: what one sent, the other received", async () => {
    await using stand = await quiet({ pathManager: passive() }, { paths: 4 });
    await using meeting = await fourPaths(stand);
    const { conn } = meeting;
    // Both at once: an echo that nobody reads has no room for all of it.
    await Promise.all([meeting.send(1 << 20), meeting.receive(1 << 20)]);
    const { mptcp, subflows } = conn.info();
    assertEquals([mptcp.add_addr_signal, mptcp.bytes_received], [3, meeting.received]);
    assertEquals(
      subflows.reduce((sum, { tcp }) => sum + tcp.bytes_received, 0) >= meeting.received,
      true,
    );
    const kernel = await stand.lab.nstat();
    const ours = stand.host.counters;
    for (
      const [name, theirs] of [
        ["MPCapableSYNRX", "MPCapableSYNTX"],
        ["MPJoinSynRx", "MPJoinSynTx"],
        ["MPJoinAckRx", "MPJoinSynAckRx"],
        ["AddAddrTx", "AddAddr"],
        ["EchoAdd", "EchoAddTx"],
      ] as const
    ) assertEquals([name, ours[name]], [name, kernel[theirs]]);
    await meeting.exchange(1);
  });
});

needs("kernel", "python3").describe("backup paths", () => {
  /** Bytes that both sides moved over our second address, and over the other. */
  async function moved(stand: Stand, size: number, prepare: (conn: MptcpConn) => Promise<void>) {
    await using meeting = await stand.meet("server", "echo");
    await meeting.greet();
    const { conn } = meeting;
    await prepare(conn);
    const total: Record<string, number> = {};
    const look = (): void => {
      const { subflows } = conn.info();
      for (const { local } of subflows) total[local.address] = 0;
      for (const { local, tcp } of subflows) {
        total[local.address]! += tcp.bytes_acked + tcp.bytes_received;
      }
    };
    await meeting.exchange(size, { received: look, sent: look });
    return total;
  }

  it("carry nothing while another works: made one by us (MP_PRIO)", async () => {
    await using stand = await quiet();
    const total = await moved(stand, 16 << 20, async (conn) => {
      await uses(conn, "10.77.1.2-10.77.1.1", "10.77.2.2-10.77.2.1");
      const second = conn.info().subflows.find(({ local }) => local.address === "10.77.2.2")!;
      conn.paths.setBackup(second.path, true);
      await counted(stand, "MPPrioRx", 1);
    });
    // What the kernel had sent on it before.
    assert(total["10.77.2.2"]! < 2 << 20, `${total["10.77.2.2"]} bytes`);
    assert(total["10.77.1.2"]! > 20 << 20, `${total["10.77.1.2"]} bytes`);
  });

  it("carry nothing while another works: joined as one by the kernel", async () => {
    await using stand = await quiet({ pathManager: passive() });
    await stand.lab.addEndpoint(1, ["subflow", "fullmesh", "backup"]);
    const total = await moved(stand, 16 << 20, async (conn) => {
      conn.paths.announce(localOf(conn, "10.77.2.2"));
      // Its own join to our first address too, which it opens from the device of the second path.
      await uses(conn, "10.77.1.2-10.77.1.1", "10.77.1.2-10.77.2.1", "10.77.2.2-10.77.2.1");
      const second = conn.info().subflows.find(({ local }) => local.address === "10.77.2.2")!;
      assert(second.backup);
    });
    // A busy machine may stall the first path until it is judged to have lost something, which then goes by the backup.
    assert(total["10.77.2.2"]! < 2 << 20, `${total["10.77.2.2"]} bytes`);
    assert(total["10.77.1.2"]! > 20 << 20, `${total["10.77.1.2"]} bytes`);
    assert(stand.host.counters.MPJoinSynBackupRx! >= 1);
  });

  it("follow the kernel's MP_PRIO there and back", async () => {
    await using stand = await quiet();
    await stand.lab.addEndpoint(1, ["signal"]);
    await using meeting = await stand.meet("client", "echo");
    await meeting.greet();
    const { conn } = meeting;
    await uses(conn, ...DIRECT, ...SECOND);
    const backups = (): string[] =>
      conn.info().subflows.filter(({ backup }) => backup).map(({ remote }) => remote.address);
    await stand.lab.ip("mptcp endpoint change id 1 backup");
    // Linux tells it on one subflow of the address.
    await until("one path is a backup", () => backups().join() === "10.77.2.1");
    await stand.lab.ip("mptcp endpoint change id 1 nobackup");
    await until("no path is a backup", () => backups().length === 0);
    assertEquals(stand.host.counters.MPPrioRx, 2);
    await meeting.exchange(1000);
  });
});

needs("kernel", "python3").describe("limits and guards of the kernel", () => {
  it("refuse a join and leave the connection alone", async () => {
    await using stand = await quiet();
    await stand.lab.ip("mptcp limits set subflows 0 add_addr_accepted 0");
    await using meeting = await stand.meet("client", "echo");
    await meeting.greet();
    await counted(stand, "MPJoinRejected", 1);
    await meeting.exchange(1 << 20);
    assertEquals(meeting.conn.info().mptcp.flags, 2);
  });

  it("with SYN cookies change nothing", async () => {
    await using stand = await quiet();
    await stand.lab.sysctl({ "net/ipv4/tcp_syncookies": 2 });
    await using meeting = await stand.meet("client", "echo");
    await meeting.greet();
    await uses(meeting.conn, ...DIRECT);
    await meeting.exchange(16 << 20);
    const counters = await stand.lab.nstat();
    assertNoTrouble(counters);
    assertEquals([counters.MPCapableACKRX, counters.MPJoinAckRx], [1, 1]);
  });
});
