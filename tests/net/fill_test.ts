/** fill(), drain() and writev(): what they do beside the other calls, over a fake stack. */

import { assert, assertEquals, assertRejects, assertStrictEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import type { MptcpConn } from "../../core/net/conn.ts";
import { emulate } from "../../core/net/emulate.ts";
import type { Views } from "../../core/net/lending.ts";
import { fakeHosts, fakePair } from "../support/fake_hosts.ts";

const HELLO = new TextEncoder().encode("hello");

function zeros(length: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array(length);
}

function put(bytes: Uint8Array): (view: Uint8Array) => number {
  return (view) => {
    const part = bytes.subarray(0, view.length);
    view.set(part);
    return part.length;
  };
}

/** Of a call that must not call back. */
function never(): number {
  throw new Error("called");
}

/** A callback that takes all, and what it has taken. */
function taker(): { use: (view: Uint8Array) => number; text(): string } {
  let all = "";
  return {
    use(view) {
      all += new TextDecoder().decode(view);
      return view.length;
    },
    text: () => all,
  };
}

async function isPending(promise: Promise<unknown>): Promise<boolean> {
  const pending = Symbol();
  return await Promise.race([promise.catch(() => {}), Promise.resolve(pending)]) === pending;
}

async function turn(): Promise<void> {
  for (let i = 0; i < 2; i++) await new Promise<void>((resolve) => setImmediate(resolve));
}

/** Both calls, so that a rule of either holds for both: `use` is called with a view, and `ready` is when. */
const CALLS = {
  fill: (conn: MptcpConn, use: (view: Uint8Array<ArrayBuffer>) => number) => conn.fill(use),
  drain: (conn: MptcpConn, use: (view: Uint8Array<ArrayBuffer>) => number) => conn.drain(use),
} as const;

for (const [verb, call] of Object.entries(CALLS)) {
  const done = verb === "fill" ? "written" : "used";
  /** A connection on which `call` calls its callback, with a view of five bytes. */
  const ready = async (views: Views = "pages") => {
    const pair = await fakePair(fakeHosts(views));
    pair.clientSocket.capacity = 5;
    await pair.server.write(HELLO);
    await turn();
    return pair;
  };

  describe(`MptcpConn.${verb}()`, () => {
    it("refuses what is no callback", async () => {
      const { client } = await ready();
      assertThrows(
        () => call(client, 5 as never),
        TypeError,
        `Cannot ${verb} by 5 as it must be a function of a view that returns how many bytes it has ${done}`,
      );
    });

    it("names a wrong answer, and does nothing then", async () => {
      const { client, clientSocket } = await ready();
      const wrong: [unknown, typeof TypeError, string][] = [
        [6, RangeError, "0 to 5: it returned 6"],
        [-1, RangeError, "it returned -1"],
        [1.5, RangeError, "it returned 1.5"],
        [NaN, RangeError, "it returned NaN"],
        [undefined, TypeError, "it returned undefined"],
        ["5", TypeError, 'it returned "5"'],
        [Promise.resolve(5), TypeError, "it returned a promise, and the view is gone by then"],
      ];
      for (const [answer, kind, text] of wrong) {
        assertThrows(() => call(client, () => answer as number), kind, text);
      }
      assertEquals(clientSocket.outgoing, []);
      assertEquals(clientSocket.incoming.length, 5);
    });

    it("throws what the callback throws, and does nothing then", async () => {
      const { client, clientSocket } = await ready();
      const error = new Error("mine");
      const thrown = assertThrows(() =>
        call(client, (view) => {
          if (verb === "fill") view.fill(1);
          throw error;
        })
      );
      assertStrictEquals(thrown, error);
      assertEquals(clientSocket.outgoing, []);
      assertEquals(clientSocket.incoming.length, 5);
      assertEquals(call(client, (view) => view.length), 5);
    });

    it("within its own callback throws", async () => {
      const { client } = await ready();
      call(client, () => {
        assertThrows(() => call(client, () => 0), Deno.errors.Busy, `callback of a ${verb}()`);
        return 0;
      });
      assertEquals(call(client, (view) => view.length), 5);
    });

    it("of one direction may stand in the callback of the other", async () => {
      const { client, server } = await ready();
      client.drain((from) => client.fill((to) => put(from)(to)));
      assertEquals(await server.read(zeros(10)), 5);
      assertEquals(client.drain(() => 0), 0);
    });

    it("lets close() and abort() wait for its callback", async () => {
      for (const end of ["close", "abort"] as const) {
        const { client, clientSocket } = await ready();
        call(client, (view) => {
          client[end]();
          assert(!clientSocket.appClosed);
          return view.length;
        });
        assert(clientSocket.appClosed);
        assertEquals(verb === "fill" ? clientSocket.outgoing.length : 5, 5);
        assertThrows(() => call(client, () => 0));
      }
    });

    it("throws after close(), and after the connection has failed", async () => {
      const { client, server, clientSocket } = await fakePair();
      clientSocket.end("ConnectionReset");
      await turn();
      assertThrows(() => call(client, () => 0), Deno.errors.ConnectionReset);
      await turn();
      server.close();
      assertThrows(() => call(server, () => 0), Deno.errors.BadResource);
    });

    it("detaches the copy that it has lent", async () => {
      const { client } = await ready("copies");
      let kept = zeros(0);
      call(client, (view) => {
        kept = view;
        assertEquals(view.length, 5);
        return verb === "fill" ? put(HELLO)(view) : view.length;
      });
      assertEquals(kept.length, 0);
      assert(kept.buffer.detached);
    });

    it("detaches it as well when the callback throws, and refuses one that was transferred", async () => {
      const { client } = await ready("copies");
      let kept = zeros(0);
      assertThrows(() =>
        call(client, (view) => {
          kept = view;
          throw new Error("mine");
        })
      );
      assert(kept.buffer.detached);
      assertThrows(
        () => call(client, (view) => structuredClone(view, { transfer: [view.buffer] }).length),
        TypeError,
        `Cannot ${verb} as the callback has transferred its view`,
      );
    });
  });
}

describe("MptcpConn.fill()", () => {
  it("writes what its callback has written, and 0 where there is no room", async () => {
    const { client, server, clientSocket } = await fakePair();
    clientSocket.capacity = 5;
    assertEquals(client.fill(put(HELLO.subarray(0, 2))), 2);
    assertEquals(client.fill(put(HELLO.subarray(2))), 3);
    assertEquals(client.fill(never), 0);
    const buffer = zeros(10);
    assertEquals(await server.read(buffer), 5);
    assertEquals(buffer.subarray(0, 5), HELLO);
    assertEquals(await client.untilWritable(), 5);
  });

  it("leaves what has not been written", async () => {
    const { client, server } = await fakePair(fakeHosts("copies"));
    let first = 0;
    client.fill((view) => {
      first = view[0]!;
      return 1;
    });
    const buffer = zeros(1);
    await server.read(buffer);
    assertEquals(buffer[0], first);
  });

  it("takes the options of write()", async () => {
    const { client, clientSocket } = await fakePair();
    client.fill(put(HELLO), { cork: true, hint: 3, message: 9 });
    assertEquals([clientSocket.corks, clientSocket.hints, clientSocket.messages], [
      [true],
      [3],
      [9],
    ]);
    assertThrows(() => client.fill(put(HELLO), { hint: NaN }), TypeError, "'hint'");
  });

  it("does not pass by a write() that waits, and serves one of its callback afterwards", async () => {
    const { client, server, clientSocket } = await fakePair();
    clientSocket.capacity = 5;
    const order: string[] = [];
    let inner = Promise.resolve(0);
    client.fill((view) => {
      inner = client.write(new TextEncoder().encode("second")).finally(() => order.push("second"));
      return put(new TextEncoder().encode("first"))(view);
    });
    assertEquals(client.fill(never), 0);
    const third = client.untilWritable().finally(() => order.push("third"));
    const closing = client.closeWrite();
    const text = await new Response(server.readable).text();
    await Promise.all([inner, third, closing]);
    assertEquals(text, "firstsecond");
    assertEquals(order, ["second", "third"]);
  });

  it("sends with the end of the job, of a loop that awaits room before each page as well", async () => {
    const hosts = fakeHosts();
    const { client, clientSocket } = await fakePair(hosts);
    const write = async (pages: number): Promise<number> => {
      const before = hosts.clientStack.flushes;
      for (let page = 0; page < pages; page++) {
        await client.untilWritable();
        client.fill((view) => view.fill(1).length);
        clientSocket.outgoing.splice(0);
      }
      await turn();
      return hosts.clientStack.flushes - before;
    };
    const page = clientSocket.capacity;
    assert(page >= 65536, `${page}`);
    assertEquals(await write(1), 1);
    assertEquals(await write(3), 1);
    // And after every 512 KB.
    assertEquals(await write(40), Math.floor(40 / Math.ceil(524288 / page)) + 1);
  });

  it("has what would be a small super-segment wait until the job ends, as a large write() does, and a small one behind it", async () => {
    const { client, clientSocket } = await fakePair();
    const looks = async (): Promise<boolean[]> => {
      const before = clientSocket.gathers;
      await turn();
      return [before, clientSocket.gathers];
    };
    client.fill(() => 0);
    assertEquals(await looks(), [false, false]);
    client.fill((view) => view.subarray(0, 10).length);
    assertEquals(await looks(), [true, false]);
    clientSocket.capacity = 1e6;
    await client.write(zeros(65535));
    assertEquals(await looks(), [false, false]);
    await client.write(zeros(65536));
    await client.write(HELLO);
    assertEquals(await looks(), [true, false]);
    await client.writev([zeros(65531), HELLO]);
    assertEquals(await looks(), [true, false]);
    // One that waits for room is likely to be followed by others when it has found it.
    clientSocket.capacity = 5;
    clientSocket.outgoing.splice(0);
    const writing = client.write(zeros(65536));
    assertEquals(clientSocket.gathers, false);
    clientSocket.capacity = 1e6;
    clientSocket.observer.onWritable();
    await writing;
    assertEquals(await looks(), [true, false]);
  });

  it("leaves the answer to what drain() has given as it is: it is sent at once", async () => {
    const { client, server, clientSocket } = await fakePair();
    await server.write(HELLO);
    await turn();
    client.drain((view) => view.length);
    await client.write(HELLO);
    assertEquals(clientSocket.gathers, false);
  });

  it("serves closeWrite() of its callback afterwards", async () => {
    const { client, server, clientSocket } = await fakePair();
    let closing = Promise.resolve();
    client.fill((view) => {
      closing = client.closeWrite();
      assert(!clientSocket.finSent);
      return put(HELLO)(view);
    });
    await closing;
    assertEquals(await new Response(server.readable).text(), "hello");
    assertThrows(() => client.fill(() => 0), Deno.errors.BrokenPipe);
    await assertRejects(() => client.untilWritable(), Deno.errors.BrokenPipe);
  });
});

describe("MptcpConn.drain()", () => {
  it("begins behind what was used, gives 0 where nothing is and null at the end", async () => {
    const { client, server } = await fakePair();
    const { use, text } = taker();
    assertEquals(client.drain(never), 0);
    await server.write(HELLO);
    assertEquals(await client.untilReadable(), 5);
    assertEquals(client.drain(() => 0), 0);
    assertEquals(client.drain((view) => use(view.subarray(0, 2))), 2);
    assertEquals(client.drain(use), 3);
    assertEquals(text(), "hello");
    await server.closeWrite();
    assertEquals(await client.untilReadable(), null);
    assertEquals(client.drain(never), null);
    assertEquals(client.fill(put(HELLO)), 5);
  });

  it("keeps read() and what discards away from its bytes", async () => {
    const { client, server, clientSocket } = await fakePair();
    await server.write(HELLO);
    await client.untilReadable();
    let reading = Promise.resolve<number | null>(0);
    const rejected = () => assertRejects(() => reading, Deno.errors.Busy, "drain()");
    let checked = Promise.resolve<unknown>(undefined);
    client.drain((view) => {
      reading = client.read(zeros(1));
      checked = rejected();
      client.readable.cancel();
      assert(!clientSocket.discarding);
      return view.length;
    });
    await checked;
    assert(clientSocket.discarding);
    assertEquals(client.drain(() => 0), null);
    assertEquals(await client.untilReadable(), null);
  });

  it("throws while a read() waits, and untilReadable() is such a call", async () => {
    const { client, server } = await fakePair();
    const waiting = client.untilReadable();
    assertThrows(() => client.drain(() => 0), Deno.errors.Busy, "already waiting");
    await assertRejects(() => client.untilReadable(), Deno.errors.Busy, "already waiting");
    await server.write(HELLO);
    assertEquals(await waiting, 5);
  });

  it("gives what came before a reset, then the reset", async () => {
    const { client, server, clientSocket } = await fakePair();
    await server.write(HELLO);
    await client.untilReadable();
    clientSocket.end("ConnectionReset");
    await turn();
    const { use, text } = taker();
    assertEquals(client.drain(use), 5);
    assertEquals(text(), "hello");
    assertThrows(() => client.drain(use), Deno.errors.ConnectionReset);
    await assertRejects(() => client.untilReadable(), Deno.errors.ConnectionReset);
  });
});

describe("MptcpConn.untilWritable()", () => {
  it("waits for room, and rejects with what ends the connection", async () => {
    const { client, clientSocket } = await fakePair();
    clientSocket.capacity = 5;
    clientSocket.stuck = true;
    client.fill(put(HELLO));
    const waiting = client.untilWritable();
    assert(await isPending(waiting));
    clientSocket.stuck = false;
    assertEquals(await waiting, 5);
    clientSocket.stuck = true;
    client.fill(put(HELLO));
    const closed = client.untilWritable();
    client.close();
    await assertRejects(() => closed, Deno.errors.Interrupted);
  });
});

describe("MptcpConn.writev()", () => {
  it("writes its parts in a row, holding back all but the end of the last", async () => {
    const { client, server, clientSocket } = await fakePair();
    const parts = [HELLO, zeros(0), HELLO.subarray(0, 4)];
    assertEquals(await client.writev(parts), 9);
    assertEquals(clientSocket.corks, [true, false]);
    assertEquals(clientSocket.messages, [9]);
    await client.closeWrite();
    assertEquals(await new Response(server.readable).text(), "hellohell");
  });

  it("waits for room in the middle of a part, in order with other writes", async () => {
    const { client, server, clientSocket } = await fakePair();
    clientSocket.capacity = 3;
    const texts = ["ab", "cdefgh", "i", "jk"].map((text) => new TextEncoder().encode(text));
    const writes = [client.writev(texts), client.write(HELLO), client.writev([])];
    const closing = client.closeWrite();
    assertEquals(await new Response(server.readable).text(), "abcdefghijkhello");
    assertEquals(await Promise.all(writes), [11, 5, 0]);
    await closing;
  });

  it("refuses what is no array of bytes before anything is written", async () => {
    const { client, clientSocket } = await fakePair();
    await assertRejects(
      () => client.writev(HELLO as never),
      TypeError,
      "as it must be an array of Uint8Arrays",
    );
    await assertRejects(() => client.writev([HELLO, "x" as never]), TypeError, 'Cannot write "x"');
    await assertRejects(() => client.writev([HELLO, HELLO], { message: 9 }), RangeError, "from 10");
    assertEquals(clientSocket.outgoing, []);
  });
});

describe("the option 'views'", () => {
  it("is one of two words", () => {
    assertThrows(
      () => emulate({ paths: { a: { rate: "1 Mbit/s", delay: "1 ms" } }, views: "page" as never }),
      TypeError,
      `Cannot emulate as 'views' must be "pages" or "copies": current value is "page"`,
    );
  });
});
