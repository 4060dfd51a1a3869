import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { PathLog } from "../../cli/path_log.ts";
import { limitHint, parseLimits } from "../../cli/kernel_limits.ts";
import { emulate } from "../../mod.ts";

describe("lines about paths", () => {
  it("tell once that a path is down and that it is back, however many connections it has", async () => {
    await using net = emulate({
      paths: {
        wifi: { rate: "20 Mbit/s", delay: "10 ms" },
        lte: { rate: "10 Mbit/s", delay: "20 ms" },
      },
      seed: 1,
    });
    const lines: string[] = [];
    const { server } = net;
    server.watch(new PathLog(server, (address) => `at ${address}`, (line) => lines.push(line)));
    using listener = server.listen({ port: 80 });
    const pairs = await Promise.all(
      [1, 2, 3].map(async () =>
        await Promise.all([net.client.connect({ hostname: "server", port: 80 }), listener.accept()])
      ),
    );
    const move = async (bytes: number): Promise<void> => {
      await Promise.all(pairs.map(async ([conn, peer]) => {
        const buffer = new Uint8Array(bytes);
        const writing = peer.write(buffer);
        for (let left = bytes; left > 0;) left -= (await conn.read(buffer))!;
        await writing;
      }));
    };
    await move(300_000);
    assertEquals(lines, []);
    net.path("wifi").cut();
    await move(3_000_000);
    assertEquals(lines.length, 1, lines.join("\n"));
    net.path("wifi").restore();
    await net.sleep("90 s");
    await move(3_000_000);
    assertEquals(lines.map((line) => line.replace(/\d+(\.\d+)+/g, "A")), [
      "Path at A (A) to A is down: nothing comes back",
      "Path at A (A) to A is back",
    ]);
  });

  it("tell the same where nothing is sent, and nothing of paths that are only unused", async () => {
    await using net = emulate({
      paths: {
        wifi: { rate: "20 Mbit/s", delay: "10 ms" },
        lte: { rate: "10 Mbit/s", delay: "20 ms" },
      },
      seed: 1,
    });
    const lines: string[] = [];
    const { client } = net;
    const log = new PathLog(client, (address) => `at ${address}`, (line) => lines.push(line));
    client.watch(log);
    using listener = net.server.listen({ port: 80 });
    const pairs = await Promise.all(
      [1, 2, 3].map(async () =>
        await Promise.all([client.connect({ hostname: "server", port: 80 }), listener.accept()])
      ),
    );
    /** So many seconds of downloads, looked at as a command does: much by both paths, or a little, for which one is enough. */
    const pass = async (seconds: number, bytes: number): Promise<void> => {
      const buffer = new Uint8Array(bytes);
      for (let i = 0; i < seconds; i++) {
        await Promise.all(pairs.map(async ([conn, peer]) => {
          const writing = peer.write(buffer);
          for (let left = bytes; left > 0;) left -= (await conn.read(buffer.subarray(0, left)))!;
          await writing;
        }));
        await net.sleep("1 s");
        log.look();
      }
    };
    const plain = (): string[] => lines.map((line) => line.replace(/\d+(\.\d+)+/g, "A"));
    await pass(5, 300_000);
    await pass(60, 100);
    assertEquals(lines, []);
    net.path("lte").cut();
    await pass(5, 300_000);
    await pass(20, 100);
    assertEquals(plain(), ["Path at A (A) to A is down: nothing comes back"]);
    net.path("lte").restore();
    await pass(20, 100);
    assertEquals(plain(), [
      "Path at A (A) to A is down: nothing comes back",
      "Path at A (A) to A is back",
    ]);
    // A peer that is gone is no path that is down.
    net.path("lte").cut();
    net.path("wifi").cut();
    for (let i = 0; i < 30; i++) {
      await net.sleep("1 s");
      log.look();
    }
    assertEquals(lines.length, 2);
  });

  it("tell of each path of every connection, whichever has shown that one is back", () => {
    const lines: string[] = [];
    const heard = [0, 0];
    const socketOf = (id: number) => ({
      id,
      fallback: false,
      get attempts() {
        return heard.map((lastAck, path) => ({
          path,
          lastAck,
          usable: true,
          inFlight: 0,
          backup: false,
        }));
      },
    });
    const host = { living: [socketOf(1), socketOf(2)], now: 0, askPath: () => {} };
    const log = new PathLog(
      host as unknown as ConstructorParameters<typeof PathLog>[0],
      () => undefined,
      (line) => lines.push(line),
    );
    for (const { id } of host.living) {
      log.connectionOpened(0, id, "client", id, "10.0.0.1", 80, "peer");
      for (const path of [0, 1]) {
        log.subflowOpened(0, id, path, path > 0, `path ${path}`, 80, "peer");
        log.subflowChanged(0, id, path, "joined", null);
      }
    }
    /** Seconds in which those paths are heard. */
    const pass = (seconds: number, ...paths: number[]): void => {
      for (; seconds > 0; seconds--) {
        host.now += 1e6;
        for (const path of paths) heard[path] = host.now;
        log.look();
      }
    };
    pass(20, 0);
    pass(5, 0, 1);
    // The one by which it was seen that the path is back.
    log.connectionClosed(host.now, 1);
    host.living.shift();
    pass(20, 1);
    pass(5, 0, 1);
    assertEquals(lines, [
      "Path path 1 to peer is down: nothing comes back",
      "Path path 1 to peer is back",
      "Path path 0 to peer is down: nothing comes back",
      "Path path 0 to peer is back",
    ]);
    // The peer is gone.
    pass(30);
    assertEquals(lines.length, 4);
  });

  it("tell of silent paths however many there are", () => {
    const lines: string[] = [];
    const host = { living: [] as unknown[], now: 0, askPath: () => {} };
    const log = new PathLog(
      host as unknown as ConstructorParameters<typeof PathLog>[0],
      () => undefined,
      (line) => lines.push(line),
    );
    const subflow = (path: number) => ({
      path,
      get lastAck() {
        return path === 0 ? host.now : 0;
      },
      usable: true,
      inFlight: 0,
      backup: false,
    });
    const MANY = 600;
    for (let id = 1; id <= MANY; id++) {
      host.living.push({ id, fallback: false, attempts: [subflow(0), subflow(1)] });
      log.connectionOpened(0, id, "server", id, "10.0.0.1", 80, `peer ${id}`);
      for (const path of [0, 1]) {
        log.subflowOpened(0, id, path, path > 0, "10.0.0.1", 80, `peer ${id}, path ${path}`);
        log.subflowChanged(0, id, path, "joined", null);
      }
    }
    for (let second = 0; second < 60; second++) {
      host.now += 1e6;
      log.look();
    }
    assertEquals(new Set(lines).size, MANY);
    assertEquals(lines.length, MANY);
  });

  it("go on however many paths have failed for good", () => {
    const lines: string[] = [];
    const host = { living: [], now: 0, askPath: () => {} };
    const log = new PathLog(host, () => undefined, (line) => lines.push(line));
    for (let id = 1; id <= 1100; id++) {
      log.connectionOpened(0, id, "server", id, "10.0.0.1", 80, `peer ${id}`);
      for (const path of [1, 2]) {
        log.subflowOpened(0, id, path, path > 1, "10.0.0.1", 80, `peer ${id}, path ${path}`);
        log.subflowChanged(0, id, path, "joined", null);
      }
      log.subflowChanged(0, id, 2, "stale", null);
      log.connectionClosed(0, id);
    }
    assertEquals(lines.length, 1100);
  });

  it("tell of plain TCP, once a minute for each peer, and of a peer that is gone nothing", async () => {
    await using net = emulate({ paths: { wifi: { rate: "20 Mbit/s", delay: "10 ms" } }, seed: 1 });
    const lines: string[] = [];
    const { server } = net;
    server.watch(new PathLog(server, () => undefined, (line) => lines.push(line)));
    using listener = server.listen({ port: 80 });
    const dial = () =>
      Promise.all([
        net.client.connect({ hostname: "server", port: 80, mptcp: false }),
        listener.accept(),
      ]);
    await dial();
    await dial();
    assertEquals(lines.map((line) => line.replace(/\d+(\.\d+)+/g, "A")), [
      "Plain TCP with A: the other end, or the way to it, speaks no MPTCP",
    ]);
    await net.sleep("61 s");
    const [, peer] = await dial();
    assertEquals(lines.length, 2);
    net.path("wifi").cut();
    await peer.write(new Uint8Array(1000));
    await net.sleep("400 s");
    assertEquals(lines.length, 2);
  });
});

describe("the hint about the kernel's limits", () => {
  it("names what is 0, and the command that changes it", () => {
    const hint = (text: string, enabled = true) =>
      limitHint({ enabled, ...parseLimits(text) })?.replace(/,.*/, "") ?? null;
    assertEquals(
      hint("add_addr_accepted 0 subflows 2\n"),
      "This machine's kernel takes no address that a server announces",
    );
    assertEquals(
      hint("add_addr_accepted 0 subflows 0\n"),
      "This machine's kernel takes no address that a server announces and opens no further path",
    );
    assertEquals(hint("add_addr_accepted 4 subflows 4\n"), null);
    assertEquals(hint(""), null);
    assertEquals(hint("", false), "This machine's kernel has MPTCP off");
  });
});
