import { assert, assertEquals } from "@std/assert";
import { it } from "@std/testing/bdd";
import type { LabOptions } from "../../cli/lab.ts";
import type { HostOptions, MptcpConn } from "../../mod.ts";
import { passive } from "../../pm/mod.ts";
import { needs } from "../support/tools.ts";
import { assertNoTrouble } from "./support/counters.ts";
import { Stand } from "./support/stand.ts";
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
    let change: Promise<void> | null = null;
    const changes = async (): Promise<void> => {
      await uses(conn, ...DIRECT);
      await stand.lab.addEndpoint(1, ["signal"]);
      await uses(conn, ...DIRECT, ...SECOND);
      await counted(stand, "EchoAdd", 1);
      assertEquals(conn.info().mptcp.add_addr_accepted, 1);
    };
    let removed = false;
    await meeting.exchange(size, {
      async received(bytes) {
        if (bytes > size / 8) await (change ??= changes());
        // New data have gone over all of them by then.
        if (bytes > size / 2 && !removed) {
          removed = true;
          await stand.lab.ip("mptcp endpoint delete id 1");
          await uses(conn, ...DIRECT);
        }
      },
    });
    const { counters } = stand.host;
    assertEquals([counters.AddAddr, counters.EchoAddTx, counters.RmAddr], [1, 1, 1]);
    const kernel = await stand.lab.nstat();
    assertEquals([kernel.AddAddrTx, kernel.RmAddrTx, kernel.MPJoinAckRx], [1, 1, 3]);
    assertNoTrouble(kernel, ["MPRstRx"]);
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
    let removed = false;
    await meeting.exchange(size, {
      async received(bytes) {
        if (bytes < size / 4 || removed) return;
        removed = true;
        await stand.lab.ip("mptcp endpoint delete id 0 10.77.1.1");
        await uses(conn, ...SECOND);
      },
    });
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
    let step = 0;
    await meeting.exchange(size, {
      async received(bytes) {
        if (bytes > size / 8 && step === 0) {
          step = 1;
          assertEquals(pairs(conn), ["10.77.1.2-10.77.1.1"]);
          conn.paths.announce(localOf(conn, "10.77.2.2"));
          await uses(conn, "10.77.1.2-10.77.1.1", "10.77.2.2-10.77.2.1");
        } else if (bytes > size / 2 && step === 1) {
          step = 2;
          conn.paths.withdraw(localOf(conn, "10.77.2.2"));
          await uses(conn, "10.77.1.2-10.77.1.1");
        }
      },
    });
    const { counters } = stand.host;
    assertEquals([counters.AddAddrTx, counters.EchoAdd, counters.RmAddrTx], [1, 1, 1]);
    const kernel = await stand.lab.nstat();
    assertEquals([kernel.AddAddr, kernel.EchoAddTx, kernel.RmAddr], [1, 1, 1]);
    assertEquals([kernel.MPJoinSynTx, kernel.MPJoinSynAckRx], [1, 1]);
    assertNoTrouble(kernel, ["MPRstRx", "MPRstTx"]);
  });

  it("are announced by the default path manager of a server", async () => {
    await using stand = await quiet();
    await using meeting = await stand.meet("server", "echo");
    await meeting.greet();
    await uses(meeting.conn, "10.77.1.2-10.77.1.1", "10.77.2.2-10.77.2.1");
    await meeting.exchange(1000);
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
      for (const { local, tcp } of conn.info().subflows) {
        total[local.address] = tcp.bytes_acked + tcp.bytes_received;
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
      await uses(conn, "10.77.1.2-10.77.1.1", "10.77.2.2-10.77.2.1");
      const second = conn.info().subflows.find(({ local }) => local.address === "10.77.2.2")!;
      assert(second.backup);
    });
    assertEquals(total["10.77.2.2"], 0);
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
