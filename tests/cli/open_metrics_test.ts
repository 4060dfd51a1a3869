import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { gauges, Totals } from "../../cli/metrics.ts";
import { exposition } from "../../cli/open_metrics.ts";
import { emulate } from "../../mod.ts";

interface Read {
  readonly type: string;
  readonly samples: Map<string, number>;
}

const NAME = "[a-zA-Z_][a-zA-Z0-9_]*";
const SAMPLE = new RegExp(
  `^(${NAME})(?:\\{(${NAME}="(?:[^"\\\\\\n]|\\\\[\\\\"n])*"(?:,${NAME}="(?:[^"\\\\\\n]|\\\\[\\\\"n])*")*)\\})? (\\S+)$`,
);

/** Reads OpenMetrics 1.0 as its text has it, and nothing else: families in one piece, metadata first, no sample twice. */
function read(text: string): Map<string, Read> {
  assert(text.endsWith("\n# EOF\n"), "it ends with # EOF");
  const families = new Map<string, Read>();
  let family = "";
  let told = new Set<string>();
  for (const line of text.slice(0, -"# EOF\n".length - 1).split("\n")) {
    const [, word = "", name = "", rest = ""] = line.match(`^# (TYPE|UNIT|HELP) (${NAME}) (.+)$`) ??
      [];
    if (word !== "") {
      if (name !== family) {
        assert(word === "TYPE" && !families.has(name), `${line}: a family begins, once, by TYPE`);
        assert(rest === "counter" || rest === "gauge", line);
        families.set(name, { type: rest, samples: new Map() });
        family = name;
        told = new Set();
      }
      assert(!told.has(word) && families.get(family)!.samples.size === 0, line);
      told.add(word);
      if (word === "UNIT") assert(name.endsWith(`_${rest}`), `${line}: the name ends by its unit`);
      continue;
    }
    const match = line.match(SAMPLE);
    assert(match !== null, `no sample: ${line}`);
    const [, sampled, labels = "", value] = match;
    const { type, samples } = families.get(family)!;
    assertEquals(sampled, type === "counter" ? `${family}_total` : family);
    assert(Number.isFinite(Number(value)) && (type === "gauge" || Number(value) >= 0), line);
    assert(!samples.has(labels), `twice: ${line}`);
    const names = [...labels.matchAll(new RegExp(`(${NAME})="`, "g"))].map(([, name]) => name);
    assertEquals(new Set(names).size, names.length, line);
    samples.set(labels, Number(value));
  }
  return families;
}

describe("figures for Prometheus", () => {
  it("are OpenMetrics, say what info() says, and go on when connections have ended", async () => {
    await using net = emulate({
      paths: {
        wifi: { rate: "20 Mbit/s", delay: "10 ms", loss: 0.01 },
        lte: { rate: "10 Mbit/s", delay: "20 ms" },
      },
      seed: 1,
    });
    const { server } = net;
    const linkOf = (address: string): string => `link "${address}"\\`;
    const totals = new Totals(server, linkOf);
    server.watch(totals);
    using listener = server.listen({ port: 80 });
    const figures = (): Map<string, Read> =>
      read(
        exposition([...gauges(server, linkOf), ...totals.families], "application/openmetrics-text")
          .text,
      );
    const sum = (name: string): number =>
      [...figures().get(name)?.samples.values() ?? []].reduce((sum, each) => sum + each, 0);
    const size = 500_000;
    let sent = 0;
    {
      const [conn, peer] = await Promise.all([
        net.client.connect({ hostname: "server", port: 80 }),
        listener.accept(),
      ]);
      const writing = peer.write(new Uint8Array(size)).then(() => peer.closeWrite());
      for await (const _ of conn.readable);
      await writing;
      assertEquals(sum("mptcp_connections"), 1);
      const { subflows } = peer.info();
      assertEquals(sum("mptcp_path_subflows"), subflows.length);
      const repeated = subflows.reduce((sum, { tcp }) => sum + tcp.bytes_retrans, 0);
      sent = subflows.reduce((sum, { tcp }) => sum + tcp.bytes_sent, 0);
      assert(repeated > 0);
      assertEquals(sum("mptcp_path_sent_bytes"), sent);
      assertEquals(sum("mptcp_path_retransmitted_bytes"), repeated);
      assert(sum("mptcp_mib_events") > 0);
      await conn.closeWrite();
      await peer.closed;
    }
    assertEquals(sum("mptcp_path_sent_bytes"), sent);
    const closed = figures();
    assertEquals(
      closed.get("mptcp_connections_ended")!.samples.get(`outcome="in order",reason=""`),
      1,
    );
    assertEquals(closed.get("mptcp_connections")!.samples.get('mode="mptcp"'), 0);
  });

  it("name families as their samples where the reader knows no OpenMetrics", () => {
    const family = {
      name: "a",
      type: "counter",
      help: "b\nc",
      unit: "bytes",
      samples: [{ labels: {}, value: 3 }],
    } as const;
    assertEquals(exposition([family], "text/plain"), {
      type: "text/plain; version=0.0.4; charset=utf-8",
      text: "# TYPE a_total counter\n# HELP a_total b\\nc\na_total 3\n",
    });
  });
});
