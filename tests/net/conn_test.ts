import { assert, assertEquals, assertRejects, assertStrictEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { reno } from "../../cc/mod.ts";
import type { CongestionControlPlugin, SchedulerPlugin } from "../../core/plugin.ts";
import { DEFAULT_KEEP_ALIVE } from "../../core/subflow/settings.ts";
import { fakeHosts, fakePair } from "../support/fake_hosts.ts";

const HELLO = new TextEncoder().encode("hello");

function zeros(length: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array(length);
}

/** Whether a promise is still pending after everything that can go on has. */
async function isPending(promise: Promise<unknown>): Promise<boolean> {
  const pending = Symbol();
  const settled = await Promise.race([promise.catch(() => {}), Promise.resolve(pending)]);
  return settled === pending;
}

/** Lets the fake network move what it can. */
async function turn(): Promise<void> {
  for (let i = 0; i < 2; i++) await new Promise<void>((resolve) => setImmediate(resolve));
}

describe("MptcpConn.read()", () => {
  it("gives what is there, then null at the end", async () => {
    const { client, server } = await fakePair();
    await client.write(HELLO);
    const buffer = zeros(3);
    assertEquals(await server.read(buffer), 3);
    assertEquals(new TextDecoder().decode(buffer), "hel");
    assertEquals(await server.read(buffer), 2);
    await client.closeWrite();
    assertEquals(await server.read(buffer), null);
    assertEquals(await server.read(buffer), null);
  });

  it("waits for bytes, and for the end", async () => {
    const { client, server } = await fakePair();
    const first = server.read(zeros(10));
    assert(await isPending(first));
    await client.write(HELLO);
    assertEquals(await first, 5);
    const second = server.read(zeros(10));
    await client.closeWrite();
    assertEquals(await second, null);
  });

  it("makes no waiter when there is something", async () => {
    const hosts = fakeHosts();
    const { client, server } = await fakePair(hosts);
    await client.write(HELLO);
    await server.read(zeros(1));
    const waits = hosts.net.waits.size;
    const read = server.read(zeros(1));
    assertEquals(hosts.net.waits.size, waits);
    assertEquals(await read, 1);
  });

  it("of no bytes gives 0 at once", async () => {
    const { client } = await fakePair();
    assertEquals(await client.read(zeros(0)), 0);
  });

  it("rejects a second call while one waits, and serves the first", async () => {
    const { client, server } = await fakePair();
    const first = server.read(zeros(10));
    await assertRejects(() => server.read(zeros(10)), Deno.errors.Busy, "already waiting");
    await client.write(HELLO);
    assertEquals(await first, 5);
  });

  it("gives what came before a reset, then the reset", async () => {
    const { client, server, serverSocket } = await fakePair();
    await client.write(HELLO);
    assertEquals(await server.read(zeros(1)), 1);
    serverSocket.end("ConnectionReset");
    await turn();
    await assertRejects(() => server.write(HELLO), Deno.errors.ConnectionReset);
    assertEquals(await server.read(zeros(10)), 4);
    await assertRejects(() => server.read(zeros(1)), Deno.errors.ConnectionReset, "connect again");
  });

  it("that waits rejects when the connection times out", async () => {
    const { client, clientSocket } = await fakePair();
    const read = client.read(zeros(1));
    clientSocket.end("TimedOut");
    await assertRejects(
      () => read,
      Deno.errors.TimedOut,
      "Cannot read from 10.0.0.2:80 as no path",
    );
  });

  it("that waits rejects with what led to the end, where that is known", async () => {
    const { client, clientSocket } = await fakePair();
    const read = client.read(zeros(1));
    clientSocket.end("ConnectionAborted", "options-removed");
    await assertRejects(
      () => read,
      Deno.errors.ConnectionAborted,
      "Cannot read from 10.0.0.2:80 as MPTCP options were removed on its only path",
    );
  });

  it("that waits is named when nothing is left to happen", async () => {
    const { client } = await fakePair();
    await assertRejects(
      () => client.read(zeros(1)),
      Error,
      "Cannot read from 10.0.0.2:80 as nothing is left to happen",
    );
    // The connection lives on.
    const again = client.read(zeros(1));
    assert(await isPending(again));
    client.close();
    await assertRejects(() => again, Deno.errors.Interrupted);
  });
});

describe("MptcpConn.write()", () => {
  it("resolves to the length when all is in the send queue, however often it fills", async () => {
    const { client, server, clientSocket } = await fakePair();
    clientSocket.capacity = 100;
    const data = Uint8Array.from({ length: 1000 }, (_, i) => i);
    const written = client.write(data);
    assert(await isPending(written));
    const received: number[] = [];
    const buffer = zeros(64);
    while (received.length < 1000) {
      received.push(...buffer.subarray(0, (await server.read(buffer))!));
    }
    assertEquals(await written, 1000);
    assertEquals(received, [...data]);
  });

  it("calls are served in order", async () => {
    const { client, server, clientSocket } = await fakePair();
    clientSocket.capacity = 2;
    const done: number[] = [];
    const writes = [1, 2, 3].map((byte) =>
      client.write(Uint8Array.of(byte, byte, byte)).then(() => done.push(byte))
    );
    const closed = client.closeWrite().then(() => done.push(4));
    const received: number[] = [];
    const buffer = zeros(64);
    for (let count = await server.read(buffer); count !== null; count = await server.read(buffer)) {
      received.push(...buffer.subarray(0, count));
    }
    await Promise.all([...writes, closed]);
    assertEquals(received, [1, 1, 1, 2, 2, 2, 3, 3, 3]);
    assertEquals(done, [1, 2, 3, 4]);
  });

  it("after closeWrite() is a broken pipe; reading goes on", async () => {
    const { client, server } = await fakePair();
    await client.closeWrite();
    await client.closeWrite();
    await assertRejects(() => client.write(HELLO), Deno.errors.BrokenPipe, "before closeWrite()");
    await server.write(HELLO);
    assertEquals(await client.read(zeros(10)), 5);
  });

  it("after both ends is a broken pipe too, and closeWrite() changes nothing", async () => {
    const { client, server } = await fakePair();
    await client.closeWrite();
    await server.closeWrite();
    assertEquals(await client.read(zeros(1)), null);
    await turn();
    await assertRejects(() => client.write(HELLO), Deno.errors.BrokenPipe);
    await client.closeWrite();
  });

  it("that waits rejects when the peer resets, closeWrite() behind it too", async () => {
    const { client, clientSocket, serverSocket } = await fakePair();
    clientSocket.stuck = true;
    const write = client.write(zeros(100000));
    const finish = client.closeWrite();
    serverSocket.abort(0);
    await assertRejects(() => write, Deno.errors.ConnectionReset);
    await assertRejects(() => finish, Deno.errors.ConnectionReset);
  });
});

describe("MptcpConn.close()", () => {
  it("may be called twice; then calls reject with BadResource", async () => {
    const { client } = await fakePair();
    client.close();
    client.close();
    client[Symbol.dispose]();
    await assertRejects(() => client.read(zeros(1)), Deno.errors.BadResource);
    await assertRejects(() => client.write(HELLO), Deno.errors.BadResource);
    await assertRejects(() => client.closeWrite(), Deno.errors.BadResource);
  });

  it("interrupts a read that waits", async () => {
    const { client } = await fakePair();
    const read = client.read(zeros(1));
    client.close();
    await assertRejects(() => read, Deno.errors.Interrupted);
  });

  it("sends what was written; a write() that waits for room rejects, and what of it is in the queue goes", async () => {
    const { client, server, clientSocket } = await fakePair();
    clientSocket.capacity = 10;
    assertEquals(await client.write(zeros(4)), 4);
    const write = client.write(zeros(50));
    const finish = client.closeWrite();
    client.close();
    await assertRejects(() => write, Deno.errors.Interrupted);
    await assertRejects(() => finish, Deno.errors.Interrupted);
    assert(clientSocket.appClosed);
    let received = 0;
    const buffer = zeros(16);
    for (let count = await server.read(buffer); count !== null; count = await server.read(buffer)) {
      received += count;
    }
    assertEquals(received, 10);
  });

  it("with unread data aborts, and rejects writes that wait", async () => {
    const { client, server, clientSocket } = await fakePair();
    await server.write(HELLO);
    await client.read(zeros(1));
    clientSocket.stuck = true;
    const write = client.write(zeros(100000));
    client.close();
    await assertRejects(() => write, Deno.errors.Interrupted);
    await assertRejects(() => server.read(zeros(1)), Deno.errors.ConnectionReset);
  });

  it("keeps addresses and info readable", async () => {
    const { client } = await fakePair();
    client.close();
    assertEquals(client.localAddr.hostname, "10.0.0.1");
    assertEquals(client.remoteAddr, { transport: "tcp", hostname: "10.0.0.2", port: 80 });
    assertEquals(client.info().subflows, []);
  });
});

describe("MptcpConn.abort()", () => {
  it("rejects what waits, and later calls, with the reason", async () => {
    const { client, server, clientSocket } = await fakePair();
    clientSocket.stuck = true;
    const reason = new Error("enough");
    const calls = [client.read(zeros(1)), client.write(zeros(100000)), client.closeWrite()];
    client.abort(reason);
    client.abort(new Error("too late"));
    for (const call of calls) assertStrictEquals(await assertRejects(() => call), reason);
    assertStrictEquals(await assertRejects(() => client.read(zeros(1))), reason);
    assertStrictEquals(await assertRejects(() => client.write(HELLO)), reason);
    await assertRejects(() => server.read(zeros(1)), Deno.errors.ConnectionReset);
    client.close();
    await assertRejects(() => client.read(zeros(1)), Deno.errors.BadResource);
  });

  it("has an AbortError as its reason when none is given", async () => {
    const { client } = await fakePair();
    client.abort();
    const error = await assertRejects(() => client.read(zeros(1)), DOMException);
    assertEquals(error.name, "AbortError");
  });

  it("of a connection that is over changes nothing", async () => {
    const { client, clientSocket } = await fakePair();
    const read = client.read(zeros(1));
    clientSocket.end("ConnectionReset");
    await assertRejects(() => read, Deno.errors.ConnectionReset);
    client.abort(new Error("late"));
    await assertRejects(() => client.read(zeros(1)), Deno.errors.ConnectionReset);
  });
});

describe("using", () => {
  it("closes at the end of its scope", async () => {
    const { client, server } = await fakePair();
    {
      using conn = client;
      await conn.write(HELLO);
    }
    const buffer = zeros(10);
    assertEquals(await server.read(buffer), 5);
    assertEquals(await server.read(buffer), null);
  });

  it("await using waits until both sides are done", async () => {
    const hosts = fakeHosts();
    const { client, server, clientSocket } = await fakePair(hosts);
    const answer = (async () => {
      while (await server.read(zeros(10)) !== null);
      await server.write(zeros(0));
      server.close();
    })();
    {
      await using conn = client;
      await conn.write(HELLO);
    }
    assert(clientSocket.finished);
    assert(hosts.net.time < 1e6, `${hosts.net.time}`);
    await answer;
  });

  it("await using waits no longer than linger", async () => {
    const hosts = fakeHosts();
    const { client, clientSocket } = await fakePair(hosts);
    const start = hosts.net.time;
    {
      await using conn = client;
      await conn.write(HELLO);
    }
    assertEquals(hosts.net.time - start, 10e6);
    assert(!clientSocket.finished);
  });

  it("await using of a connection that is over returns at once", async () => {
    const hosts = fakeHosts();
    const { client } = await fakePair(hosts);
    client.abort();
    const start = hosts.net.time;
    await client[Symbol.asyncDispose]();
    assertEquals(hosts.net.time, start);
  });
});

describe("signal", () => {
  it("that is aborted ends connect() before it begins", async () => {
    const { client, clientStack } = fakeHosts();
    const reason = new Error("never mind");
    const signal = AbortSignal.abort(reason);
    const options = { hostname: "10.0.0.2", port: 80, signal };
    assertStrictEquals(await assertRejects(() => client.connect(options)), reason);
    assertEquals(clientStack.sockets, []);
  });

  it("is an AbortSignal, or none", async () => {
    const { client } = fakeHosts();
    for (const [signal, said] of [[{}, "an object"], [null, "null"], [5, "5"]] as const) {
      await assertRejects(
        () => client.connect({ hostname: "10.0.0.2", port: 80, signal: signal as never }),
        TypeError,
        `Cannot connect as 'signal' must be an AbortSignal: current value is ${said}`,
      );
    }
  });

  it("ends a connect() under way with its reason", async () => {
    const { client, clientStack, net } = fakeHosts();
    net.silent.add("10.0.0.2");
    const controller = new AbortController();
    const { signal } = controller;
    const connecting = client.connect({ hostname: "10.0.0.2", port: 80, signal });
    const reason = new Error("too slow");
    net.at(1e6, () => controller.abort(reason));
    assertStrictEquals(await assertRejects(() => connecting), reason);
    assertEquals(clientStack.sockets[0]!.code, "ConnectionAborted");
  });

  it("aborts the connection afterwards", async () => {
    const hosts = fakeHosts();
    using listener = hosts.server.listen({ port: 80 });
    const controller = new AbortController();
    const { signal } = controller;
    const client = await hosts.client.connect({ hostname: "10.0.0.2", port: 80, signal });
    const server = await listener.accept();
    const read = client.read(zeros(1));
    const reason = new Error("over");
    controller.abort(reason);
    assertStrictEquals(await assertRejects(() => read), reason);
    await assertRejects(() => server.read(zeros(1)), Deno.errors.ConnectionReset);
  });

  it("does nothing to a connection that was closed", async () => {
    const hosts = fakeHosts();
    using _listener = hosts.server.listen({ port: 80 });
    const controller = new AbortController();
    const { signal } = controller;
    const client = await hosts.client.connect({ hostname: "10.0.0.2", port: 80, signal });
    client.close();
    controller.abort();
    await client[Symbol.asyncDispose]();
    assertEquals(hosts.clientStack.sockets[0]!.code, null);
  });
});

describe("MptcpConn", () => {
  it("takes bytes only", async () => {
    const { client } = await fakePair();
    const wrong = new DataView(new ArrayBuffer(1)) as unknown as Uint8Array;
    await assertRejects(() => client.write(wrong), TypeError, "Cannot write a DataView as it must");
    await assertRejects(() => client.read(wrong), TypeError, "Cannot read into a DataView");
  });

  it("swaps its scheduler, and refuses what is none", async () => {
    const { client, clientSocket } = await fakePair();
    function mine(): SchedulerPlugin {
      return { kind: "scheduler", name: "mine", create: () => ({ pick: () => null }) };
    }
    const plugin = mine();
    client.setScheduler(plugin);
    assertStrictEquals(clientSocket.scheduler, plugin);
    assertThrows(
      () => client.setScheduler(mine as unknown as SchedulerPlugin),
      TypeError,
      "Cannot use mine as a scheduler as it is a function: call it, scheduler: mine()",
    );
  });

  it("swaps its congestion control, and refuses what is none", async () => {
    const { client, clientSocket } = await fakePair();
    const plugin = reno();
    client.setCongestionControl(plugin);
    assertStrictEquals(clientSocket.congestionControl, plugin);
    assertThrows(
      () => client.setCongestionControl(reno as unknown as CongestionControlPlugin),
      TypeError,
      "Cannot use reno as a congestion control as it is a function: call it, congestionControl: reno()",
    );
  });

  it("writes with cork: each write says whether more follows, an empty one too, in the order of the calls", async () => {
    const { client, clientSocket } = await fakePair();
    await client.write(HELLO, { cork: true });
    await client.write(zeros(0), { cork: true });
    await client.write(zeros(0));
    await client.write(HELLO, { cork: false });
    assertEquals(clientSocket.corks, [true, false, false]);
    for (
      const [options, message] of [
        [{ cork: 1 }, "Cannot write as 'cork' must be true or false: current value is 1"],
        [
          { more: true },
          "Cannot write as there is no option 'more': the options are cork, hint, message",
        ],
        [{ hint: NaN }, "Cannot write as 'hint' must be a finite number: current value is NaN"],
        [{ hint: "1" }, `Cannot write as 'hint' must be a finite number: current value is "1"`],
        [null, "Cannot write as its options must be an object: current value is null"],
      ] as const
    ) {
      const error = await assertRejects(() => client.write(HELLO, options as never), TypeError);
      assertEquals(error.message, message);
    }
    assertEquals(clientSocket.corks.length, 3);
  });

  it("has words for its scheduler: a hint of each write, a tag, parameters", async () => {
    const { client, clientSocket } = await fakePair();
    await client.write(HELLO, { hint: 7 });
    await client.write(HELLO);
    assertEquals(clientSocket.hints, [7, 0]);
    client.setTag(46);
    assertEquals(clientSocket.tag, 46);
    for (const tag of [-1, 1.5, 2 ** 30, NaN]) {
      assertThrows(() => client.setTag(tag), RangeError, "'tag' must be an integer from 0");
    }
    client.tuneScheduler({ ratio: 3 });
    assertEquals(clientSocket.tuned, { ratio: 3 });
    assertThrows(() => client.tuneScheduler(3 as never), TypeError, "must be an object");
  });

  it("announces how long a message is with the write that begins it", async () => {
    const { client, clientSocket } = await fakePair();
    await client.write(HELLO, { message: 100 });
    await client.write(HELLO, { message: HELLO.length, cork: true });
    await client.write(HELLO);
    assertEquals(clientSocket.messages, [100, HELLO.length]);
    const least = `an integer from ${HELLO.length} to 9007199254740991`;
    for (
      const [message, error] of [[4, RangeError], [7.5, RangeError], ["9", TypeError]] as const
    ) {
      await assertRejects(
        () => client.write(HELLO, { message } as never),
        error,
        `Cannot write as 'message' must be ${least}: current value is`,
      );
    }
    assertEquals(clientSocket.messages.length, 2);
  });

  it("sets noDelay, and takes what TCP has besides", async () => {
    const { client, clientSocket } = await fakePair();
    client.setNoDelay(false);
    assertEquals(clientSocket.noDelay, false);
    client.setNoDelay();
    assertEquals(clientSocket.noDelay, true);
    client.setKeepAlive();
    assertEquals(clientSocket.keepAlive, DEFAULT_KEEP_ALIVE);
    client.setKeepAlive(false);
    assertEquals(clientSocket.keepAlive, null);
  });

  it("gives back what it holds when both directions ended, without close()", async () => {
    const { client, server, clientSocket, serverSocket } = await fakePair();
    await client.closeWrite();
    await server.write(HELLO);
    await server.closeWrite();
    assertEquals(await server.read(zeros(1)), null);
    assertEquals(await client.read(zeros(10)), 5);
    assertEquals(await client.read(zeros(10)), null);
    await turn();
    assert(clientSocket.appClosed && serverSocket.appClosed);
  });

  it("keeps the program running until it is over, unless told not to", async () => {
    const hosts = fakeHosts();
    const { client, server } = await fakePair(hosts);
    const { clientRuntime } = hosts;
    assert(clientRuntime.held);
    client.unref();
    client.unref();
    assert(!clientRuntime.held);
    client.ref();
    assert(clientRuntime.held);
    client.close();
    assert(clientRuntime.held, "it still sends");
    server.close();
    await client[Symbol.asyncDispose]();
    assert(!clientRuntime.held);
    client.ref();
    assert(!clientRuntime.held);
  });
});
