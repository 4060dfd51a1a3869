/** When a connection makes its scheduler and its congestion control. */

import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { reno } from "../../../cc/mod.ts";
import type {
  CongestionControlPlugin,
  PathManagerPlugin,
  SchedulerPlugin,
  SubflowChange,
} from "../../../core/plugin.ts";
import { minRtt } from "../../../sched/mod.ts";
import { Dialogue } from "../../support/dialogue.ts";
import { join } from "../../support/joins.ts";

/** Plugins that note what is asked of them, in that order. */
function noted() {
  const notes: string[] = [];
  const scheduler = minRtt();
  const congestionControl = reno();
  return {
    notes,
    policies: {
      scheduler: {
        ...scheduler,
        create: (connection: Parameters<typeof scheduler.create>[0]) => {
          notes.push("scheduler");
          return {
            ...scheduler.create(connection),
            onSubflow: (_: unknown, change: SubflowChange) => void notes.push(change),
          };
        },
      },
      congestionControl: {
        ...congestionControl,
        create: (connection: Parameters<typeof congestionControl.create>[0]) => {
          notes.push("congestion control");
          const group = congestionControl.create(connection);
          return {
            join: (subflow: Parameters<typeof group.join>[0]) => {
              notes.push("join");
              return group.join(subflow);
            },
          };
        },
      },
    },
  };
}

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

  it("is the scheduler that create() has put in its place, and the former one has ended once", () => {
    for (const living of [false, true]) {
      using d = new Dialogue();
      const { app } = d.opened();
      const ends: string[] = [];
      let made = 0;
      /** One that says when it ends, and in its create() leaves its place to `next`. */
      const named = (name: string, next: SchedulerPlugin | null): SchedulerPlugin => ({
        kind: "scheduler",
        name,
        create() {
          made++;
          if (next !== null) app.socket.setScheduler(d.now, next);
          return { pick: ([first]) => first!, onClose: () => void ends.push(name) };
        },
      });
      if (living) {
        app.socket.setScheduler(d.now, named("former", null));
        app.write(1);
      }
      const last = named("last", null);
      app.socket.setScheduler(d.now, named("first", named("second", last)));
      app.write(1);
      const expected = living ? ["former", "first", "second"] : ["first", "second"];
      assertEquals([app.socket.policyNames.scheduler, ends, made], [
        "last",
        expected,
        expected.length + 1,
      ]);
      app.abort();
      assertEquals(ends, [...expected, "last"]);
    }
  });

  it("is the congestion control that create() or join() has put in its place", () => {
    for (const living of [false, true]) {
      for (const at of ["create", "join"] as const) {
        using d = new Dialogue();
        const { app } = d.opened();
        const { notes, policies: { congestionControl } } = noted();
        const leaves: CongestionControlPlugin = {
          ...reno(),
          name: "leaves",
          create(connection) {
            if (at === "create") app.socket.setCongestionControl(d.now, congestionControl);
            const group = reno().create(connection);
            return {
              join(subflow) {
                if (at === "join") app.socket.setCongestionControl(d.now, congestionControl);
                return group.join(subflow);
              },
            };
          },
        };
        if (living) app.write(1);
        app.socket.setCongestionControl(d.now, leaves);
        app.write(1);
        assertEquals([app.socket.policyNames.congestion_control, notes], [
          "reno",
          ["congestion control", "join"],
        ]);
      }
    }
  });

  it("is the last of those that put one another in their place without an end, and can be swapped after", () => {
    const all = (["create", "onSubflow", "onClose"] as const)
      .flatMap((at) => [false, true].map((living) => ({ at, living })));
    for (const { at, living } of all) {
      using d = new Dialogue();
      const { peer, app } = d.opened();
      if (living) app.write(1);
      let made = 0;
      let calm = false;
      const swap = () => {
        if (!calm) app.socket.setScheduler(d.now, restless());
      };
      const restless = (): SchedulerPlugin => ({
        ...minRtt(),
        create(connection) {
          made++;
          // One that swaps as it ends is ended by what comes in its place.
          if (at === "create" || (at === "onClose" && made === 1)) swap();
          const scheduler = minRtt().create(connection);
          return {
            pick: (ready, chunk) => scheduler.pick(ready, chunk),
            onSubflow: () => at === "onSubflow" && swap(),
            onClose: () => at === "onClose" && swap(),
          };
        },
      });
      app.socket.setScheduler(d.now, restless());
      app.write(1);
      const segments = living ? 2 : 1;
      assertEquals([at, made, peer.takeAll().length], [at, at === "onClose" ? 2 : 17, segments]);
      calm = true;
      const { notes, policies } = noted();
      app.socket.setScheduler(d.now, policies.scheduler);
      assertEquals([at, notes], [at, ["scheduler", "joined"]]);
    }
  });

  it("is the last congestion control of those that put one another in their place without an end, too", () => {
    const all = (["create", "join"] as const)
      .flatMap((at) => [false, true].map((living) => ({ at, living })));
    for (const { at, living } of all) {
      using d = new Dialogue();
      const { peer, app } = d.opened();
      if (living) app.write(1);
      let made = 0;
      let members = 0;
      const restless = (): CongestionControlPlugin => ({
        ...reno(),
        create(connection) {
          made++;
          if (at === "create") app.socket.setCongestionControl(d.now, restless());
          const group = reno().create(connection);
          return {
            join(subflow) {
              members++;
              if (at === "join") app.socket.setCongestionControl(d.now, restless());
              return group.join(subflow);
            },
            leave: () => void members--,
          };
        },
      });
      app.socket.setCongestionControl(d.now, restless());
      app.write(1);
      assertEquals([at, made, peer.takeAll().length], [at, 17, living ? 2 : 1]);
      if (at === "join") assertEquals(members, 1);
      const { notes, policies } = noted();
      app.socket.setCongestionControl(d.now, policies.congestionControl);
      assertEquals([at, notes], [at, ["congestion control", "join"]]);
    }
  });

  it("is not made to be tuned, or for an end", () => {
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

  it("cannot be tuned by its own create()", () => {
    using d = new Dialogue();
    const { app } = d.opened();
    const errors: unknown[] = [];
    app.socket.setScheduler(d.now, {
      ...minRtt(),
      create(connection) {
        try {
          app.socket.tuneScheduler(d.now, {});
        } catch (error) {
          errors.push(error);
        }
        return { ...minRtt().create(connection), tune: () => {} };
      },
    });
    app.write(1);
    assertEquals(errors.map((error) => error instanceof TypeError), [true]);
    app.socket.tuneScheduler(d.now, {});
  });

  it("can be put in place by the create() of the other kind, on a connection that has both", () => {
    for (const by of ["scheduler", "congestion control"] as const) {
      using d = new Dialogue();
      const { app } = d.opened();
      app.write(1);
      const { notes, policies } = noted();
      if (by === "scheduler") {
        app.socket.setScheduler(d.now, {
          ...minRtt(),
          create(connection) {
            app.socket.setCongestionControl(d.now, policies.congestionControl);
            return minRtt().create(connection);
          },
        });
      } else {
        app.socket.setCongestionControl(d.now, {
          ...reno(),
          create(connection) {
            app.socket.setScheduler(d.now, policies.scheduler);
            return reno().create(connection);
          },
        });
      }
      const expected = by === "scheduler"
        ? ["congestion control", "join"]
        : ["scheduler", "joined"];
      assertEquals([by, notes], [by, expected]);
    }
  });

  it("is the scheduler that onClose() has put in its place, and each has ended once", () => {
    using d = new Dialogue();
    const { app } = d.opened();
    const ends: string[] = [];
    const made: string[] = [];
    const named = (name: string, next: SchedulerPlugin | null, atEnd = next): SchedulerPlugin => ({
      kind: "scheduler",
      name,
      create() {
        made.push(name);
        if (next !== null) app.socket.setScheduler(d.now, next);
        return {
          pick: ([first]) => first!,
          onClose() {
            ends.push(name);
            if (atEnd !== null) app.socket.setScheduler(d.now, atEnd);
          },
        };
      },
    });
    app.socket.setScheduler(d.now, named("former", null));
    app.write(1);
    app.socket.setScheduler(d.now, named("first", named("second", null), named("third", null)));
    app.abort();
    assertEquals([made, ends], [["former", "first", "third"], ["former", "first", "third"]]);
  });

  it("has ended where its create(), or the end of the one before, has ended the connection", () => {
    for (const at of ["first", "create", "end"] as const) {
      using d = new Dialogue();
      const { app } = d.opened();
      const notes: string[] = [];
      const named = (name: string, aborts: "create" | "end" | null): SchedulerPlugin => ({
        kind: "scheduler",
        name,
        create() {
          notes.push(`${name} made`);
          if (aborts === "create") app.socket.abort(d.now);
          return {
            pick: ([first]) => first!,
            onClose() {
              notes.push(`${name} ended`);
              if (aborts === "end") app.socket.abort(d.now);
            },
          };
        },
      });
      if (at !== "first") {
        app.socket.setScheduler(d.now, named("former", at === "end" ? "end" : null));
        app.write(1);
      }
      app.socket.setScheduler(d.now, named("next", at === "end" ? null : "create"));
      if (at === "first") app.write(1);
      d.stack.flush(d.now);
      const former = at === "first" ? [] : ["former made", "former ended"];
      const next = at === "end" ? [] : ["next made", "next ended"];
      assertEquals([at, app.code, notes], [at, "ConnectionAborted", [...former, ...next]]);
    }
  });

  it("is the congestion control that join() of a second subflow has put in its place, for both", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened();
    const joins: string[] = [];
    const leaves: string[] = [];
    const named = (name: string, swaps: (path: number) => void): CongestionControlPlugin => ({
      ...reno(),
      create(connection) {
        const group = reno().create(connection);
        return {
          join(subflow) {
            joins.push(`${name} ${subflow.path}`);
            swaps(subflow.path);
            return group.join(subflow);
          },
          leave: ({ path }) => void leaves.push(`${name} ${path}`),
        };
      },
    });
    const last = named("last", () => {});
    app.socket.setCongestionControl(
      d.now,
      named("first", (path) => path === 2 && app.socket.setCongestionControl(d.now, last)),
    );
    app.write(1);
    peer.takeAll();
    peer.sends(". 1 ack 2 <dack8 2>");
    join(d, peer, 1);
    assertEquals([joins, leaves.sort()], [
      ["first 1", "first 2", "last 1", "last 2"],
      ["first 1", "first 2"],
    ]);
  });
});
