import { assert, assertEquals } from "@std/assert";
import { it } from "@std/testing/bdd";
import { bridge, delay, impair, loss, queue, rate, tun } from "../../mod.ts";
import { makeNamespace } from "../../cli/namespace.ts";
import { needs } from "../support/tools.ts";
import { assertNoTrouble, LATE_JOINS } from "./support/counters.ts";
import { Stand } from "./support/stand.ts";

needs("kernel", "python3").describe("impair()", () => {
  for (const role of ["client", "server"] as const) {
    it(`between us and a kernel: delay and loss in both directions, as ${role}`, async () => {
      const elements = [delay("5 ms"), loss(0.005)];
      await using stand = await Stand.open({
        interfaces: {
          family: 4,
          wrap: (link) => impair(link, { send: elements, receive: elements }),
        },
      });
      const size = 4 << 20;
      await using meeting = await stand.meet(role, "both", { size });
      let roundTrips: number[] = [];
      await meeting.exchange(size, {
        received: () => {
          const { subflows } = meeting.conn.info();
          if (subflows.length > 1) roundTrips = subflows.map(({ tcp }) => tcp.min_rtt);
        },
      });
      assert(roundTrips.length >= 2 && roundTrips.every((time) => time >= 10_000), `${roundTrips}`);
      // The SYN of a join may be one of the lost, and come again when all is over.
      assertNoTrouble(await stand.lab.nstat(), LATE_JOINS);
    });
  }

  it("with a rate and a queue shares two paths that the kernel does not shape", async () => {
    await using stand = await Stand.open({
      lab: { endpoints: "none" },
      interfaces: {
        family: 4,
        wrap: (link) => {
          const elements = [queue({ bytes: 150_000 }), rate("100 Mbit/s"), delay("3 ms")];
          return impair(link, { send: elements, receive: elements });
        },
      },
    });
    const size = 16 << 20;
    await using meeting = await stand.meet("client", "both", { size });
    const end = await meeting.exchange(size);
    const parts = end.subflows.map(({ bytesReceived }) => bytesReceived);
    assert(parts.length === 2 && parts.every((bytes) => bytes > size / 5), `${parts}`);
  });
});

needs("kernel", "iperf3", "mptcpize").describe("bridge()", () => {
  it("joins two kernels: iperf3 under mptcpize, over two paths with a delay", async () => {
    await using client = await makeNamespace();
    await using server = await makeNamespace();
    const elements = [delay("2 ms"), loss(0.001)];
    const [one, two] = [1, 2].map((n) =>
      bridge(
        tun(`c${n}`, { namespace: client.name, kernelAddresses: [`10.91.${n}.1/24`] }),
        tun(`s${n}`, { namespace: server.name, kernelAddresses: [`10.91.${n}.2/24`] }),
        { elements },
      )
    );
    await using _one = one!;
    await using _two = two!;
    for (const namespace of [client, server]) {
      await namespace.ip("mptcp limits set subflows 4 add_addr_accepted 4");
    }
    await server.ip("mptcp endpoint add 10.91.2.2 dev s2 signal");
    const iperf = ["mptcpize", "run", "iperf3"];
    const serving = server.spawn([...iperf, "-s", "-1", "--forceflush"], {
      stdin: "null",
      stdout: "piped",
      stderr: "null",
    });
    let said = "";
    const output = serving.stdout.pipeThrough(new TextDecoderStream()).getReader();
    while (!said.includes("listening")) said += (await output.read()).value;
    const bytes = 8 << 20;
    const { stdout } = await client.exec([...iperf, "-c", "10.91.1.2", "-n", `${bytes}`, "-J"]);
    const { sum_sent, sum_received } = JSON.parse(stdout).end;
    // The receiver stops when the sender is done, whatever is still on its way.
    assert(sum_sent.bytes >= bytes && sum_received.bytes > bytes / 4, stdout);
    await serving.status;
    await output.cancel();
    const counters = await server.nstat();
    // It closes with what is left unread.
    assertNoTrouble(counters, ["MPFastcloseRx", "MPFastcloseTx", "MPRstRx", "MPRstTx"]);
    assertEquals([counters.MPCapableACKRX, counters.MPJoinAckRx], [2, 2]);
  });
});
