import { assert, assertEquals, assertLess, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { emulate } from "../../mod.ts";
import { handover, type HandoverOptions } from "../../pm/mod.ts";
import { toyLocal, ToyPaths } from "../kit/toy_paths.ts";

const LTE = toyLocal("10.1.0.1", "lte");
const SECOND = 1e6;

/** A toy whose first path sends 100 kB a second, of which `loss` are lost, with `rtt` milliseconds. */
function toy(options: HandoverOptions = {}, more: { role?: "client" | "server" } = {}) {
  const made = new ToyPaths(handover(options), { locals: [LTE], ...more });
  const state = { loss: 0, rtt: 30, deliveryRate: 1e6, sends: true, bytes: 10e3, timeouts: 0 };
  let bytesSent = 0;
  let bytesRetrans = 0;
  const tick = (): void => {
    if (state.sends) bytesSent += state.bytes;
    if (state.sends) bytesRetrans += state.bytes * state.loss;
    const { rtt, deliveryRate, timeouts } = state;
    made.measure(1, { bytesSent, bytesRetrans, srtt: rtt * 1e3, deliveryRate, timeouts });
    made.events.at(made.now + 100e3, tick);
  };
  made.events.at(50e3, tick);
  made.connection.start();
  let read = 0;
  /** What was done since the last call. */
  const run = (seconds: number): string[] => {
    made.events.run(made.now + seconds * SECOND);
    const lines = made.log.slice(read);
    read = made.log.length;
    return lines;
  };
  return { toy: made, state, run };
}

describe("handover", () => {
  it("has the spare ready as a backup, and leaves it alone while the primary is well", () => {
    const { run } = toy();
    assertEquals(run(60), ["open 2 10.1.0.1>10.9.0.1 backup"]);
  });

  for (
    const [what, change, options] of [
      ["loss", { loss: 0.15 }, {}],
      ["round trip", { rtt: 600 }, {}],
      ["rate", { deliveryRate: 1e5 }, { rate: 1 }],
    ] as const
  ) {
    it(`hands over by ${what}: the spare first, then the primary is its backup`, () => {
      const { run, state } = toy(options);
      run(2);
      Object.assign(state, change);
      assertEquals(run(0.3), []);
      assertEquals(run(2), ["backup 2 false", "backup 1 true"]);
    });
  }

  it("opens the spare when it is needed where none stands by, and breaks only when it is there", () => {
    const { run, state } = toy({ standby: false });
    assertEquals(run(10), []);
    state.loss = 0.5;
    assertEquals(run(2), ["open 2 10.1.0.1>10.9.0.1", "backup 1 true"]);
    state.loss = 0;
    assertEquals(run(15), ["backup 1 false", "close 2"]);
  });

  it("does not judge by less than settles, by little that is sent, or by an idle path", () => {
    const { run, state } = toy({ settle: 2 });
    run(2);
    state.loss = 0.5;
    run(1);
    state.loss = 0;
    assertEquals(run(5), []);
    state.sends = false;
    state.rtt = 5000;
    assertEquals(run(20), []);
  });

  it("hands over where timeout follows timeout, however little is sent: one is chance", () => {
    for (const [count, expected] of [[1, []], [3, ["backup 2 false", "backup 1 true"]]] as const) {
      const { run, state } = toy();
      run(2);
      state.bytes = 500;
      run(3);
      state.loss = 1;
      assertEquals(run(2), []);
      for (let timeout = 0; timeout < count; timeout++) {
        state.timeouts++;
        run(0.2);
      }
      assertEquals(run(2), [...expected]);
    }
  });

  it("does not wait where the primary is stale or gone", () => {
    const { toy: it, run } = toy();
    run(2);
    it.change(1, "stale");
    assertEquals(run(0), ["backup 2 false", "backup 1 true"]);
    const other = toy();
    other.run(2);
    other.toy.change(1, "left");
    assertEquals(other.run(0.5).slice(0, 1), ["backup 2 false"]);
  });

  it("tries the primary after a time beside the spare, and gives it back what lasts", () => {
    const { run, state } = toy({ back: 5 });
    run(2);
    state.loss = 0.3;
    run(2);
    state.loss = 0;
    assertEquals(run(3), []);
    assertEquals(run(2), ["backup 1 false"]);
    assertEquals(run(2), ["backup 2 true"]);
  });

  it("waits twice as long each time that it does not last (hysteresis)", () => {
    const { run, state, toy: it } = toy({ back: 5 });
    run(2);
    state.loss = 0.3;
    const tries: number[] = [];
    for (let i = 0; i < 1500; i++) {
      for (const line of run(0.1)) if (line === "backup 1 false") tries.push(it.now / SECOND);
    }
    const waits = tries.slice(1).map((time, i) => Math.round(time - tries[i]!));
    assertEquals(waits.slice(0, 4), [11, 21, 41, 41]);
  });

  it("takes the primary as it is where the spare is lost", () => {
    const { toy: it, run, state } = toy();
    run(2);
    state.loss = 0.3;
    run(2);
    it.change(2, "left");
    assertEquals(run(0.1).includes("backup 1 false"), true);
  });

  it("lets the spare work when the peer says that the primary fares badly", () => {
    const { toy: it, run } = toy();
    run(2);
    it.measure(1, { backup: true });
    it.connection.subflowChanged(1, "priority");
    assertEquals(run(0.1), ["backup 2 false"]);
    it.measure(1, { backup: false });
    it.connection.subflowChanged(1, "priority");
    assertEquals(run(0.1), ["backup 2 true"]);
  });

  it("as a server opens nothing, and tells by MP_PRIO when another path is there", () => {
    const { toy: it, run, state } = toy({}, { role: "server" });
    run(2);
    state.loss = 0.3;
    assertEquals(run(3), []);
    it.join(7, { address: "10.9.0.7", port: 50000 }, "10.0.0.1");
    assertEquals(run(1), ["backup 1 true"]);
  });

  it("finds links by their names", () => {
    const { run, state } = toy({ primary: "wifi", spare: "satellite" });
    run(2);
    state.loss = 0.5;
    assertEquals(run(5), []);
    const named = toy({ primary: "lte", spare: "wifi" });
    assertEquals(named.run(1), ["backup 1 true", "open 2 10.1.0.1>10.9.0.1"]);
  });

  it("says what is wrong with an option", () => {
    assertThrows(() => handover({ loss: 0 }), RangeError, "above 0 to 1: current value is 0");
    assertThrows(() => handover({ rtt: -1 }), RangeError, "'rtt' must be a number above 0");
    assertThrows(() => handover({ back: 0 }), RangeError, "from 1 to 3600: current value is 0");
    assertThrows(() => handover({ rate: "1" as never }), TypeError, "'rate' must be a number");
    assertThrows(() => handover({ spare: 1 as never }), TypeError, "the name of a link");
    assertThrows(() => handover({ standby: "no" as never }), TypeError, "true or false");
  });
});

describe("handover, Wi-Fi that fades and comes back", () => {
  for (const sender of ["client", "server"] as const) {
    it(`of what the ${sender} sends`, async () => {
      await using net = emulate({
        paths: {
          wifi: { rate: "20 Mbit/s", delay: "10 ms" },
          lte: { rate: "8 Mbit/s", delay: "35 ms" },
        },
        pathManager: handover({ back: 5 }),
      });
      using listener = net.server.listen({ port: 80 });
      const [client, server] = await Promise.all([
        net.client.connect({ hostname: "server", port: 80 }),
        listener.accept(),
      ]);
      const [from, to] = sender === "client" ? [client, server] : [server, client];
      if (sender === "server") await client.write(new Uint8Array(1));
      let received = 0;
      let stall = 0;
      let last = net.now;
      const reading = (async () => {
        for await (const chunk of to.readable) {
          received += chunk.length;
          stall = Math.max(stall, net.now - last);
          last = net.now;
        }
      })();
      const total = 40e6;
      const writing = from.write(new Uint8Array(total)).then(() => from.closeWrite());
      // What fails first is told.
      writing.catch(() => {});
      reading.catch(() => {});
      const wifi = net.path("wifi");
      const carried = (): number[] =>
        ["wifi", "lte"].map((name) => net.path(name)[sender === "client" ? "up" : "down"].bytes);
      const during = async (seconds: number): Promise<number[]> => {
        const before = carried();
        await net.sleep(`${seconds} s`);
        return carried().map((bytes, i) => Math.round((bytes - before[i]!) / seconds / 1e3));
      };
      // All on Wi-Fi.
      await net.sleep("2 s");
      const [, before] = await during(2);
      assert(before! < 20, `LTE carried ${before} kB/s`);
      // It fades: less and less gets through.
      wifi.set({ rate: "4 Mbit/s", loss: 0.1 });
      await net.sleep("1 s");
      wifi.set({ rate: "1 Mbit/s", loss: 0.3 });
      // What is lost on it, and when, is chance: a few timeouts pass before enough has been sent to judge it.
      await net.sleep("4 s");
      const [faded, instead] = await during(1);
      assert(instead! > 500, `LTE carried ${instead} kB/s`);
      assert(faded! < 100, `Wi-Fi carried ${faded} kB/s`);
      // It dies, with LTE long at work.
      stall = 0;
      wifi.cut();
      await net.sleep("2 s");
      assertLess(stall, 1e6, "longest pause");
      // It comes back, and has all again.
      wifi.set({ rate: "20 Mbit/s", loss: 0 });
      wifi.restore();
      await net.sleep("22 s");
      const [back, left] = await during(1);
      if (received < total) {
        assert(back! > 1500, `Wi-Fi carried ${back} kB/s`);
        assert(left! < 20, `LTE carried ${left} kB/s`);
      }
      await writing;
      await reading;
      assertEquals(received, total);
    });
  }
});
