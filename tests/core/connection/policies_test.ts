/** When a connection makes its scheduler and its congestion control. */

import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { reno } from "../../../cc/mod.ts";
import type { SubflowChange } from "../../../core/plugin.ts";
import { minRtt } from "../../../sched/mod.ts";
import { Dialogue } from "../../support/dialogue.ts";

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

  it("of the congestion control is asked which marks the peer hears of: it is made where ECN is agreed", () => {
    const { notes, policies } = noted();
    using d = new Dialogue({ policies, tcp: { ecn: "request" } });
    d.opened({ mptcp: false, ecn: true });
    assertEquals(notes, ["congestion control", "join"]);
  });
});
