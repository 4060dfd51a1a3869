import { createHash } from "node:crypto";
import { Buffer } from "node:buffer";
import { assert, assertEquals } from "@std/assert";
import { it } from "@std/testing/bdd";
import { type Bridge, bridge } from "../../core/link/bridge.ts";
import { corrupt, type ElementFactory, Host, impair, tun } from "../../mod.ts";
import { makeNamespace, type Namespace } from "../../cli/namespace.ts";
import { Lab } from "../../cli/lab.ts";
import { needs } from "../support/tools.ts";
import { Once, rewrite } from "./support/damage.ts";
import { startPeer } from "./support/peer.ts";
import { Meeting, type Role, Stand } from "./support/stand.ts";
import { until } from "./support/wait.ts";

/** Segments whose checksum the kernel of a namespace found wrong. */
async function badSegments(namespace: Namespace): Promise<number> {
  const { stdout } = await namespace.exec(["cat", "/proc/net/snmp"]);
  const [names = [], values = []] = stdout.split("\n").filter((line) => line.startsWith("Tcp:"))
    .map((line) => line.split(" "));
  return Number(values[names.indexOf("InCsumErrors")]);
}

/**
 * A kernel two hops away: what it sends passes elements, then the kernel of the lab, which forwards it to our devices without looking at it. So these
 * have offload, and yet checksums from a wire.
 */
class Distance implements AsyncDisposable {
  readonly lab: Lab;
  readonly far: Namespace;
  readonly host: Host;
  readonly #bridges: readonly Bridge[];

  private constructor(lab: Lab, far: Namespace, host: Host, bridges: readonly Bridge[]) {
    this.lab = lab;
    this.far = far;
    this.host = host;
    this.#bridges = bridges;
  }

  static async open(elements: readonly ElementFactory[], checksum: boolean): Promise<Distance> {
    await using stack = new AsyncDisposableStack();
    const lab = stack.use(await Lab.create({ endpoints: "none" }));
    const far = stack.use(await makeNamespace());
    await lab.sysctl({ "net/ipv4/ip_forward": 1 });
    await far.sysctl({ "net/mptcp/checksum_enabled": checksum ? 1 : 0 });
    const bridges = [1, 2].map((n) =>
      stack.use(bridge(
        tun(`near${n}`, { namespace: lab.name, kernelAddresses: [`10.90.${n}.2/24`] }),
        tun(`far${n}`, { namespace: far.name, kernelAddresses: [`10.90.${n}.1/24`] }),
        { elements },
      ))
    );
    await far.ip(
      "route add 10.77.1.0/24 via 10.90.1.2",
      "route add 10.77.2.0/24 via 10.90.2.2",
      "mptcp limits set subflows 8 add_addr_accepted 8",
      "mptcp endpoint add 10.90.2.1 dev far2 signal",
    );
    const host = await Host.open({ interfaces: lab.interfaces({ family: 4 }) });
    stack.move();
    return new Distance(lab, far, host, bridges);
  }

