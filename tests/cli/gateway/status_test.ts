import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { GatewayStatus } from "../../../cli/gateway/status.ts";
import type { Done } from "../../../cli/gateway/relay_server.ts";
import { emulate } from "../../../mod.ts";

const DONE: Done = {
  target: { host: "2001:db8::1", port: 443 },
  outcome: "connected",
  error: null,
  up: 1000,
  down: 2_000_000,
  seconds: 2,
};

describe("what a gateway says of a connection", () => {
  it("is what it has carried, by which paths, or that it was plain TCP", async () => {
    const lines: string[] = [];
    const status = new GatewayStatus({ log: (line: string) => lines.push(line) } as never, false);
    for (const mptcp of [true, false]) {
      await using net = emulate({
        paths: {
          wifi: { rate: "20 Mbit/s", delay: "5 ms" },
          lte: { rate: "20 Mbit/s", delay: "5 ms" },
        },
        mptcp,
      });
      using listener = net.server.listen({ port: 80 });
      using conn = await net.client.connect({ hostname: "server", port: 80 });
      status.watch(conn, "the relay", "received");
      using peer = await listener.accept();
      await conn.write(new Uint8Array(10));
      await net.sleep("1 s");
      const writing = peer.write(new Uint8Array(100_000)).then(() => peer.closeWrite());
      const block = new Uint8Array(65536);
      while (await conn.read(block) !== null);
      await writing;
      status.tell(DONE, conn);
    }
    assertEquals(lines.length, 2);
    assert(
      /^\[2001:db8::1\]:443: 1\.00 kB up, 2\.00 MB down in 2\.00 s; wifi \d+ %, lte \d+ % to the relay$/
        .test(lines[0]!),
      lines[0],
    );
    assert(
      lines[1]!.endsWith("; plain TCP to the relay, as MPTCP does not come through"),
      lines[1],
    );
  });

  it("counts what went up as well as what came down", async () => {
    const lines: string[] = [];
    const status = new GatewayStatus({ log: (line: string) => lines.push(line) } as never, false);
    await using net = emulate({
      paths: {
        wifi: { rate: "20 Mbit/s", delay: "5 ms" },
        lte: { rate: "20 Mbit/s", delay: "5 ms" },
      },
    });
    using listener = net.server.listen({ port: 80 });
    using conn = await net.client.connect({ hostname: "server", port: 80 });
    using peer = await listener.accept();
    status.watch(conn, "the relay", "received");
    status.watch(peer, "the proxy", "sent");
    const block = new Uint8Array(65536);
    const reading = (async () => {
      while (await peer.read(block) !== null);
      await peer.write(new Uint8Array(200));
    })();
    await conn.write(new Uint8Array(2_000_000));
    await conn.closeWrite();
    await reading;
    await conn.read(block);
    status.tell(DONE, conn);
    status.tell(DONE, peer);
    assertEquals(lines.length, 2);
    for (const line of lines) {
      const shares = [...line.matchAll(/(\d+) %/g)].map(([, share]) => Number(share));
      assertEquals(shares.length, 2, line);
      for (const share of shares) assert(share > 25, line);
    }
  });

  it("is why there was none, in full where it is not what it was before", () => {
    const lines: string[] = [];
    const status = new GatewayStatus({ log: (line: string) => lines.push(line) } as never, false);
    const failed = { ...DONE, outcome: "failed", error: "no relay" } as const;
    status.tell(failed, null);
    status.tell(failed, null);
    status.tell({ ...failed, error: "no route" }, null);
    status.tell(DONE, null);
    status.tell({ ...failed, error: "no route" }, null);
    assertEquals(lines.map((line) => line.replace("[2001:db8::1]:443: ", "").slice(0, 17)), [
      "failed: no relay",
      "failed: as before",
      "failed: no route",
      "1.00 kB up, 2.00 ",
      "failed: no route",
    ]);
  });

  it("is why there was none", () => {
    const lines: string[] = [];
    const status = new GatewayStatus({ log: (line: string) => lines.push(line) } as never, false);
    status.tell({ ...DONE, outcome: "refused", error: "nobody listens" }, null);
    const error = "[2001:db8::1]:443: refused (ECONNREFUSED)";
    status.tell({ ...DONE, outcome: "refused", error }, null);
    status.tell({ ...DONE, target: null, outcome: "hostile", error: "no request" }, null);
    status.tell({ ...DONE, error: "reset" }, null);
    assertEquals(lines, [
      "[2001:db8::1]:443: refused: nobody listens",
      "[2001:db8::1]:443: refused (ECONNREFUSED)",
      "refused a connection: no request",
      "[2001:db8::1]:443: 1.00 kB up, 2.00 MB down in 2.00 s; broken off: reset",
    ]);
  });
});
