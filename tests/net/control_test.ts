/** A running host looked at over its control socket, by the functions that the command uses. */

import { assert, assertEquals, assertRejects } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { reno } from "../../cc/mod.ts";
import { ask, findControls, runDir } from "../../cli/control.ts";
import { formatConnections, formatEvent } from "../../cli/watch.ts";
import type { ControlEvent, HostConnection } from "../../mod.ts";
import { serveControl } from "../../core/net/control.ts";
import { Host } from "../../core/net/host.ts";
import { provideDefaults } from "../../core/net/policies.ts";
import { fullMesh } from "../../pm/mod.ts";
import { minRtt } from "../../sched/mod.ts";
import { WireLink } from "../support/wire.ts";

provideDefaults({ scheduler: minRtt(), pathManager: fullMesh(), congestionControl: reno() });

async function wired(): Promise<{ client: Host; server: Host }> {
  const [a, b] = WireLink.pair("a", "b");
  const [c, d] = WireLink.pair("c", "d");
  const [client, server] = await Promise.all([
    Host.open({
      interfaces: [
        { link: a, addresses: ["10.0.1.1/24"] },
        { link: c, addresses: ["10.0.2.1/24"] },
      ],
    }),
    Host.open({
      interfaces: [
        { link: b, addresses: ["10.0.1.2/24"] },
        { link: d, addresses: ["10.0.2.2/24"] },
      ],
    }),
  ]);
  return { client, server };
}

async function answer(path: string, command: string): Promise<Record<string, unknown>> {
  for await (const each of ask(path, command)) return each as Record<string, unknown>;
  throw new Error("no answer");
}

/** Events as they come, until there are those that are waited for. */
class Listening {
  readonly events: ControlEvent[] = [];
  readonly #controller = new AbortController();
  readonly #done: Promise<void>;
  #wake = (): void => {};
  begun: Promise<void>;

  constructor(path: string) {
    let begin = (): void => {};
    this.begun = new Promise((resolve) => begin = resolve);
    this.#done = (async () => {
      for await (const each of ask(path, "monitor", this.#controller.signal)) {
        if ("ok" in (each as object)) begin();
        else this.events.push(each as ControlEvent);
        this.#wake();
      }
    })();
  }

  async until(name: string): Promise<ControlEvent> {
    for (;;) {
      const found = this.events.find(({ event }) => event === name);
      if (found !== undefined) return found;
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
  }

  async end(): Promise<void> {
    this.#controller.abort();
    await this.#done;
  }
}

describe("a control socket", () => {
  it("tells connections, counters and events of a running host, and goes with it", async () => {
    const folder = await Deno.makeTempDir();
    const path = `${folder}/mine.sock`;
    const { client, server } = await wired();
    try {
      const control = await serveControl(client, path);
      assertEquals((await Deno.stat(path)).mode! & 0o777, 0o600);
      assertEquals(await findControls(folder), [path]);
      await assertRejects(() => serveControl(server, path), Deno.errors.AddrInUse);

      const listening = new Listening(path);
      await listening.begun;
      using listener = server.listen({ port: 80 });
      const conn = await client.connect({ hostname: "10.0.1.2", port: 80 });
      const peer = await listener.accept();
      await conn.write(new Uint8Array(1000));
      const created = await listening.until("CREATED");
      const joined = await listening.until("SF_ESTABLISHED");
      assertEquals(created.daddr, "10.0.1.2");
      assertEquals([joined.token, joined.locid], [created.token, 1]);
      assert(joined.saddr === "10.0.2.1" && joined.dport === 80);
      assertEquals(listening.events.map(({ event }) => event).slice(0, 2), [
        "CREATED",
        "ESTABLISHED",
      ]);
      const announced = await listening.until("ANNOUNCED");
      assertEquals([announced.remid, announced.daddr], [1, "10.0.2.2"]);

      const { ok: [shown] } = await answer(path, "ss") as unknown as { ok: [HostConnection] };
      assertEquals(shown.remote, { address: "10.0.1.2", port: 80 });
      assertEquals(Number(shown.mptcp.token), created.token);
      assertEquals(typeof shown.mptcp.write_seq, "string");
      assert(shown.subflows.length >= 2);
      const { ok: counters } = await answer(path, "nstat") as { ok: Record<string, number> };
      assertEquals([counters["MPCapableSYNTX"], counters["MPCapableSYNACKRX"]], [1, 1]);
      const { error } = await answer(path, "reboot");
      assertEquals(error, 'Unknown command "reboot": it must be ss, nstat or monitor');

      conn.abort();
      const closed = await listening.until("CLOSED");
      assertEquals(closed.token, created.token);
      peer.close();
      const last = new Listening(path);
      await last.begun;
      control.close();
      control.close();
      await listening.end();
      await last.end();
      await assertRejects(() => Deno.stat(path), Deno.errors.NotFound);
      assertEquals(await findControls(folder), []);
    } finally {
      await Promise.all([client.close(), server.close()]);
      await Deno.remove(folder, { recursive: true });
    }
  });

  it("takes the place of one that a program has left behind, and bears clients that say nothing, nonsense, or go", async () => {
    const folder = await Deno.makeTempDir();
    const path = `${folder}/old.sock`;
    // Bound and never removed.
    Deno.listen({ transport: "unix", path }).close();
    await Deno.stat(path).catch(() => Deno.writeTextFile(path, ""));
    const { client, server } = await wired();
    try {
      using _control = await serveControl(client, path);
      for (const text of ["", "nonsense\n", "null\n", "x".repeat(100_000)]) {
        const conn = await Deno.connect({ transport: "unix", path });
        await conn.write(new TextEncoder().encode(text)).catch(() => {});
        conn.close();
      }
      assertEquals(await answer(path, "ss"), { ok: [] });
    } finally {
      await Promise.all([client.close(), server.close()]);
      await Deno.remove(folder, { recursive: true });
    }
  });

  it("is in MPTCP_RUN_DIR, /run/mptcp for root, and $XDG_RUNTIME_DIR/mptcp for others", () => {
    const of = (env: Record<string, string>, uid: number): string | null =>
      runDir((name) => env[name], uid);
    assertEquals(of({ MPTCP_RUN_DIR: "/x", XDG_RUNTIME_DIR: "/run/user/1" }, 0), "/x");
    assertEquals(of({ XDG_RUNTIME_DIR: "/run/user/1" }, 0), "/run/mptcp");
    assertEquals(of({ XDG_RUNTIME_DIR: "/run/user/1" }, 1), "/run/user/1/mptcp");
    assertEquals(of({}, 1), null);
  });

  it("has events that look like those of ip mptcp monitor", () => {
    assertEquals(
      formatEvent({
        event: "SF_ESTABLISHED",
        token: 0x1234,
        remid: 1,
        locid: 2,
        saddr: "10.0.2.1",
        daddr: "fd00::1",
        sport: 40000,
        dport: 80,
        backup: true,
      }),
      "[SF_ESTABLISHED] token=00001234 remid=1 locid=2 saddr4=10.0.2.1 daddr6=fd00::1 sport=40000 dport=80 backup=1",
    );
    assertEquals(
      formatEvent({ event: "CLOSED", token: 0xffffffff }),
      "[        CLOSED] token=ffffffff",
    );
    assertEquals(formatConnections([]), []);
  });
});
