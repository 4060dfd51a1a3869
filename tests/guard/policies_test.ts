import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { reno } from "../../cc/mod.ts";
import type {
  CongestionControlPlugin,
  ConnectionView,
  SchedulerPlugin,
} from "../../core/plugin.ts";
import { emulate, type EmulateOptions } from "../../mod.ts";
import { minRtt } from "../../sched/mod.ts";

const PATHS: EmulateOptions["paths"] = {
  wifi: { rate: "20 Mbit/s", delay: "15 ms" },
  lte: { rate: "12 Mbit/s", delay: "40 ms" },
};

/** `reno` that draws a random number for each acknowledgement, and heeds none. */
function drawing(): CongestionControlPlugin {
  const plugin = reno();
  return {
    ...plugin,
    create(connection) {
      const group = plugin.create(connection);
      return {
        join(subflow) {
          const controller = group.join(subflow);
          const onAck = controller.onAck.bind(controller);
          return Object.assign(controller, {
            onAck(...told: Parameters<typeof onAck>): void {
              connection.random();
              onAck(...told);
            },
          });
        },
      };
    },
  };
}

/** What the scheduler of the client draws while it sends 100 KB over paths that it draws by lot. */
async function draws(name: string, congestionControl: CongestionControlPlugin): Promise<number[]> {
  const drawn: number[] = [];
  const scheduler: SchedulerPlugin = {
    kind: "scheduler",
    name,
    create: (connection: ConnectionView) => ({
      pick(ready) {
        const number = connection.random();
        if (connection.role === "client") drawn.push(number);
        return ready[Math.floor(number * ready.length)] ?? null;
      },
    }),
  };
  await using net = emulate({
    paths: PATHS,
    linger: "1 ms",
    scheduler,
    congestionControl,
    seed: 1,
  });
  using listener = net.server.listen({ port: 80 });
  const [conn, peer] = await Promise.all([
    net.client.connect({ hostname: "server", port: 80 }),
    listener.accept(),
  ]);
  const writing = conn.write(new Uint8Array(100_000)).then(() => conn.closeWrite());
  for await (const _ of peer.readable);
  await writing;
  return drawn;
}

describe("the random numbers of a plugin", () => {
  it("are not shifted by another plugin that draws", async () => {
    const alone = await draws("lottery", reno());
    assert(alone.length > 20);
    assertEquals(await draws("lottery", drawing()), alone);
    // Not even by one of the same name.
    assertEquals(await draws("reno", drawing()), await draws("reno", reno()));
  });

  it("follow from its name", async () => {
    assert((await draws("lottery", reno()))[0] !== (await draws("tombola", reno()))[0]);
  });
});

describe("lookAhead", () => {
  const scheduler: SchedulerPlugin = { ...minRtt(), name: "pushes", lookAhead: -1 };
  const message =
    "Cannot use pushes as a scheduler as its 'lookAhead' must be a number from 0 on: current value is -1";

  it("is refused wherever a plugin is given, where it is none", async () => {
    await using net = emulate({ paths: PATHS, linger: "1 ms" });
    using listener = net.server.listen({ port: 80 });
    const address = { hostname: "server", port: 80 } as const;
    await assertRejects(() => net.client.connect({ ...address, scheduler }), TypeError, message);
    const [conn] = await Promise.all([net.client.connect(address), listener.accept()]);
    assertThrows(() => conn.setScheduler(scheduler), TypeError, message);
    assertThrows(() => emulate({ paths: PATHS, scheduler }), TypeError, message);
  });
});
