/** Plugins that act from inside what they are told: the subflow in hand may be gone when they return. */

import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import type { PathEvent, PathManagerPlugin } from "../../../core/plugin.ts";
import { minRtt } from "../../../sched/mod.ts";
import { type App, Dialogue } from "../../support/dialogue.ts";
import { join } from "../../support/joins.ts";

/** Keeps the first path alone as soon as `when` says so. */
function firstOnly(when: (event: PathEvent) => boolean): PathManagerPlugin {
  return {
    kind: "path-manager",
    name: "first_only",
    create: ({ use }) => ({
      onEvent(event) {
        if (when(event)) use([1]);
      },
    }),
  };
}

const change = (wanted: string) => (event: PathEvent): boolean =>
  event.type === "subflow" && event.path === 2 && event.change === wanted;

describe("a path manager that closes the path of the segment in hand", () => {
  it("on MP_PRIO: the data in it are taken, the FIN acknowledges them", () => {
    using d = new Dialogue({ policies: { pathManager: firstOnly(change("priority")) } });
    const { peer, app } = d.opened();
    const second = join(d, peer, 1);
    second.sends("P. +100 ack 1 <prio backup, map8 1 1 100>");
    second.gets("F. 1 ack 101 <dack8 101>");
    d.silent();
    assertEquals(app.read(), 100);
    second.sends("F. 101 ack 2 <dack8 1>");
    assertEquals([app.socket.subflows.length, d.faults.length], [1, 0]);
  });

  it("on MP_PRIO with FIN", () => {
    using d = new Dialogue({ policies: { pathManager: firstOnly(change("priority")) } });
    const { peer, app } = d.opened();
    const second = join(d, peer, 1);
    second.sends("F. ack 1 <prio backup>");
    second.gets("F. 1 ack 2");
    d.silent();
    second.sends(". 2 ack 2 <dack8 1>");
    assertEquals([app.socket.subflows.length, app.code], [1, undefined]);
  });

  it("as it joins", () => {
    using d = new Dialogue({ policies: { pathManager: firstOnly(change("joined")) } });
    const { peer, app } = d.opened();
    const second = d.peer({ link: 1, session: peer.session });
    second.offers({}, "S", ["join syn id 2"]);
    second.gets("S. 0 ack 1 <join synack>");
    second.sends(". 1 ack 1 <join ack>");
    // The fourth ACK in one.
    second.gets("F. 1 ack 1 <dack 1>");
    d.silent();
    second.sends("F. 1 ack 2 <dack8 1>");
    assertEquals(app.socket.subflows.length, 1);
    d.pass(120e6);
    assertEquals(d.usage.flows, 1);
  });

  it("as it is stale, and as it comes back", () => {
    for (const when of ["stale", "revived"]) {
      using d = new Dialogue({ policies: { pathManager: firstOnly(change(when)) } });
      const { peer, app } = d.opened();
      const second = join(d, peer, 1);
      peer.sends(". ack 1 <dack8 1, prio backup>");
      app.write(1000);
      d.pass(2e6);
      for (const { end } of second.takeAll()) assertEquals(end <= 1001, true);
      peer.takeAll();
      second.sends(". ack 1001 <dack8 1001>");
      second.takeAll();
      // A FIN that nothing answers is given up.
      d.pass(60e6);
      assertEquals([app.socket.subflows.length, d.usage.flows], [1, 1]);
    }
  });
});

describe("a scheduler that replaces itself from inside pick", () => {
  it("has its answer carried out, and is asked no more", () => {
    let app: App | null = null;
    let asked = 0;
    using d = new Dialogue({
      policies: {
        scheduler: {
          kind: "scheduler",
          name: "leaving",
          create: () => ({
            pick(ready) {
              asked++;
              app!.socket.setScheduler(d.now, minRtt());
              return ready[0]!;
            },
          }),
        },
      },
    });
    const opened = d.opened();
    app = opened.app;
    app.write(5000);
    assertEquals(opened.peer.takeAll().reduce((sum, { payload }) => sum + payload.length, 0), 5000);
    assertEquals(asked, 1);
  });
});
