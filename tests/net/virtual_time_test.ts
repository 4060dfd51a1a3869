import { assert, assertEquals, assertRejects } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { scrypt } from "node:crypto";
import { readFile } from "node:fs/promises";
import { setTimeout as nodeTimeout } from "node:timers";
import { setTimeout as delay } from "node:timers/promises";
import { Network } from "../../core/link/sim/network.ts";
import { VirtualTime } from "../../core/net/virtual_time.ts";

function setUp(idle?: number) {
  const network = new Network();
  const time = new VirtualTime(network, idle);
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

/** A turn of the event loop, and some more. By an interval, which holds no clock. */
function realTurns(turns = 5): Promise<void> {
  return new Promise((resolve) => {
    const interval = setInterval(() => {
      if (--turns > 0) return;
      clearInterval(interval);
      resolve();
    }, 0);
  });
}

/** A wait that no event ends. */
function hopeless(time: VirtualTime): Promise<never> {
  return new Promise<never>((_, reject) => {
    const end = time.wait('read from 10.0.0.1 port 80 on "client"', true, (error) => {
      end();
      reject(error);
    });
  });
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
    const { time } = setUp(50e3);
    const start = performance.now();
    await assertRejects(
      () => hopeless(time),
      Error,
      'Cannot read from 10.0.0.1 port 80 on "client" as nothing is left to happen in the ' +
        "emulated network and the program has been idle for 0.05 s: check that",
    );
    assert(performance.now() - start >= 49);
    await time.sleep("1 us");
    assertEquals(time.now, 1);
  });

  it("names the wait that is kept alive by timers for ever", async () => {
    const { network, time } = setUp(50e3);
    let probes = 0;
    const timer = network.clock.timer(() => {
      probes++;
      timer.arm(network.now + 3600e6);
    });
    timer.arm(0);
    await time.sleep("100000000 s"); // over three years: known to end
    await assertRejects(() => hopeless(time), Error, "as nothing came of it in a year");
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

  it("does not take a program for idle that calls, or ends a wait", async () => {
    const { network, time, call } = setUp(40e3);
    const waiting = hopeless(time).catch((error) => error.message);
    // Each comes up long before the program has been idle for long enough, all of them long after.
    for (let i = 0; i < 20; i++) {
      await realTurns(3);
      await time.sleep("1 us");
    }
    const end = time.wait("another", true, () => {});
    network.clock.at(time.now + 5, end);
    assertEquals(await call(time.now + 10), 30);
    assert((await waiting).includes("has been idle"));
  });
});

/** The same with a host, so that the program's own work is looked for. */
function setUpHost(idle?: number) {
  const all = setUp(idle);
  all.time.runtime(all.network.host("client"), () => false);
  return { ...all, [Symbol.dispose]: () => all.time.close() };
}

const WORKS: Readonly<Record<string, () => Promise<unknown>>> = {
  "an immediate": () => new Promise((resolve) => setImmediate(resolve)),
  "immediates": async () => {
    for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve));
  },
  "setTimeout()": () => new Promise((resolve) => setTimeout(resolve, 5)),
  "node:timers": () => new Promise((resolve) => nodeTimeout(resolve, 5)),
  "node:timers/promises": () => delay(5),
  "crypto.subtle": () =>
    crypto.subtle.generateKey({ name: "ECDSA", namedCurve: "P-256" }, true, ["sign"]),
  "node:crypto": () => new Promise((resolve) => scrypt("mptcp", "salt", 32, resolve)),
  "Deno.readFile()": () => Deno.readFile(new URL(import.meta.url)),
  "node:fs": () => readFile(new URL(import.meta.url)),
  "a process": () => new Deno.Command(Deno.execPath(), { args: ["--version"] }).output(),
  "a message to itself": () => {
    const { port1, port2 } = new MessageChannel();
    const got = new Promise<void>((resolve) =>
      port1.onmessage = () => {
        port1.close();
        resolve();
      }
    );
    port2.postMessage(1);
    return got;
  },
};

describe("virtual time stands still while the program is at", () => {
  for (const [name, work] of Object.entries(WORKS)) {
    it(name, async () => {
      using setting = setUpHost(60e6);
      const { time } = setting;
      let slept = false;
      const sleeping = time.sleep("100 s").then(() => slept = true);
      // Another coroutine; it may act at any time.
      for (let i = 0; i < 3; i++) await work();
      assertEquals([time.now, slept], [0, false]);
      await sleeping;
      assertEquals(time.now, 100e6);
    });
  }
});

describe("virtual time does not wait for", () => {
  it("what guards or repeats: a longer timer, an interval, one that is let go", async () => {
    using setting = setUpHost(3600e6);
    const { time, network, call } = setting;
    const guard = setTimeout(() => {}, 3600e3);
    const interval = setInterval(() => {}, 1);
    const light = nodeTimeout(() => {}, 50).unref();
    let events = 0;
    const busy = network.clock.timer(() => ++events < 1000 && busy.arm(network.now + 1));
    busy.arm(0);
    assertEquals(await call(1001), 1001);
    assertEquals(time.now, 1001);
    clearTimeout(guard);
    clearInterval(interval);
    clearTimeout(light);
  });

  it("a loop of timers, after the idle time once", async () => {
    using setting = setUpHost(40e3);
    const { time } = setting;
    let slept = false;
    time.sleep("1 s").then(() => slept = true);
    while (!slept) await delay(2);
    assertEquals(time.now, 1e6);
    // Known now: passes with the first turn of the event loop, and events are many.
    const again = time.sleep("1 s");
    await delay(2);
    await again;
  });

  it("a worker that says nothing, and takes its message all the same", async () => {
    using setting = setUpHost(40e3);
    const { time } = setting;
    const code = "onmessage = ({ data }) => setTimeout(() => postMessage(data + 1), 20)";
    const worker = new Worker(`data:text/javascript,${encodeURIComponent(code)}`, {
      type: "module",
    });
    const answer = new Promise<number>((resolve) => worker.onmessage = ({ data }) => resolve(data));
    await time.sleep("1 s");
    worker.postMessage(41);
    const waiting = hopeless(time).catch((error) => error.message);
    assertEquals(await answer, 42);
    assertEquals(time.now, 1e6);
    worker.terminate();
    assert((await waiting).includes("has been idle"));
  });

  it("work that was waited for in vain, at a dead end either", async () => {
    using setting = setUpHost(40e3);
    const { time } = setting;
    const listener = Deno.listen({ port: 0, hostname: "127.0.0.1" });
    const accepting = listener.accept().catch(() => {});
    await assertRejects(() => hopeless(time), Error, "as nothing is left to happen");
    listener.close();
    await accepting;
  });
});

describe("before a silence", () => {
  it("work in the background has real time to come up with something", async () => {
    using setting = setUpHost(800e3);
    const { network, time } = setting;
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {};
    await time.sleep("1 us"); // known as background from now on
    const probes = network.clock.timer(() => probes.arm(network.now + 60e6));
    probes.arm(60e6);
    let at = -1;
    const waiting = new Promise<void>((resolve) => {
      const end = time.wait("read", true, () => {});
      port1.onmessage = () => {
        at = time.now;
        end();
        resolve();
      };
    });
    setTimeout(() => port2.postMessage(1), 150); // holds no clock
    await waiting;
    assert(at <= 120e6, `it came at ${at} us`);
    port1.close();
    port2.close();
    probes.disarm();
  });
});