  async meet(role: Role, size: number): Promise<Meeting> {
    if (role === "client") {
      const peer = await startPeer(this.far, "listen", "both", { host: "0.0.0.0", size });
      const conn = await this.host.connect({ hostname: "10.90.1.1", port: peer.port });
      return new Meeting(peer, conn);
    }
    using listener = this.host.listen({ port: 8080 });
    const to = { host: "10.77.1.2", port: 8080, size };
    const peer = await startPeer(this.far, "connect", "both", to);
    return new Meeting(peer, await listener.accept());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.host.close();
    await Promise.all(this.#bridges.map((bridge) => bridge.close()));
    await this.lab.close();
    await this.far.close();
  }
}

/** Puts `there` in the one place of `bytes` where `piece` is. */
function replace(bytes: Uint8Array, piece: Uint8Array, there: Uint8Array): void {
  assert(piece.length > 100);
  const at = Buffer.from(bytes.buffer).indexOf(piece);
  assert(at >= 0, "the damaged segment has not come");
  bytes.set(there, at);
}

needs("kernel", "python3").describe("no damaged byte arrives", () => {
  const size = 8 << 20;

  for (const role of ["client", "server"] as const) {
    for (const checksum of [false, true]) {
      const more = checksum ? ", with DSS checksums" : "";

      it(`from a link that flips bits, without offload${more}, as ${role}`, async () => {
        await using stand = await Stand.open({
          lab: { checksum },
          interfaces: {
            wrap: (link) => impair(link, { send: [corrupt(0.005)], receive: [corrupt(0.005)] }),
          },
        });
        await using meeting = await stand.meet(role, "both", { size });
        await meeting.exchange(size);
        // So much was sent that some was damaged in both directions.
        assert(stand.host.counters.TcpInCsumErrors! > 0);
        assert(await badSegments(stand.lab) > 0);
      });

      it(`from links beyond the kernel that flip bits, with offload${more}, as ${role}`, async () => {
        await using distance = await Distance.open([corrupt(0.005)], checksum);
        await using meeting = await distance.meet(role, size);
        await meeting.exchange(size);
        assert(distance.host.counters.TcpInCsumErrors! > 0);
        assert(await badSegments(distance.far) > 0);
      });
    }

    it(`from a path whose middlebox rewrites payload: another path carries it, as ${role} (MP_FAIL MP_RST)`, async () => {
      await using stand = await Stand.open({
        lab: { checksum: true, endpoints: "none" },
        interfaces: {
          family: 4,
          wrap: (link, index) =>
            index === 1 ? impair(link, { send: [rewrite(30)], receive: [rewrite(30)] }) : link,
        },
      });
      await using meeting = await stand.meet(role, "echo");
      await meeting.greet();
      const { conn } = meeting;
      await until("there are two paths", () => conn.info().subflows.length === 2);
      // On a busy machine all may be over before much has gone by the second.
      await until("something was damaged", async () => {
        await Promise.all([meeting.send(1 << 20), meeting.receive(1 << 20)]);
        const { DataCsumErr = 0 } = await stand.lab.nstat();
        return DataCsumErr + (stand.host.counters.DataCsumErr ?? 0) > 0;
      }, 60);
      await meeting.exchange(size);
      const { DataCsumErr = 0, TcpInCsumErrors = 0 } = stand.host.counters;
      const ours = stand.host.counters;
      const kernel = await stand.lab.nstat();
      // Whoever finds it says so by a RST with MP_FAIL; one that crosses another is not heard.
      assertEquals(ours.MPFailTx ?? 0, DataCsumErr);
      assert((ours.MPFailTx ?? 0) + (kernel.MPFailTx ?? 0) >= 1);
      assert((ours.MPFailRx ?? 0) <= (kernel.MPFailTx ?? 0));
      assert((kernel.MPFailRx ?? 0) <= DataCsumErr);
      assertEquals([ours.InfiniteMapRx, kernel.InfiniteMapRx], [undefined, undefined]);
      assertEquals([TcpInCsumErrors, await badSegments(stand.lab)], [0, 0]);
    });
  }
});

/** RFC 8684 §3.7, "From that point onward, data can be altered by a middlebox without affecting MPTCP, as the data stream is equivalent to a regular, legacy TCP session." */
needs("kernel", "python3").describe(
  "damage on the only path ends MPTCP, not the connection (Infinite map)",
  () => {
    const size = 2 << 20;

    for (const role of ["client", "server"] as const) {
      for (const way of ["send", "receive"] as const) {
        const to = way === "send" ? "to the kernel" : "from the kernel";

        it(`${to}, as ${role}: all else arrives as it was sent`, async () => {
          const damage = new Once(way === "send" ? 40 : 5);
          await using stand = await Stand.open({
            lab: { checksum: true, endpoints: "none" },
            interfaces: {
              paths: 1,
              family: 4,
              wrap: (link) => impair(link, { [way]: [damage.element] }),
            },
            // Linux 6.18 makes the segment with its infinite mapping as large as those without any: above the MTU it never leaves, and all stands still.
            host: { tcp: { maxSegment: 1400 } },
          });
          const job = way === "send" ? "sink" : "source";
          // Linux 6.18 repeats nothing at the data level once it has heard MP_FAIL: with its send buffer full by then, it would say no more. So it sends
          // little first, of which a part is damaged, and the rest when it has heard of that.
          await using meeting = await stand.meet(role, job, { size, hold: 20_000 });
          const { conn, peer } = meeting;
          const bytes = new Uint8Array(size);
          if (way === "receive") {
            await until(
              "the kernel has heard of it",
              async () => (await stand.lab.nstat()).MPFailRx === 1,
            );
            await peer.release();
          } else {
            for (let at = 0; at < size; at += 65536) {
              crypto.getRandomValues(bytes.subarray(at, at + 65536));
            }
            await conn.write(bytes);
          }
          await conn.closeWrite();
          let read = 0;
          for (
            let more = await conn.read(bytes);
            more !== null;
            more = await conn.read(bytes.subarray(read))
          ) {
            read += more;
            if (read === size) break;
          }
          const end = await peer.until("end");
          assertEquals(end.error, null);
          // The receiver has the segment as the middlebox has left it, and nothing else is different.
          if (way === "send") {
            replace(bytes, damage.before, damage.after);
            assertEquals(end.receivedSha256, createHash("sha256").update(bytes).digest("hex"));
          } else {
            assertEquals(read, size);
            replace(bytes, damage.after, damage.before);
            assertEquals(end.sentSha256, createHash("sha256").update(bytes).digest("hex"));
          }
          const ours = stand.host.counters;
          const kernel = await stand.lab.nstat();
          const [from, into] = way === "send" ? [ours, kernel] : [kernel, ours];
          assertEquals([into.DataCsumErr, into.MPFailTx, into.MPFailRx, into.InfiniteMapRx], [
            1,
            1,
            1,
            1,
          ]);
          assertEquals([from.MPFailRx, from.MPFailTx, from.InfiniteMapTx], [1, 1, 1]);
          for (const each of [ours, kernel]) {
            assertEquals([each.MPRstTx ?? 0, each.MPRstRx ?? 0], [
              0,
              0,
            ]);
          }
        });
      }
    }
  },
);
