/** A probe is told what happens, in order, and changes nothing. */

import { assert, assertEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { emulate, type PluginFault, type Probe } from "../../mod.ts";
import { PROBE_METHODS } from "../../core/subflow/probe.ts";
import { Dialogue } from "../support/dialogue.ts";
import { join } from "../support/joins.ts";
import { difference, run } from "./traces.ts";
import { SCENARIOS } from "./traces_scenarios.ts";

/** Notes what it is told, a line an event; `but` leaves events out. */
function noting(lines: string[], but: readonly string[] = []): Probe {
  const probe: Record<string, (...values: unknown[]) => void> = {};
  for (const name of PROBE_METHODS) {
    if (but.includes(name)) continue;
    probe[name] = (now, _connection, ...values) =>
      void lines.push(`${now} ${name} ${values.join(" ")}`);
  }
  return probe;
}

/** Lines without the time. */
const timeless = (lines: string[]): string[] =>
  lines.splice(0).map((line) => line.slice(line.indexOf(" ") + 1));

describe("a probe", () => {
  it("is told of a whole connection on plain TCP, in the order of happening", () => {
    const lines: string[] = [];
    using d = new Dialogue({ probe: noting(lines, ["listenerChanged"]) });
    const { peer, app } = d.opened({ mptcp: false, mss: 1012 });
    const [opened, ...rest] = timeless(lines);
    assert(/^connectionOpened server \d+ 10.0.0.1 80 10.0.0.2 40000$/.test(opened!), opened);
    assertEquals(rest, [
      "subflowOpened 1 false 10.0.0.1 80 10.0.0.2 40000 0 0",
      "modeChanged tcp",
      "segmentReceived 1 0 0 2 0 65535 -1 0",
      "stateChanged 1 CLOSED SYN-RECEIVED",
      "segmentSent 1 0 0 18 1 65535 -1 0",
      "segmentReceived 1 1 0 16 1 60000 -1 0",
      "rttSampled 1 20000 20000 10000 220000",
      "stateChanged 1 SYN-RECEIVED ESTABLISHED",
      "subflowChanged 1 joined ",
    ]);
    // The congestion control is made for the first data.
    app.write(3000);
    peer.takeAll();
    assertEquals(timeless(lines), [
      "windowChanged 1 10120 Infinity 0",
      "segmentSent 1 1 1000 16 1 262144 1 0",
      "segmentSent 1 1001 1000 24 1 262144 1001 0",
      "segmentSent 1 2001 1000 24 1 262144 2001 0",
    ]);
    app.finish();
    peer.gets("F. 3001");
    d.pass(20e3);
    peer.sends("F. 1 ack 3002");
    assertEquals(lines, [
      "1020000 dataFin us 3001",
      "1020000 segmentSent 1 3001 0 17 1 262144 -1 0",
      "1020000 stateChanged 1 ESTABLISHED FIN-WAIT-1",
      "1040000 segmentReceived 1 1 0 17 3002 60000 -1 0",
      "1040000 rttSampled 1 20000 20000 7500 220000",
      "1040000 stateChanged 1 FIN-WAIT-1 FIN-WAIT-2",
      "1040000 dataAcked 3002 7683002",
      "1040000 stateChanged 1 FIN-WAIT-2 TIME-WAIT",
      "1040000 segmentSent 1 3002 0 16 2 262144 -1 0",
      "1040000 dataFin peer 1",
      "1040000 connectionClosed  ",
      "1040000 subflowChanged 1 left closed",
    ]);
  });

  it("is told of losses as ranges with their cause, of what goes again, of recovery and windows", () => {
    const lines: string[] = [];
    using d = new Dialogue({ probe: noting(lines, ["segmentReceived", "rttSampled"]) });
    const { peer, app } = d.opened({ mptcp: false, mss: 1012 });
    app.write(10000);
    peer.takeAll();
    d.pass(20e3);
    lines.length = 0;
    // The second and third segment are lost.
    peer.sends(". ack 1001");
    for (let end = 4001; end <= 7001; end += 1000) peer.sends(`. ack 1001 <sack 3001:${end}>`);
    assertEquals(timeless(lines), [
      "windowChanged 1 11132 Infinity 9000",
      "dataAcked 1001 7681001",
      "windowChanged 1 12144 Infinity 8000",
      "windowChanged 1 13156 Infinity 7000",
      "segmentLost 1 1001 3001 ack",
      "recoveryChanged 1 fast 10001",
      "windowChanged 1 4500 4500 4000",
      "segmentSent 1 1001 1000 24 1 262144 1001 0",
      "segmentRetransmitted 1 1001 2001 1",
    ]);
    // Nothing more comes.
    d.pass(220e3);
    assertEquals(timeless(lines), [
      "timedOut 1 1 440000",
      "segmentLost 1 1001 2001 timeout",
      "segmentLost 1 7001 10001 timeout",
      "recoveryChanged 1 loss 10001",
      "windowChanged 1 1000 4500 0",
      "segmentSent 1 1001 1000 24 1 262144 1001 0",
      "segmentRetransmitted 1 1001 2001 2",
    ]);
    peer.takeAll();
    peer.sends(". ack 10001");
    assertEquals(timeless(lines), [
      "recoveryChanged 1 open -1",
      "windowChanged 1 5500 4500 0",
      "dataAcked 10001 7690001",
    ]);
  });

  it("is told of paths, of their priority, and why they are left", () => {
    const lines: string[] = [];
    using d = new Dialogue({ probe: noting(lines) });
    const { peer, app } = d.opened();
    assertEquals(lines.filter((line) => line.includes("modeChanged")).length, 1);
    const second = join(d, peer, 1);
    second.sends(". 1 ack 1 <prio backup>");
    second.sends("R. 1 ack 1");
    app.write(10);
    peer.takeAll();
    peer.acks();
    const told = timeless(lines).filter((line) => /^(subflow|data)/.test(line));
    assertEquals(told, [
      "subflowOpened 1 false 10.0.0.1 80 10.0.0.2 40000 0 0",
      "subflowChanged 1 joined ",
      "subflowOpened 2 true 10.0.1.1 80 10.0.1.2 40001 1 1",
      "subflowChanged 2 joined ",
      "subflowChanged 2 priority backup",
      "subflowChanged 2 left reset",
      `dataAcked 11 ${app.socket.sendQueue.windowEnd}`,
    ]);
  });

  it("that throws is reported once and told no more; the connection does not notice", () => {
    let calls = 0;
    const probe: Probe = {
      segmentSent() {
        if (++calls === 2) throw new Error("full");
      },
    };
    using d = new Dialogue({ probe });
    const { peer, app } = d.opened();
    app.write(5000);
    assertEquals(peer.takeAll().length > 2, true);
    assertEquals(calls, 2);
    const { kind, callback, replaced } = d.faults[0]!;
    assertEquals([d.faults.length, kind, callback, replaced], [1, "probe", "segmentSent", true]);
    assertEquals(d.counter("PluginFaults"), 1);
  });

  it("changes nothing: every packet is the same with one", () => {
    for (const scenario of SCENARIOS.filter((_, i) => i % 12 === 1)) {
      const lines: string[] = [];
      const probes = { client: noting(lines), server: noting(lines) };
      const result = run({ ...scenario, options: { ...scenario.options, probes } });
      assertEquals(difference(scenario.name, run(scenario), result), null);
      assert(lines.length > result.delivered, `${lines.length} events`);
    }
  });

  it("of either host of an emulation is told the same each time", async () => {
    const told: string[][] = [];
    for (let i = 0; i < 2; i++) {
      const lines: string[] = [];
      await using net = emulate({
        seed: 3,
        paths: {
          a: { rate: "5 Mbit/s", delay: "10 ms", loss: 0.02 },
          b: { rate: "2 Mbit/s", delay: "30 ms" },
        },
        probes: { client: noting(lines), server: noting(lines, ["segmentReceived"]) },
      });
      using listener = net.server.listen({ port: 80 });
      const [conn, peer] = await Promise.all([
        net.client.connect({ hostname: "server", port: 80 }),
        listener.accept(),
      ]);
      const reading = new Response(peer.readable).arrayBuffer();
      const writer = conn.writable.getWriter();
      await writer.write(new Uint8Array(200_000));
      await writer.close();
      assertEquals((await reading).byteLength, 200_000);
      told.push(lines);
    }
    assert(told[0]!.some((line) => line.includes("segmentLost")));
    assertEquals(told[0], told[1]);
  });

  it("must be one", () => {
    const faults: PluginFault[] = [];
    for (const client of [{}, 1, null, { segmentSent: 1 }, { segmentsent() {} }]) {
      assertThrows(
        () =>
          emulate({
            paths: { a: { rate: "5 Mbit/s", delay: "10 ms" } },
            onPluginFault: (fault) => faults.push(fault),
            // deno-lint-ignore no-explicit-any
            probes: { client: client as any },
          }),
        TypeError,
        "Cannot emulate as 'probes.client' must be an object with methods of a probe",
      );
    }
    assertThrows(
      () =>
        emulate({
          paths: { a: { rate: "5 Mbit/s", delay: "10 ms" } },
          // deno-lint-ignore no-explicit-any
          probes: { server: { segmentSent() {}, segmentLosst() {} } as any },
        }),
      TypeError,
      "Cannot emulate as 'probes.server' has no method 'segmentLosst': the methods are connectionOpened, ",
    );
  });
});
