/** When a connection makes its plugins: what they then do with each other is in plugins_test.ts. */

import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { reno } from "../../../cc/mod.ts";
import type { PathManagerPlugin } from "../../../core/plugin.ts";
import { minRtt } from "../../../sched/mod.ts";
import { Dialogue } from "../../support/dialogue.ts";
import { noted } from "../../support/noted_plugins.ts";

describe("a path manager that nothing has asked for before somebody looks at it", () => {
  const held = "10.0.1.1";
  const opened = (mptcp: boolean) => {
    const notes: string[] = [];
    const pathManager: PathManagerPlugin = {
      kind: "path-manager",
      name: "noted",
      create({ after }) {
        after(1e6, () => notes.push("timer"));
        return { onEvent: ({ type }) => void notes.push(type), end: () => void notes.push("end") };
      },
    };
    const d = new Dialogue({ policies: { pathManager } });
    return { d, notes, ...d.opened({ mptcp }) };
  };

  it("has ended with its connection, and keeps no timer", () => {
    const { d, notes, app } = opened(false);
    using _ = d;
    app.abort();
    assertEquals(app.socket.paths.context.paths, []);
    d.pass(10e6);
    assertEquals([notes, d.usage.timers], [["end"], 0]);
  });

  it("holds no port for joins where the connection is plain TCP", () => {
    const { d, app } = opened(false);
    using _ = d;
    const { locals, announce } = app.socket.paths.context;
    const other = locals.find(({ address }) => address === held)!;
    announce({ ...other, port: 8080 });
    assertEquals(d.stack.holdsPort(app.socket, { address: held, port: 8080 }), false);
  });
});

describe("scheduler and congestion control of a connection", () => {
  it("are made with the first data that are to leave, and know the subflow that is there: who only receives has neither", () => {
    const { notes, policies } = noted();
    using d = new Dialogue({ policies });
    const { peer, app } = d.opened();
    peer.data(100);
    assertEquals([app.read(), notes], [100, []]);
    app.write(1);
    assertEquals(notes, ["scheduler", "joined", "congestion control", "join"]);
    app.write(1);
    assertEquals(notes.length, 4);
  });

  it("are those that were put in their place before, alone", () => {
    const [{ notes: former, policies }, { notes, policies: other }] = [noted(), noted()];
    using d = new Dialogue({ policies });
    const { app } = d.opened();
    app.socket.setScheduler(d.now, other.scheduler);
    app.socket.setCongestionControl(d.now, other.congestionControl);
    app.write(1);
    assertEquals([former, notes.sort()], [
      [],
      ["congestion control", "join", "joined", "scheduler"],
    ]);
  });

  it("are made for nothing that never leaves: the connection is over, and nobody would tell them so", () => {
    const { notes, policies } = noted();
    using d = new Dialogue({ policies });
    const { app } = d.opened();
    assertEquals(app.socket.write(d.now, new Uint8Array(100), 0), 100);
    app.abort();
    assertEquals([app.code, notes], ["ConnectionAborted", []]);
  });

  it("of the congestion control is asked which marks the peer hears of: it is made where ECN is agreed", () => {
    const { notes, policies } = noted();
    using d = new Dialogue({ policies, tcp: { ecn: "request" } });
    d.opened({ mptcp: false, ecn: true });
    assertEquals(notes, ["congestion control", "join"]);
  });

  it("are not made to be tuned, or for an end", () => {
    const { notes, policies } = noted();
    using d = new Dialogue({ policies });
    const { app } = d.opened();
    // In the batch of the end, which nobody has been told yet.
    app.socket.abort(d.now);
    app.socket.tuneScheduler(d.now, {});
    app.socket.setScheduler(d.now, minRtt());
    app.socket.setCongestionControl(d.now, reno());
    d.stack.flush(d.now);
    assertEquals([app.code, notes], ["ConnectionAborted", []]);
  });
});
