import { assert, assertEquals, assertRejects } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { Network } from "../../core/link/sim/network.ts";
import { VirtualTime } from "../../core/net/virtual_time.ts";

function setUp() {
  const network = new Network();
  const time = new VirtualTime(network);
  /** A call that an event at `at` ends. */
  function call(at: number, counts: boolean | (() => boolean) = true): Promise<number> {
    return new Promise((resolve, reject) => {
      const end = time.wait("read", counts, (error) => {
        end();
        reject(error);
      });
      network.clock.at(at, () => {
        end();
        resolve(time.now);
      });
    });
  }
  return { network, time, call };
}

/** A turn of the event loop, and some more. */
async function realTurns(): Promise<void> {
  for (let i = 0; i < 5; i++) await new Promise((resolve) => setTimeout(resolve, 0));
}

describe("virtual time", () => {
  it("passes while a program waits, and only as far as the wait", async () => {
    const { network, time, call } = setUp();
    network.clock.at(90, () => {});
    const waiting = call(50);
    assertEquals(time.now, 0);
    assertEquals(await waiting, 50);
    await realTurns();
    assertEquals(time.now, 50);
    await time.sleep("1 ms");
    assertEquals(time.now, 1050);
  });

  it("stands still for a wait that does not count", async () => {
    const { time, call } = setUp();
    const accepted = call(70, false);
    await realTurns();
    assertEquals(time.now, 0);
    await time.sleep("1 ms");
    assertEquals(await accepted, 70);
  });

  it("passes for a wait that counts at times, at those", async () => {
    const { network, time, call } = setUp();
    let expecting = true;
    const counts = (): boolean => expecting;
    network.clock.at(60, () => {});
    network.clock.at(80, () => expecting = false);
    assertEquals(await call(70, counts), 70);
    const never = call(90, counts).catch((error) => error.message);
    await realTurns();
    assertEquals(time.now, 80);
    time.close();
    assert((await never).includes("has been closed"));
  });

  it("lets a program go on before the next thing happens", async () => {
    const { time, call } = setUp();
    const log: string[] = [];
    async function program(name: string, at: number): Promise<void> {
      log.push(`${name} ${await call(at)}`);
      for (let i = 0; i < 100; i++) await null;
      log.push(`${name} still ${time.now}`);
    }
    await Promise.all([program("b", 20), program("a", 10), program("c", 20)]);
    assertEquals(log, [
      "a 10",
      "a still 10",
      "b 20",
      "b still 20",
      "c 20",
      "c still 20",
    ]);
  });

  it("is held by work outside, also by work that fails", async () => {
    const { time } = setUp();
    const slept = time.sleep("1 ms");
    const file = time.outside(realTurns().then(() => time.now));
    const failing = time.outside(realTurns().then(() => Promise.reject(new Error("no file"))));
    assertEquals(await file, 0);
    await assertRejects(() => failing, Error, "no file");
    await slept;
    assertEquals(time.now, 1000);
  });

  it("names the wait that nothing can end", async () => {
    const { time } = setUp();
    const hopeless = new Promise<never>((_, reject) => {
      const end = time.wait('read from 10.0.0.1 port 80 on "client"', true, (error) => {
        end();
        reject(error);
      });
    });
    await assertRejects(
      () => hopeless,
      Error,
      'Cannot read from 10.0.0.1 port 80 on "client" as nothing is left to happen',
    );
    await time.sleep("1 us");
    assertEquals(time.now, 1);
  });

  it("names the wait that is kept alive by timers for ever", async () => {
    const { network, time } = setUp();
    let probes = 0;
    const timer = network.clock.timer(() => {
      probes++;
      timer.arm(network.now + 3600e6);
    });
    timer.arm(0);
    await time.sleep("100000000 s"); // over three years: known to end
    const hopeless = new Promise<never>((_, reject) => {
      time.wait("write", true, reject);
    });
    await assertRejects(() => hopeless, Error, "Cannot write as nothing came of it in a year");
    assert(probes > 365 * 24);
  });

  it("gives signals that abort in virtual time", async () => {
    const { time } = setUp();
    const signal = time.timeout("5 ms");
    await realTurns();
    assertEquals(signal.aborted, false);
    const aborted = new Promise((resolve) =>
      signal.addEventListener("abort", () => resolve(time.now))
    );
    await time.sleep("10 ms");
    assertEquals(await aborted, 5000);
    assertEquals(signal.reason.name, "TimeoutError");
  });

  it("tells the waits of an event that throws", async () => {
    const { network, time, call } = setUp();
    network.clock.at(5, () => {
      throw new RangeError("hook");
    });
    await assertRejects(() => call(10), Error, "an event of the emulated network threw: hook");
    await time.sleep("1 ms");
  });

  it("fails all waits when it is closed", async () => {
    const { time, call } = setUp();
    const [counted, accepted, slept] = [call(10), call(20, false), time.sleep("1 ms")];
    time.close();
    for (const waiting of [counted, accepted, slept, time.sleep("1 us")]) {
      await assertRejects(() => waiting, Error, "has been closed");
    }
    assertEquals(time.now, 0);
  });

  it("leaves the event loop its turn while many events pass", async () => {
    const { network, time, call } = setUp();
    const timer = network.clock.timer(() => timer.arm(network.now + 1));
    timer.arm(0);
    let turns = 0;
    const real = setInterval(() => turns++, 1);
    await call(1_000_000);
    clearInterval(real);
    timer.disarm();
    assert(turns > 0);
    assertEquals(time.now, 1_000_000);
  });
});
