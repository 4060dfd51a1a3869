import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { formatTop, type Look, TopRates } from "../../cli/top_view.ts";
import type { Shown } from "../../cli/watch.ts";
import { emulate } from "../../mod.ts";

/** As it comes through a control socket. */
function shown(connections: unknown): Shown[] {
  return JSON.parse(
    JSON.stringify(connections, (_, each) => typeof each === "bigint" ? `${each}` : each),
  );
}

describe("mptcp top", () => {
  it("shows rates between two looks, in 80 columns, and says why a connection is plain TCP", async () => {
    await using net = emulate({
      paths: {
        wifi: { rate: "20 Mbit/s", delay: "10 ms" },
        lte: { rate: "10 Mbit/s", delay: "20 ms" },
      },
      seed: 1,
    });
    const { client, server } = net;
    using listener = server.listen({ port: 80 });
    const dial = (mptcp: boolean) =>
      Promise.all([client.connect({ hostname: "server", port: 80, mptcp }), listener.accept()]);
    const [conn, peer] = await dial(true);
    await dial(false);
    const rates = new TopRates();
    const look = (): Look => ({
      control: "/run/mptcp/serve-7.sock",
      at: net.now,
      connections: shown(server.info()),
    });
    const buffer = new Uint8Array(4e6);
    const move = async (bytes: number): Promise<void> => {
      const writing = peer.write(buffer.subarray(0, bytes));
      for (let left = bytes; left > 0;) left -= (await conn.read(buffer))!;
      await writing;
    };
    await move(1e6);
    rates.take([look()]);
    const start = net.now;
    const first = (): number[] =>
      peer.info().subflows.map(({ tcp }) => tcp.bytes_sent - tcp.bytes_retrans);
    const before = first();
    await move(4e6);
    const sent = first().map((bytes, i) => bytes - before[i]!);
    const hosts = rates.take([look()]);
    const [busy, plain] = hosts[0]!.connections;
    const seconds = (net.now - start) / 1e6;
    assertEquals(
      busy!.paths.map(({ up }) => Math.round(up * seconds)),
      sent,
    );
    assertEquals([busy!.fallback, busy!.scheduler, plain!.fallback], [
      null,
      "earliest",
      "not-agreed",
    ]);
    const lines = formatTop(hosts, 80);
    for (const line of lines) assert(line.length <= 80, line);
    assertStringIncludes(lines.join("\n"), "plain TCP: the other end, or the way to it");
    assertEquals(lines.filter((line) => line.includes("ESTAB")).length, 3);
    assertEquals(
      lines[1],
      "PATH                     STATE             UP        DOWN     RTT  LOSS     CWND",
    );
    const few = formatTop(hosts, 80, 4);
    assertEquals(few.slice(0, 3), lines.slice(0, 3));
    assertEquals(few[3], `… and ${lines.length - 3} lines more`);
    for (const line of formatTop(hosts, 40)) assert(line.length <= 40 || line.length <= 67, line);
  });

  it("names paths of one address by the other end, so that each is told from the others", () => {
    const path = (id: number, link: string, local: string, remote: string) => ({
      ...{ id, link, local, remote, state: "ESTAB", up: 0, down: 0, rtt: 0, loss: null, cwnd: 0 },
    });
    const connection = {
      ...{ token: "0", local: "a", remote: "b", scheduler: "earliest", congestion_control: "lia" },
      ...{ path_manager: "full_mesh", fallback: null, last_reset: null, up: 0, down: 0 },
      paths: [
        path(0, "wifi", "10.0.1.2", "10.0.1.1"),
        path(1, "wifi", "10.0.1.2", "10.0.2.1"),
        path(2, "lte", "10.0.2.2", "10.0.2.1"),
      ],
    };
    const lines = formatTop([{ control: "c", connections: [connection] }], 80).slice(-3);
    assertEquals(lines.map((line) => line.replace(/ +ESTAB.*/, "")), [
      "    wifi > 10.0.1.1",
      "    wifi > 10.0.2.1",
      "    lte 10.0.2.2",
    ]);
  });

  it("calls a path quiet on which nothing has come for four timeouts, while another one brought something", async () => {
    await using net = emulate({
      paths: {
        wifi: { rate: "20 Mbit/s", delay: "10 ms" },
        lte: { rate: "10 Mbit/s", delay: "20 ms" },
      },
      seed: 1,
    });
    const { client, server } = net;
    using listener = server.listen({ port: 80 });
    const [conn, peer] = await Promise.all([
      client.connect({ hostname: "server", port: 80 }),
      listener.accept(),
    ]);
    const buffer = new Uint8Array(1e6);
    const writing = peer.write(buffer);
    for (let left = buffer.length; left > 0;) left -= (await conn.read(buffer))!;
    await writing;
    const [at] = shown(client.info());
    /** States where nothing has come for so many timeouts on each path. */
    const states = (...timeouts: readonly number[]): string[] => {
      const connection = structuredClone(at!);
      connection.subflows.forEach(({ tcp }, i) => {
        const since = timeouts[i]! * tcp.rto / 1000;
        Object.assign(tcp, { last_data_recv: since, last_ack_recv: since + 1 });
      });
      const looks = [{ control: "/run/mptcp/get-7.sock", at: 0, connections: [connection] }];
      const [host] = new TopRates().take(looks);
      return host!.connections[0]!.paths.map(({ state }) => state);
    };
    assertEquals(at!.subflows.length, 2);
    assertEquals(states(0, 3), ["ESTAB", "ESTAB"]);
    assertEquals(states(0, 4), ["ESTAB", "QUIET"]);
    assertEquals(states(4, 0), ["QUIET", "ESTAB"]);
    // Nothing is under way at all.
    assertEquals(states(40, 40), ["ESTAB", "ESTAB"]);
  });
});
