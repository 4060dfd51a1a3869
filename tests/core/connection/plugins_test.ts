/** The scheduler and the congestion control of a connection: how they are made, and take each other's place. */

import { assertEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { reno } from "../../../cc/mod.ts";
import { Plugins } from "../../../core/connection/plugins.ts";
import type { Policies } from "../../../core/guard/policies.ts";
import type { CongestionControlPlugin, SchedulerPlugin } from "../../../core/plugin.ts";
import { minRtt } from "../../../sched/mod.ts";
import { guarded, joinedBy } from "../../support/connections.ts";
import { noted } from "../../support/noted_plugins.ts";
import { subflowParts } from "../../support/parts.ts";

/** Those of a connection with one subflow. `living`: they have been made. */
function held(living = false, named?: Partial<Policies>) {
  const { meta } = joinedBy();
  const plugins = new Plugins(meta, guarded(named));
  if (living) plugins.begin();
  return { meta, plugins };
}

describe("plugins of a connection", () => {
  it("make nothing before there is something to send, and each once", () => {
    const { notes, policies } = noted();
    const { plugins } = held(false, policies);
    assertEquals([plugins.scheduler, notes], [null, []]);
    for (let i = 0; i < 2; i++) plugins.begin();
    assertEquals(notes, ["scheduler", "joined", "congestion control", "join"]);
  });

  it("make the congestion control alone for a subflow that needs one, and then all others join in it", () => {
    const { notes, policies } = noted();
    const { plugins } = held(false, policies);
    const [second, third] = [subflowParts({ path: 2 }), subflowParts({ path: 3 })];
    plugins.join(second.subflow, false);
    assertEquals([notes, second.subflow.sender.controlled], [[], false]);
    plugins.join(second.subflow, true);
    plugins.join(third.subflow, false);
    assertEquals([plugins.scheduler, notes], [null, [
      "congestion control",
      ...Array(3).fill("join"),
    ]]);
    assertEquals([second, third].map(({ subflow }) => subflow.sender.controlled), [true, true]);
  });

  it("are asked by the connection what they wish, before they are made as after", () => {
    const wishes: SchedulerPlugin = { ...minRtt(), quantum: 100, lookAhead: 7, relief: true };
    const { plugins } = held(false, { scheduler: wishes });
    for (const made of [false, true]) {
      if (made) plugins.begin();
      const { quantum, lookAhead, relief } = plugins.wishes;
      assertEquals([made, quantum, lookAhead, relief, plugins.looksAhead()], [
        made,
        100,
        7,
        true,
        7,
      ]);
    }
  });

  it("have another scheduler where create() has put it, and the former one has ended once", () => {
    for (const living of [false, true]) {
      const { plugins } = held();
      const ends: string[] = [];
      let made = 0;
      /** One that says when it ends, and in its create() leaves its place to `next`. */
      const named = (name: string, next: SchedulerPlugin | null): SchedulerPlugin => ({
        kind: "scheduler",
        name,
        create() {
          made++;
          if (next !== null) plugins.setScheduler(next);
          return { pick: ([first]) => first!, onClose: () => void ends.push(name) };
        },
      });
      if (living) {
        plugins.setScheduler(named("former", null));
        plugins.begin();
      }
      plugins.setScheduler(named("first", named("second", named("last", null))));
      plugins.begin();
      const expected = living ? ["former", "first", "second"] : ["first", "second"];
      assertEquals([plugins.chosen.scheduler.name, ends, made], [
        "last",
        expected,
        expected.length + 1,
      ]);
      plugins.end();
      assertEquals(ends, [...expected, "last"]);
    }
  });

  it("have another congestion control where create() or join() has put it", () => {
    for (const living of [false, true]) {
      for (const at of ["create", "join"] as const) {
        const { plugins } = held(living);
        const { notes, policies: { congestionControl } } = noted();
        plugins.setCongestionControl({
          ...reno(),
          name: "leaves",
          create(connection) {
            if (at === "create") plugins.setCongestionControl(congestionControl);
            const group = reno().create(connection);
            return {
              join(subflow) {
                if (at === "join") plugins.setCongestionControl(congestionControl);
                return group.join(subflow);
              },
            };
          },
        });
        plugins.begin();
        assertEquals([plugins.chosen.congestionControl.name, notes], [
          "reno",
          ["congestion control", "join"],
        ]);
      }
    }
  });

  it("have the last scheduler of those that put one another in their place without an end, and another after", () => {
    const all = (["create", "onSubflow", "onClose"] as const)
      .flatMap((at) => [false, true].map((living) => ({ at, living })));
    for (const { at, living } of all) {
      const { plugins } = held(living);
      let made = 0;
      let calm = false;
      const swap = () => {
        if (!calm) plugins.setScheduler(restless());
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
      plugins.setScheduler(restless());
      plugins.begin();
      assertEquals([at, made], [at, at === "onClose" ? 2 : 17]);
      calm = true;
      const { notes, policies } = noted();
      plugins.setScheduler(policies.scheduler);
      assertEquals([at, notes], [at, ["scheduler", "joined"]]);
    }
  });

  it("have the last congestion control of those that put one another in their place without an end, too", () => {
    const all = (["create", "join"] as const)
      .flatMap((at) => [false, true].map((living) => ({ at, living })));
    for (const { at, living } of all) {
      const { meta, plugins } = held(living);
      let made = 0;
      let members = 0;
      const restless = (): CongestionControlPlugin => ({
        ...reno(),
        create(connection) {
          made++;
          if (at === "create") plugins.setCongestionControl(restless());
          const group = reno().create(connection);
          return {
            join(subflow) {
              members++;
              if (at === "join") plugins.setCongestionControl(restless());
              return group.join(subflow);
            },
            leave: () => void members--,
          };
        },
      });
      plugins.setCongestionControl(restless());
      plugins.begin();
      assertEquals([at, made, meta.subflows[0]!.sender.controlled], [at, 17, true]);
      if (at === "join") assertEquals(members, 1);
      const { notes, policies } = noted();
      plugins.setCongestionControl(policies.congestionControl);
      assertEquals([at, notes], [at, ["congestion control", "join"]]);
    }
  });

  it("have the congestion control that leave() has put in its place, made once, and no end of them", () => {
    const { plugins } = held(true);
    const made: string[] = [];
    const named = (
      name: string,
      next: CongestionControlPlugin | null,
      atLeave: () => CongestionControlPlugin,
    ): CongestionControlPlugin => ({
      ...reno(),
      name,
      create(connection) {
        made.push(name);
        if (next !== null) plugins.setCongestionControl(next);
        const group = reno().create(connection);
        return {
          join: (subflow) => group.join(subflow),
          leave: () => plugins.setCongestionControl(atLeave()),
        };
      },
    });
    const { notes, policies: { congestionControl } } = noted();
    // One that was never at work leaves all the same.
    plugins.setCongestionControl(named("first", reno(), () => congestionControl));
    assertEquals([made, notes], [["first"], ["congestion control", "join"]]);
    let count = 0;
    const restless = (): CongestionControlPlugin => named(`${++count}`, null, restless);
    plugins.setCongestionControl(restless());
    plugins.setCongestionControl(restless());
    assertEquals([made.slice(1), plugins.chosen.congestionControl.name], [["1", "2", "4"], "4"]);
  });

  it("cannot be tuned by their own create()", () => {
    const { plugins } = held();
    let tuned = 0;
    plugins.setScheduler({
      ...minRtt(),
      create(connection) {
        assertThrows(() => plugins.tuneScheduler({}), TypeError, "Cannot tune a scheduler while");
        return { ...minRtt().create(connection), tune: () => void tuned++ };
      },
    });
    plugins.begin();
    plugins.tuneScheduler({});
    assertEquals(tuned, 1);
  });

  it("can be put in place by the create() of the other kind", () => {
    for (const by of ["scheduler", "congestion control"] as const) {
      const { plugins } = held(true);
      const { notes, policies } = noted();
      if (by === "scheduler") {
        plugins.setScheduler({
          ...minRtt(),
          create(connection) {
            plugins.setCongestionControl(policies.congestionControl);
            return minRtt().create(connection);
          },
        });
      } else {
        plugins.setCongestionControl({
          ...reno(),
          create(connection) {
            plugins.setScheduler(policies.scheduler);
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

  it("have the scheduler that onClose() has put in its place, and each has ended once", () => {
    const { plugins } = held();
    const ends: string[] = [];
    const made: string[] = [];
    const named = (name: string, next: SchedulerPlugin | null, atEnd = next): SchedulerPlugin => ({
      kind: "scheduler",
      name,
      create() {
        made.push(name);
        if (next !== null) plugins.setScheduler(next);
        return {
          pick: ([first]) => first!,
          onClose() {
            ends.push(name);
            if (atEnd !== null) plugins.setScheduler(atEnd);
          },
        };
      },
    });
    plugins.setScheduler(named("former", null));
    plugins.begin();
    plugins.setScheduler(named("first", named("second", null), named("third", null)));
    plugins.end();
    assertEquals([made, ends], [["former", "first", "third"], ["former", "first", "third"]]);
  });

  it("have ended where create(), or the end of the scheduler before, has ended the connection", () => {
    for (const at of ["first", "create", "end"] as const) {
      const { meta, plugins } = held();
      const notes: string[] = [];
      const named = (name: string, aborts: "create" | "end" | null): SchedulerPlugin => ({
        kind: "scheduler",
        name,
        create() {
          notes.push(`${name} made`);
          if (aborts === "create") meta.abort(0);
          return {
            pick: ([first]) => first!,
            onClose() {
              notes.push(`${name} ended`);
              if (aborts === "end") meta.abort(0);
            },
          };
        },
      });
      if (at !== "first") {
        plugins.setScheduler(named("former", at === "end" ? "end" : null));
        plugins.begin();
      }
      plugins.setScheduler(named("next", at === "end" ? null : "create"));
      if (at === "first") plugins.begin();
      const former = at === "first" ? [] : ["former made", "former ended"];
      const next = at === "end" ? [] : ["next made", "next ended"];
      assertEquals([at, meta.code, notes], [at, "ConnectionAborted", [...former, ...next]]);
    }
  });

  it("have the congestion control that join() of a second subflow has put in its place, for both", () => {
    const { plugins } = held();
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
    plugins.setCongestionControl(
      named("first", (path) => path === 2 && plugins.setCongestionControl(last)),
    );
    plugins.begin();
    plugins.join(subflowParts({ path: 2 }).subflow, false);
    assertEquals([joins, leaves.sort()], [
      ["first 1", "first 2", "last 1", "last 2"],
      ["first 1", "first 2"],
    ]);
  });
});
