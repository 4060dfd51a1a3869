import { describe, it } from "@std/testing/bdd";
import { assert, assertEquals } from "@std/assert";
import type { MetaSocket } from "../../../core/connection/meta_socket.ts";
import { DEFAULT_SETTINGS } from "../../../core/subflow/settings.ts";
import { type Listener, Listeners } from "../../../core/host/listener.ts";
import { connection, type Lone } from "../../support/connections.ts";
import { comes, subflowParts } from "../../support/parts.ts";
import { TCP_SYN } from "../../../wasm/layout.ts";

/** A listener on port 80 with room for `backlog` connections, and how often its observer was told. */
function listening(backlog = 10): { listeners: Listeners; listener: Listener; told: () => number } {
  const listeners = new Listeners();
  let count = 0;
  const listener = listeners.add("", 80, backlog, { onConnection: () => count++ });
  return { listeners, listener, told: () => count };
}

/** A connection whose SYN was answered once. */
function halfOpen(): Lone {
  const lone = connection("server");
  const { subflow } = subflowParts();
  lone.meta.begin(subflow);
  comes({ flags: TCP_SYN, seq: 0 });
  subflow.accept(0);
  return lone;
}

describe("a listening port", () => {
  it("gives out connections in the order in which their handshakes ended", () => {
    const { listeners, listener } = listening();
    const [first, second] = [connection("server").meta, connection("server").meta];
    listeners.begun(listener, first);
    listeners.begun(listener, second);
    assertEquals([listener.halfOpen.size, listener.accept()], [2, null]);
    listeners.opened(second);
    listeners.opened(first);
    assertEquals(listener.halfOpen.size, 0);
    assert(listener.accept() === second && listener.accept() === first);
    assertEquals(listener.accept(), null);
  });

  it("tells its observer once of what came in a batch", () => {
    const { listeners, listener, told } = listening();
    listeners.notify();
    assertEquals(told(), 0);
    for (let i = 0; i < 2; i++) {
      const { meta } = connection("server");
      listeners.begun(listener, meta);
      listeners.opened(meta);
    }
    listeners.notify();
    listeners.notify();
    assertEquals(told(), 1);
    const { meta } = connection("server");
    listeners.begun(listener, meta);
    listeners.opened(meta);
    listeners.notify();
    assertEquals(told(), 2);
  });

  it("closed twice takes nothing with it that another port, or a later listener, has", () => {
    const listeners = new Listeners();
    let closed = 0;
    let told = 0;
    const add = (port: number, transparent = false): Listener =>
      listeners.add("", port, 10, { onConnection: () => told++ }, { transparent }, () => closed++);
    const first = add(80);
    const other = add(81);
    first.close(0);
    const again = add(80);
    first.close(1);
    assertEquals(closed, 1);
    assert(listeners.find("", 80) === again && listeners.find("", 81) === other);
    const { meta } = connection("server");
    listeners.begun(again, meta);
    listeners.opened(meta);
    listeners.notify();
    assertEquals(told, 1);
    const all = add(0, true);
    all.close(2);
    const later = add(0, true);
    all.close(3);
    assert(listeners.transparent === later);
  });

  it("is told although the one before it has closed as it was told", () => {
    const listeners = new Listeners();
    const told: number[] = [];
    const ports = [80, 81, 82].map((port) => {
      const listener = listeners.add("", port, 10, {
        onConnection: () => {
          told.push(port);
          listener.accept()!.close(0);
          listener.close(0);
        },
      });
      return listener;
    });
    for (const listener of ports) {
      const { meta } = connection("server");
      listeners.begun(listener, meta);
      listeners.opened(meta);
    }
    listeners.notify();
    assertEquals(told, [80, 81, 82]);
  });

  it("is full of those that wait, crowded by those that are half open, each by itself", () => {
    const { listeners, listener } = listening(2);
    const state = (): boolean[] => [listener.full, listener.crowded];
    const all = Array.from({ length: 4 }, () => connection("server").meta);
    const [first, second, third, fourth] = all as [MetaSocket, MetaSocket, MetaSocket, MetaSocket];
    listeners.begun(listener, first);
    assertEquals(state(), [false, false]);
    listeners.begun(listener, second);
    assertEquals(state(), [false, true]);
    listeners.opened(first);
    assertEquals(state(), [false, false]);
    listeners.opened(second);
    listeners.begun(listener, third);
    assertEquals([state(), listeners.mayOpen(third)], [[true, false], false]);
    listeners.begun(listener, fourth);
    assertEquals(state(), [true, true]);
    listener.accept();
    assertEquals([state(), listeners.mayOpen(third)], [[false, true], true]);
    // One of nobody's, such as of a simultaneous open.
    assertEquals(listeners.mayOpen(first), true);
  });

  it("has room for as many half-open connections as asked for; else for as many as may wait, 1024 at most", () => {
    const observer = { onConnection() {} };
    const room = (backlog: number, synBacklog: number | null): number => {
      const tcp = { ...DEFAULT_SETTINGS, synBacklog };
      const listener = new Listeners().add("", 80, backlog, observer, { tcp });
      const { meta } = connection("server");
      // Any objects will do.
      while (!listener.crowded) listener.halfOpen.add(Object.create(meta));
      return listener.halfOpen.size;
    };
    assertEquals([room(3, null), room(5000, null), room(3, 7), room(5000, 2000)], [
      3,
      1024,
      7,
      2000,
    ]);
  });

  it("makes room by dropping the oldest half-open connection, if its SYN/ACK had to be repeated", () => {
    const { listeners, listener } = listening(2);
    const [first, second] = [halfOpen(), halfOpen()];
    for (const { meta } of [first, second]) listeners.begun(listener, meta);
    assertEquals(listener.evict(0), false);
    const [subflow] = first.meta.attempts;
    subflow!.expire(1e6);
    assertEquals([listener.evict(1e6), listener.crowded], [true, false]);
    assertEquals([first.meta.closed, second.meta.closed], [true, false]);
    assertEquals(listening().listener.evict(0), false);
  });

  it("resets what nobody has accepted when it closes, and takes no more", () => {
    const { listeners, listener } = listening();
    const [waiting, half, taken] = [halfOpen(), halfOpen(), halfOpen()];
    for (const { meta } of [taken, waiting, half]) listeners.begun(listener, meta);
    for (const { meta } of [taken, waiting]) listeners.opened(meta);
    listener.accept();
    listener.close(0);
    assertEquals([waiting, half, taken].map(({ meta }) => meta.closed), [true, true, false]);
    assertEquals([listeners.find("", 80), listener.accept()], [undefined, null]);
  });
});

