import "../support/growing_memory.ts";
import { assert } from "@std/assert";
import { it } from "@std/testing/bdd";
import type { Link, MptcpConn, SchedulerPlugin } from "../../mod.ts";
import { minRtt } from "../../sched/mod.ts";
import { memory_reserve, u8 } from "../../wasm/mod.ts";
import { needs } from "../support/tools.ts";
import { Stand } from "./support/stand.ts";
import { until } from "./support/wait.ts";

/** Grows the memory, at most so often in each place. */
class Growth {
  readonly times: Record<string, number> = {};
  /** The application's call that runs. */
  call: string | null = null;

  force(where: string): void {
    const times = this.times[where] ?? 0;
    if (times === 40) return;
    const before = u8.length;
    assert(memory_reserve(65536) === 1 && u8.length > before);
    this.times[where] = times + 1;
  }

  /** Grows it in the middle of each batch of packets, and wherever a call of the application sends something. */
  wrap(link: Link): Link {
    const attach = link.attach.bind(link);
    const send = link.send.bind(link);
    link.attach = (driver) =>
      attach({
        get now() {
          return driver.now;
        },
        receive: (...packet) => {
          this.force("batch");
          driver.receive(...packet);
        },
        writable: (link) => driver.writable(link),
        at: (time, callback) => driver.at(time, callback),
        timer: (callback) => driver.timer(callback),
        random: (name) => driver.random(name),
      });
    link.send = (...packet) => {
      if (this.call !== null) this.force(this.call);
      return send(...packet);
    };
    return link;
  }

  /** Tells reads and writes of `conn` apart from other work. */
  watch(conn: MptcpConn): void {
    for (const call of ["read", "write"] as const) {
      const original = conn[call].bind(conn);
      conn[call] = (bytes: Uint8Array): Promise<never> => {
        this.call = call;
        try {
          return original(bytes) as Promise<never>;
        } finally {
          this.call = null;
        }
      };
    }
  }

  /** A scheduler that grows it while it decides. */
  scheduler(): SchedulerPlugin {
    const plugin = minRtt();
    return {
      ...plugin,
      create: (connection) => {
        const scheduler = plugin.create(connection);
        return {
          ...scheduler,
          pick: (ready, chunk) => {
            this.force("decision");
            return scheduler.pick(ready, chunk);
          },
        };
      },
    };
  }
}

needs("kernel", "python3").describe("memory that grows", () => {
  for (const checksum of [false, true]) {
    it(`in a batch, a read, a write and a decision changes nothing${checksum ? ", with DSS checksums" : ""}`, async () => {
      const growth = new Growth();
      const size = 32 << 20;
      await using stand = await Stand.open({
        lab: { checksum },
        interfaces: { wrap: (link) => growth.wrap(link) },
        host: { scheduler: growth.scheduler() },
      });
      await using meeting = await stand.meet("client", "both", { size });
      growth.watch(meeting.conn);
      let paused: Promise<void> | null = null;
      // A read that opens a closed window tells the kernel at once.
      const closed = (): boolean => {
        const { rmem_alloc, rcvbuf } = meeting.conn.info().skmem;
        return rmem_alloc > rcvbuf - (1 << 16);
      };
      await meeting.exchange(size, {
        received: (bytes) =>
          bytes > size / 4 ? paused ??= until("the window is closed", closed, 60) : undefined,
      });
      for (const where of ["batch", "read", "write", "decision"]) {
        assert(growth.times[where]! > 0, `${where}: ${JSON.stringify(growth.times)}`);
      }
    });
  }
});
