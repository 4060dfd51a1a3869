/** A running host looked at over its control socket, by the functions that the command uses. */

import { assert, assertEquals, assertRejects } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { reno } from "../../cc/mod.ts";
import { ask, findControls, runDir } from "../../cli/control.ts";
import { main } from "../../cli/mod.ts";
import { formatConnections, formatEndpoint, formatEvent } from "../../cli/watch.ts";
import type { ControlEvent, HostConnection } from "../../mod.ts";
import { serveControl } from "../../core/net/control.ts";
import { Host } from "../../core/net/host.ts";
import { provideDefaults } from "../../core/net/policies.ts";
import { type EndpointEntry, endpoints, fullMesh } from "../../pm/mod.ts";
import type { PathManagerPlugin } from "../../core/plugin.ts";
import { minRtt } from "../../sched/mod.ts";
import { WireLink } from "../support/wire.ts";

provideDefaults({ scheduler: minRtt(), pathManager: fullMesh(), congestionControl: reno() });

async function wired(pathManager?: PathManagerPlugin): Promise<{ client: Host; server: Host }> {
  const [a, b] = WireLink.pair("a", "b");
  const [c, d] = WireLink.pair("c", "d");
  const [client, server] = await Promise.all([
    Host.open({
      pathManager,
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

async function answer(
  path: string,
  command: string,
  words: readonly string[] = [],
): Promise<Record<string, unknown>> {
  for await (const each of ask(path, command, undefined, words)) {
    return each as Record<string, unknown>;
  }
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

  async until(name: string, saddr?: string): Promise<ControlEvent> {
    for (;;) {
      const found = this.events.find((each) =>
        each.event === name && (saddr === undefined || each.saddr === saddr)
      );
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
      // Named: on a busy machine the other address, which tries when nothing comes for 10 ms, may be first.
      const localAddress = "10.0.1.1";
      const conn = await client.connect({ hostname: "10.0.1.2", port: 80, localAddress });
      const peer = await listener.accept();
      await conn.write(new Uint8Array(1000));
      const created = await listening.until("CREATED");
      // The path to the server's other address begins as the announcement comes: any of them may be first.
      const joined = await listening.until("SF_ESTABLISHED", "10.0.2.1");
      assertEquals(created.daddr, "10.0.1.2");
      assertEquals([joined.token, joined.locid], [created.token, 1]);
      assertEquals(joined.dport, 80);
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
      assertEquals(counters["MPCapableSYNTX"], 1);
      assertEquals(counters["MPCapableSYNACKRX"], 1);
      const { error } = await answer(path, "reboot");
      assertEquals(
        error,
        'Unknown command "reboot": it must be ss, nstat, monitor, endpoint or limits',
      );
      // One that comes late hears of what follows on connections that there are.
      const late = new Listening(path);
      await late.begun;
      peer.paths.setBackup(1, true);
      const prio = await late.until("SF_PRIO");
      assertEquals([prio.token, prio.saddr, prio.backup], [created.token, "10.0.1.1", true]);
      client.removeAddress("10.0.2.1");
      const left = await late.until("SF_CLOSED");
      assertEquals([left.token, left.saddr, left.backup], [created.token, "10.0.2.1", false]);
      assertEquals(late.events.every(({ event }) => event.startsWith("SF_")), true);
      const own = client.listen({ port: 81 });
      assertEquals(await late.until("LISTENER_CREATED"), {
        event: "LISTENER_CREATED",
        saddr: "::",
        sport: 81,
      });
      own.close();
      await late.until("LISTENER_CLOSED");
      await late.end();

      conn.abort();
      assertEquals(await listening.until("CLOSED"), { event: "CLOSED", token: created.token! });
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

  it("changes endpoints and limits of a running host, in the words of ip mptcp: its connections follow", async () => {
    const folder = await Deno.makeTempDir();
    const path = `${folder}/mine.sock`;
    const { client, server } = await wired(endpoints());
    try {
      using _control = await serveControl(client, path);
      using listener = server.listen({ port: 80 });
      const localAddress = "10.0.1.1";
      using conn = await client.connect({ hostname: "10.0.1.2", port: 80, localAddress });
      using peer = await listener.accept();
      await conn.write(new Uint8Array(1000));
      await peer.read(new Uint8Array(1000));
      const ask = (command: string, ...words: string[]) => answer(path, command, words);
      const listening = new Listening(path);
      await listening.begun;

      assertEquals(await ask("limits", "set", "subflows", "4"), {
        ok: { add_addr_accepted: 0, subflows: 4 },
      });
      assertEquals(await ask("endpoint"), { ok: [] });
      assertEquals(await ask("endpoint", "add", "10.0.2.1", "id", "7", "subflow", "backup"), {
        ok: { id: 7 },
      });
      const joined = await listening.until("SF_ESTABLISHED");
      assertEquals([joined.saddr, joined.locid], ["10.0.2.1", 7]);
      const { ok } = await ask("endpoint", "show", "id", "7") as { ok: EndpointEntry[] };
      assertEquals(ok.map(formatEndpoint), ["10.0.2.1 id 7 subflow backup"]);
      assertEquals(await ask("endpoint", "change", "10.0.2.1", "nobackup", "fullmesh"), {
        ok: null,
      });
      assertEquals(conn.info().subflows.length, 2);
      assertEquals(await ask("endpoint", "delete", "id", "7"), { ok: null });
      await listening.until("SF_CLOSED");
      assertEquals(await ask("endpoint", "flush"), { ok: null });
      for (
        const [words, error] of [
          ["endpoint delete id 7", "Cannot remove endpoint 7 as there is none: the ids are none"],
          ["endpoint add 10.0.2.1 sideways", "'sideways' is none of signal, subflow"],
          ["endpoint add", "'address' must be an IPv4 or IPv6 address"],
          ["endpoint change id 7", "it names none of backup, nobackup, fullmesh, nofullmesh"],
          ["endpoint change id x backup", "'id' needs a number: it is \"x\""],
          ["endpoint show id 3", "Cannot show endpoint 3 as there is none"],
          ["endpoint flush now", "'now' is not expected there"],
          ["endpoint explode", "'explode' is not expected there: the words are add ADDRESS"],
          ["limits set subflows", "'subflows' needs a number: it is missing"],
          ["limits set subflows 9", "'subflows' must be an integer from 0 to 8"],
          ["limits set", "Cannot set limits as none is named"],
        ] as const
      ) {
        const [command, ...rest] = words.split(" ");
        const { error: told } = await ask(command!, ...rest) as { error: string };
        assert(told.includes(error), `${words}: ${told}`);
      }
      assertEquals(await main(["endpoint", "--control", path, "--json", "show"]), 0);
      assertEquals(await main(["limits", "--control", path, "set", "subflows", "9"]), 1);
      await listening.end();
    } finally {
      await Promise.all([client.close(), server.close()]);
      await Deno.remove(folder, { recursive: true });
    }
  });

  it("says so where the path manager has no endpoints", async () => {
    const folder = await Deno.makeTempDir();
    const { client, server } = await wired();
    try {
      using control = await serveControl(client, `${folder}/mine.sock`);
      assertEquals(await answer(control.path, "endpoint", ["flush"]), {
        error:
          "Cannot do that as the path manager of this host, full_mesh, has no endpoints and no limits to set: 'endpoints' has them (--pm endpoints)",
      });
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
      formatEvent({
        event: "SF_CLOSED",
        token: 1,
        remid: 0,
        locid: 3,
        backup: false,
        error: 104,
        reset_reason: 3,
        reset_flags: 0,
      }),
      "[     SF_CLOSED] token=00000001 remid=0 locid=3 backup=0 error=104 reset_reason=3 reset_flags=0x0",
    );
    assertEquals(
      formatEvent({ event: "LISTENER_CREATED", saddr: "::", sport: 80 }),
      "[LISTENER_CREATED] saddr6=:: sport=80",
    );
    assertEquals(
      formatEvent({ event: "CLOSED", token: 0xffffffff }),
      "[        CLOSED] token=ffffffff",
    );
    assertEquals(formatConnections([]), []);
  });
});
