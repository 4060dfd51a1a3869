import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import type { DrivenStack, HostDriver, Link, PollSource } from "../../core/host/link.ts";
import { Loop } from "../../core/link/loop.ts";
import { Libc } from "../../core/link/tun/libc.ts";
import { tun } from "../../core/link/tun/tun.ts";
import { makeNamespace } from "../../cli/namespace.ts";
import { pong, program, Recorder, stand } from "../support/tun.ts";
import { needs } from "../support/tools.ts";
import { sleep, until } from "../interop/support/wait.ts";

/** A link that takes all and sends nothing; `attach` is handed its driver, `source` is polled. */
function linkOf(name: string, attach: (driver: HostDriver) => void, source?: PollSource): Link {
  return {
    name,
    mtu: 1500,
    maxSegments: 1,
    rxVerified: false,
    txChecksum: "full",
    send: () => true,
    attach,
    close: () => Promise.resolve(),
    source,
  };
}

describe("payload that is read to its place", () => {
  it("is handed to a stack that says that it looks for it there, and to nothing else", async () => {
    for (const takesLanded of [undefined, false, true]) {
      const loop = new Loop();
      let host: HostDriver | undefined;
      loop.add(linkOf("a", (driver) => void (host = driver)));
      assertEquals(host!.takesLanded, false);
      const stack: DrivenStack = {
        handlePacket() {},
        handleWritable() {},
        handleTimeout() {},
        pollTimeout: () => Infinity,
        flush() {},
      };
      loop.start(takesLanded === undefined ? stack : { ...stack, takesLanded });
      assertEquals(host!.takesLanded, takesLanded === true);
      await loop.close();
    }
  });
});

/** What a stack is handed in one turn by devices that have these packets, by number; after some of them it looks for the next ones elsewhere. */
async function turnOf(
  devices: readonly number[][],
  elsewhere: readonly number[],
): Promise<number[]> {
  const loop = new Loop();
  const handed: number[] = [];
  let flushed = 0;
  devices.forEach((packets, i) => {
    let host: HostDriver | undefined;
    const link = linkOf(`device ${i}`, (driver) => void (host = driver), {
      fd: -1,
      drain(budget) {
        let count = 0;
        while (count < budget && packets.length > 0) {
          count++;
          const length = packets.shift()!;
          host!.receive(link, { address: 0, length, gsoSize: 0, verified: true });
          if (host!.enough === true) break;
        }
        return count;
      },
    });
    loop.add(link);
  });
  loop.start({
    handlePacket: (_now, _link, { length }) => void (flushed === 0 && handed.push(length)),
    get elsewhere() {
      return elsewhere.includes(handed.at(-1)!);
    },
    handleWritable() {},
    handleTimeout() {},
    pollTimeout: () => Infinity,
    flush: () => void flushed++,
  });
  await loop.close();
  return handed;
}

describe("devices of one loop", () => {
  it("are read one after the other, but one whose stack looks elsewhere waits for the others", async () => {
    assertEquals(await turnOf([[1, 2, 3], [4, 5]], []), [1, 2, 3, 4, 5]);
    assertEquals(await turnOf([[1, 2, 3], [4, 5]], [1]), [1, 4, 5, 2, 3]);
    assertEquals(await turnOf([[1, 2, 3], [4, 5]], [1, 4, 2]), [1, 4, 2, 5, 3]);
    assertEquals(await turnOf([[1, 2], [3, 4], [5, 6]], [1, 3, 5]), [1, 3, 5, 2, 4, 6]);
  });

  it("do not wait for one that has nothing", async () => {
    assertEquals(await turnOf([[1, 2, 3], []], [1, 2, 3]), [1, 2, 3]);
    assertEquals(await turnOf([[], [1, 2, 3]], [1, 2, 3]), [1, 2, 3]);
    assertEquals(await turnOf([[1, 2, 3]], [1, 2, 3]), [1, 2, 3]);
  });

  it("each bring a batch at most, however often they wait", async () => {
    const many = (from: number): number[] => Array.from({ length: 100 }, (_, i) => from + i);
    const handed = await turnOf([many(0), many(1000)], [...many(0), ...many(1000)]);
    assertEquals([handed.length, handed.filter((packet) => packet < 1000).length], [128, 64]);
  });

  it("each bring a megabyte at most", async () => {
    const large = (from: number): number[] => Array.from({ length: 40 }, (_, i) => from + i);
    for (const elsewhere of [[], [...large(50_000), ...large(60_000)]]) {
      const handed = await turnOf([large(50_000), large(60_000), [1, 2]], elsewhere);
      const bytes = (least: number, end: number): number =>
        handed.filter((length) => length >= least && length < end).reduce((a, b) => a + b, 0);
      assert(bytes(50_000, 60_000) >= 2 ** 20 && bytes(50_000, 60_000) < 2 ** 20 + 51_000);
      assert(bytes(60_000, 70_000) >= 2 ** 20 && bytes(60_000, 70_000) < 2 ** 20 + 61_000);
      assertEquals(bytes(0, 50_000), 3);
    }
  });
});

