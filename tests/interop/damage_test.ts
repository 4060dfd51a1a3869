import { assert, assertEquals, assertRejects } from "@std/assert";
import { it } from "@std/testing/bdd";
import { type Bridge, bridge } from "../../core/link/bridge.ts";
import { corrupt, type ElementFactory, Host, impair, tun } from "../../mod.ts";
import { makeNamespace, type Namespace } from "../../cli/namespace.ts";
import { Lab } from "../../cli/lab.ts";
import { u8 } from "../../wasm/mod.ts";
import { needs } from "../support/tools.ts";
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

/**
 * A middlebox that changes a byte of every `every`th segment with payload and makes the TCP checksum right again: what DSS checksums are for
 * (RFC 8684 §3.7).
 */
function rewrite(every: number): ElementFactory {
  return {
    name: "rewrite",
    create(context, output) {
      let segments = 0;
      return {
        push(packet) {
          const tcp = packet.address + (u8[packet.address]! & 15) * 4;
          const payload = tcp + (u8[tcp + 12]! >> 4) * 4;
          if (packet.address + packet.length > payload && ++segments % every === 0) {
            context.complete(packet);
            const at = payload + (payload - tcp & 1); // the upper byte of a word of the sum
            const change = u8[at]! < 128 ? 1 : -1;
            u8[at]! += change;
            // RFC 1624 (eqn. 3): HC' = ~(~HC + ~m + m').
            let sum = ~(u8[tcp + 16]! << 8 | u8[tcp + 17]!) & 0xffff;
            sum += change * 256;
            sum = (sum + 0xffff) % 0xffff;
            u8[tcp + 16] = ~sum >> 8 & 255;
            u8[tcp + 17] = ~sum & 255;
            packet.verified = false;
          }
          output(packet);
        },
      };
    },
  };
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

    it(`from a path whose middlebox rewrites payload: another path carries it, as ${role}`, async () => {
      await using stand = await Stand.open({
        lab: { checksum: true, endpoints: "none" },
        interfaces: {
          family: 4,
          wrap: (link, index) =>
            index === 1 ? impair(link, { send: [rewrite(30)], receive: [rewrite(30)] }) : link,
        },
      });
      await using meeting = await stand.meet(role, "both", { size });
      await meeting.exchange(size);
      const { DataCsumErr = 0, TcpInCsumErrors = 0 } = stand.host.counters;
      assert(DataCsumErr + ((await stand.lab.nstat()).DataCsumErr ?? 0) >= 1);
      assertEquals([TcpInCsumErrors, await badSegments(stand.lab)], [0, 0]);
    });
  }

  it("from the only path whose middlebox rewrites payload: the connection ends at once, by an error that names the checksum", async () => {
    await using stand = await Stand.open({
      lab: { checksum: true, endpoints: "none" },
      interfaces: {
        paths: 1,
        family: 4,
        wrap: (link) => impair(link, { receive: [rewrite(100)] }),
      },
    });
    await using meeting = await stand.meet("client", "echo");
    const { conn } = meeting;
    const sent = new Uint8Array(1 << 20).map((_, i) => i * 31 >> 3);
    const sending = conn.write(sent).catch(() => {});
    const received = new Uint8Array(1 << 20);
    let bytes = 0;
    // At once, and by name.
    await assertRejects(
      async () => {
        while (bytes < sent.length) bytes += (await conn.read(received.subarray(bytes)))!;
      },
      Deno.errors.ConnectionAborted,
      "checksum",
    );
    await sending;
    assert(bytes > 0);
    assertEquals(received.subarray(0, bytes), sent.subarray(0, bytes));
    const { DSSCorruptionReset, DataCsumErr, MPRstTx } = stand.host.counters;
    assertEquals([DSSCorruptionReset, DataCsumErr, MPRstTx], [1, 1, 1]);
    // The kernel is told why, too, and keeps nothing.
    await until("the kernel has the RST", async () => (await stand.lab.nstat()).MPRstRx === 1);
  });
});