describe("the listeners of a host", () => {
  it("are found by port, and by address where they have one; the empty address asks for any", () => {
    const listeners = new Listeners();
    const observer = { onConnection() {} };
    const one = listeners.add("10.0.0.1", 80, 1, observer);
    const any = listeners.add("", 81, 1, observer);
    assert(listeners.find("10.0.0.1", 80) === one && listeners.find("", 80) === one);
    assertEquals(listeners.find("10.0.0.2", 80), undefined);
    assert(listeners.find("10.0.0.2", 81) === any);
    assertEquals(listeners.find("", 82), undefined);
  });

  it("give back a half-open connection that came to nothing, and no other", () => {
    const { listeners, listener } = listening();
    const [dead, alive] = [halfOpen(), halfOpen()];
    for (const { meta } of [dead, alive]) listeners.begun(listener, meta);
    dead.meta.endAll("TimedOut", 0);
    for (const { meta } of [dead, alive]) listeners.settle(meta, 0);
    assertEquals([dead.meta.appClosed, alive.meta.appClosed], [true, false]);
    assertEquals([...listener.halfOpen], [alive.meta]);
  });

  it("close all together", () => {
    const { listeners } = listening();
    listeners.add("", 81, 1, { onConnection() {} });
    listeners.close(0);
    assertEquals([listeners.find("", 80), listeners.find("", 81)], [undefined, undefined]);
  });
});