/** A loop whose device has a packet each second time that it is looked at, and never tells so: it goes on only as long as it waits in this thread. */
class Waiting {
  readonly loop = new Loop({ spin: 0 });
  looks = 0;
  #busy = false;

  constructor(fd: number) {
    this.loop.add(linkOf("a", () => {}, { fd, drain: () => ++this.looks & 1 }));
    this.loop.start({
      handlePacket() {},
      handleWritable() {},
      handleTimeout() {},
      pollTimeout: () => this.#busy ? this.loop.now() + 1000 : Infinity,
      flush() {},
    });
  }

  /** Whether it looks again and again when it is held, and its packets have come soon one after the other. */
  async goesOn(): Promise<boolean> {
    this.#busy = true;
    this.loop.hold(false);
    await sleep(30);
    this.#busy = false;
    const before = this.looks;
    this.loop.hold(true);
    await sleep(30);
    return this.looks > before + 10;
  }
}

needs("kernel").describe("the loop", () => {
  it("waits in the thread of the program only where no other loop does: it would keep the other from its packets", async () => {
    const libc = new Libc();
    const fd = libc.calls.eventfd(0, 0);
    const first = new Waiting(fd);
    const second = new Waiting(fd);
    try {
      await until("the first waits", () => first.goesOn());
      second.loop.hold(true);
      await until("both are asleep", async () => {
        const looks = first.looks + second.looks;
        await sleep(30);
        return looks === first.looks + second.looks;
      });
      assertEquals([await first.goesOn(), await second.goesOn()], [false, false]);
      await first.loop.close();
      await until("the one that is left waits", () => second.goesOn());
    } finally {
      await first.loop.close();
      await second.loop.close();
      libc.calls.close(fd);
      libc.close();
    }
  });

  /** A link behind a descriptor, and what it told and was told. */
  function watched(loop: Loop, fd: number, check?: (link: Link, host: HostDriver) => void) {
    const seen = { gone: 0, checks: 0 };
    let host: HostDriver | undefined;
    const link: Link = linkOf("a", (driver) => void (host = driver), {
      fd,
      drain: () => 0,
      ...(check !== undefined && {
        check() {
          seen.checks++;
          check(link, host!);
        },
      }),
    });
    loop.add(link);
    loop.start({
      handlePacket() {},
      handleWritable() {},
      handleGone: (_now, gone) => void (seen.gone += gone === link ? 1 : 2),
      handleTimeout() {},
      pollTimeout: () => Infinity,
      flush() {},
    });
    loop.hold(true);
    return seen;
  }

  it("tells once of a device that is in error at each poll, and sleeps again", async () => {
    const loop = new Loop({ spin: 0 });
    const seen = watched(loop, 1 << 20);
    await until("it is told", () => seen.gone > 0);
    await sleep(30);
    assertEquals(seen.gone, 1);
    await loop.close();
  });

  it("leaves it to a device that can tell whether an error is its end", async () => {
    const libc = new Libc();
    const pipes = Deno.dlopen("libc.so.6", { pipe: { parameters: ["buffer"], result: "i32" } });
    const ends = new Int32Array(2);
    assertEquals(pipes.symbols.pipe(ends), 0);
    const [reader, writer] = ends as Iterable<number> as [number, number];
    // An end that writes is in error while none reads.
    libc.calls.close(reader);
    try {
      let there = true;
      const loop = new Loop({ spin: 0 });
      const seen = watched(loop, writer, (link, host) => {
        if (!there) host.gone!(link);
      });
      await until("it was in error many times", () => seen.checks > 100);
      assertEquals(seen.gone, 0);
      there = false;
      await until("it is told", () => seen.gone > 0);
      const { checks } = seen;
      await sleep(30);
      assert(seen.checks <= checks + 1);
      assertEquals(seen.gone, 1);
      await loop.close();
    } finally {
      libc.calls.close(writer);
      libc.close();
      pipes.close();
    }
  });

  needs("ping").it(
    "tells once of a TUN device that is deleted, and goes on with the others",
    async () => {
      await using it = await stand({}, new Recorder(pong));
      const { loop, namespace, stack } = it;
      const link = tun("mptcp1", { namespace: namespace.name });
      link.configure(["10.77.2.2/24"]);
      loop.add(link);
      const gone: string[] = [];
      Object.assign(stack, { handleGone: (_now: number, { name }: Link) => gone.push(name) });
      await namespace.exec(["ip", "link", "del", "mptcp1"]);
      await until("it is told", () => gone.length > 0);
      await namespace.exec(["ping", "-c", "2", "-i", "0.05", "10.77.1.2"]);
      assertEquals(gone, ["mptcp1"]);
    },
  );

  it("fires what is due in order, and never early", async () => {
    await using it = await stand();
    const { loop } = it;
    const fired: string[] = [];
    const { resolve, promise } = Promise.withResolvers<void>();
    const start = loop.now();
    const early: number[] = [];
    const note = (name: string, due: number): () => void => () => {
      fired.push(name);
      if (loop.now() < due) early.push(due - loop.now());
    };
    loop.at(start + 3000, note("3", start + 3000));
    loop.at(start + 500, note("0.5", start + 500));
    loop.at(start + 500, note("0.5 too", start + 500));
    const cancel = loop.at(start + 1000, note("cancelled", 0));
    loop.at(start + 4000, resolve);
    cancel();
    await promise;
    assertEquals([fired, early], [["0.5", "0.5 too", "3"], []]);
  });

  it("heeds a deadline that moves earlier while it sleeps", async () => {
    await using namespace = await makeNamespace();
    const loop = new Loop({ spin: 0 });
    const link = tun("mptcp0", { namespace: namespace.name, kernelAddresses: [] });
    loop.add(link);
    let deadline = Infinity;
    const { resolve, promise } = Promise.withResolvers<void>();
    loop.start({
      handlePacket() {},
      handleWritable() {},
      handleTimeout() {
        deadline = Infinity;
        resolve();
      },
      pollTimeout: () => deadline,
      flush() {},
    });
    loop.hold(true);
    // Long enough for it to fall asleep.
    await new Promise((resolve) => setTimeout(resolve, 5));
    deadline = loop.now() + 100;
    loop.wake();
    await promise;
    await loop.close();
  });

  it("lets the program end unless it is held", async () => {
    await using namespace = await makeNamespace();
    const body = (held: boolean): string =>
      `const loop = new Loop();
      loop.add(tun("mptcp0", { kernelAddresses: [] }));
      loop.start(quiet);
      loop.hold(true);
      loop.at(loop.now() + 30_000, () => { console.log("fired"); ${
        held ? "void loop.close()" : "loop.hold(false)"
      }; });`;
    for (const held of [true, false]) {
      const { stdout } = await namespace.exec(["timeout", "20", ...program(body(held))]);
      assertEquals(stdout, "fired\n");
    }
    const { stdout } = await namespace.exec([
      "timeout",
      "20",
      ...program(`const loop = new Loop();
        loop.add(tun("mptcp0", { kernelAddresses: [] }));
        loop.start(quiet);
        loop.at(loop.now() + 1e6, () => console.log("never"));`),
    ]);
    assertEquals(stdout, "");
  });

  it("is closed once, and starts once", async () => {
    const it = await stand();
    assertThrows(() => it.loop.start(it.stack), TypeError, "started before");
    await Promise.all([it.loop.close(), it.loop.close()]);
    await it.loop.close();
    await it.namespace.close();
    assertThrows(() => new Loop({ spin: -1 }), RangeError, "'spin'");
    assertThrows(() => new Loop({ spin: NaN }), RangeError, "'spin'");
    assertThrows(() => new Loop({ wait: 1001 }), RangeError, "'wait'");
  });

  it("passes an error of the stack on to whoever closes it", async () => {
    await using namespace = await makeNamespace();
    const loop = new Loop();
    loop.add(tun("mptcp0", { namespace: namespace.name, kernelAddresses: [] }));
    loop.start({
      handlePacket() {},
      handleWritable() {},
      handleTimeout() {},
      pollTimeout() {
        throw new Error("broken");
      },
      flush() {},
    });
    await assertRejects(() => loop.close(), Error, "broken");
  });
});
