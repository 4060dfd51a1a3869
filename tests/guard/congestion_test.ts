import { assert, assertEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { aimd, lia, reno } from "../../cc/mod.ts";
import { guardCongestionControl } from "../../core/guard/congestion.ts";
import { type GuardHost, MOST_FAULTS, type PluginFault } from "../../core/guard/faults.ts";
import type {
  AckSample,
  CongestionControl,
  CongestionController,
  CongestionControlPlugin,
  SubflowView,
} from "../../core/plugin.ts";
import cwndNan from "../broken/cwnd_nan.ts";
import { ack, MSS, TestConnection, TestFlow } from "../cc/support.ts";
import { brokenRules } from "../kit/mod.ts";
import { hears, SOUND } from "./support.ts";

/** A controller of one value. */
function constant(cwnd: number, more: Partial<CongestionController> = {}): CongestionController {
  return { cwnd, ssthresh: Infinity, onAck: () => {}, onCongestion: () => {}, ...more };
}

/** A plugin that makes a controller for each subflow. */
function joins(make: () => CongestionController): CongestionControlPlugin {
  return { kind: "congestion-control", name: "odd", create: () => ({ join: make }) };
}

describe("guardCongestionControl", () => {
  it("keeps the default's window where the plugin's is no positive number", () => {
    const faults: PluginFault[] = [];
    const guarded = guardCongestionControl(cwndNan(), reno(), hears((fault) => faults.push(fault)));
    const { subflows } = new TestConnection(guarded, [[10, 50], [20, 50]]);
    const [flow, other] = subflows;
    ack(flow!, 10 * MSS);
    assertEquals([flow!.cwnd, flow!.ssthresh], [10 * MSS, 10 * MSS]);
    for (let i = 0; i < 30; i++) ack(flow!, 10 * MSS);
    assert(flow!.cwnd > 20 * MSS);
    assertEquals(faults[0]?.what, "set cwnd to NaN");
    assertEquals(faults[0]?.plugin, "cwnd_nan");
    // The other subflow's controller is sound until it has its own NaN.
    assertEquals(other!.cwnd, 20 * MSS);
    for (let i = 0; i < 200; i++) ack(flow!, MSS);
    assertEquals(faults.length, MOST_FAULTS);
    assertEquals(faults.at(-1)?.replaced, true);
    const before = other!.cwnd;
    ack(other!, 2 * before);
    assert(other!.cwnd > before);
  });

  it("refuses windows, thresholds and rates that are none", () => {
    const wrong: CongestionController[] = [
      constant(NaN),
      constant(0),
      constant(-1),
      constant(Infinity),
      constant(10 * MSS, { ssthresh: NaN }),
      constant(10 * MSS, { ssthresh: 0 }),
      constant(10 * MSS, { ssthresh: MSS - 1 }),
      constant(2 ** 30 + 1),
      constant(1e300),
      constant(1),
      constant(MSS - 1),
      constant("14600" as unknown as number),
      constant(10 * MSS, { ssthresh: "9" as unknown as number }),
      constant(10 * MSS, { ownsRecovery: 1 as unknown as boolean }),
      constant(10 * MSS, { accurateEcn: "yes" as unknown as boolean }),
      constant(10 * MSS, { pacingRate: NaN }),
      constant(10 * MSS, { pacingRate: 1 }),
    ];
    for (const controller of wrong) {
      const faults: string[] = [];
      const plugin = {
        kind: "congestion-control" as const,
        name: "wrong",
        create: () => ({ join: () => controller }),
      };
      const guarded = guardCongestionControl(plugin, lia(), hears(({ what }) => faults.push(what)));
      const [flow] = new TestConnection(guarded, [[10, 50]]).subflows;
      assert(faults[0]?.startsWith("set "), faults.join());
      assertEquals([flow!.cwnd, flow!.ssthresh], [10 * MSS, 10 * MSS]);
      assertEquals(flow!.controller!.pacingRate, undefined);
    }
  });

  it("goes on where the plugin was, when the default is called in", () => {
    let broken = false;
    const plugin = aimd("late", (each) => ({
      increase: (acked) => broken ? NaN : acked * each.mss / each.cwnd,
    }));
    const guarded = guardCongestionControl(plugin, lia(), hears());
    const { subflows } = new TestConnection(guarded, [[30, 50], [40, 50]]);
    broken = true;
    ack(subflows[0]!, MSS);
    assertEquals(subflows.map(({ cwnd, ssthresh }) => [cwnd, ssthresh]), [
      [30 * MSS, 30 * MSS],
      [40 * MSS, 40 * MSS],
    ]);
  });

  it("hands on the threshold that the plugin leaves, of the subflow that fails and of its siblings", () => {
    let broken = false;
    const plugin = joins(() =>
      constant(40 * MSS, {
        ssthresh: 30 * MSS,
        ssthreshLeft: Infinity,
        onAck() {
          if (broken) throw new Error("no");
        },
      })
    );
    const guarded = guardCongestionControl(plugin, lia(), hears());
    const { subflows: [flow, other] } = new TestConnection(guarded, [[10, 50], [10, 50]]);
    assertEquals([flow!.ssthresh, other!.ssthresh], [30 * MSS, 30 * MSS]);
    broken = true;
    ack(flow!, MSS);
    assertEquals([flow!.cwnd, flow!.ssthresh], [40 * MSS, Infinity]);
    // The other one is the plugin's until it fails, too.
    assertEquals([other!.cwnd, other!.ssthresh], [40 * MSS, 30 * MSS]);
    for (let i = 1; i < MOST_FAULTS; i++) ack(flow!, MSS);
    assertEquals([other!.cwnd, other!.ssthresh], [40 * MSS, Infinity]);
    ack(other!, 40 * MSS);
    assertEquals(other!.cwnd, 80 * MSS);
  });

  it("hands on the threshold that holds where what the plugin leaves is none, or throws", () => {
    const wrong: unknown[] = [NaN, 0, -1, "9", null, MSS - 1, Promise.resolve(1)];
    const left = (ssthreshLeft: unknown): CongestionController =>
      constant(20 * MSS, { ssthresh: 30 * MSS, ssthreshLeft: ssthreshLeft as number });
    const throws = (error: () => unknown): CongestionController => ({
      ...constant(20 * MSS, { ssthresh: 30 * MSS }),
      get ssthreshLeft(): number {
        throw error();
      },
    });
    const thrown = [() => new Error("no"), () => Promise.reject(new Error("no"))].map(throws);
    for (const controller of [...wrong.map(left), ...thrown]) {
      const guarded = guardCongestionControl(joins(() => controller), reno(), hears());
      const group = guarded.create(new TestConnection(reno(), []));
      const flow = new TestFlow(1, 50e3);
      flow.controller = group.join(flow);
      assertEquals(flow.ssthresh, 30 * MSS);
      group.handOn();
      assertEquals(flow.ssthresh, 30 * MSS);
    }
  });

  it("hands on the window that the plugin leaves, to its stand-in too, and that which holds where that is none, or more", () => {
    const all: readonly (readonly [left: unknown, window: number])[] = [
      [12.5 * MSS + 0.5, 12.5 * MSS],
      ...[NaN, 0, -1, "9", null, MSS - 1, 21 * MSS, Infinity, Promise.resolve(1)]
        .map((left) => [left, 20 * MSS] as const),
    ];
    for (const [left, window] of all) {
      let broken = false;
      const controller = constant(20 * MSS, {
        cwndLeft: left as number,
        onAck() {
          if (broken) throw new Error("no");
        },
      });
      const guarded = guardCongestionControl(joins(() => controller), reno(), hears());
      const { subflows: [flow, other] } = new TestConnection(guarded, [[10, 50], [10, 50]]);
      broken = true;
      for (let i = 0; i < MOST_FAULTS; i++) {
        assertEquals(other!.cwnd, 20 * MSS, "while the plugin rules it");
        ack(flow!, 0);
      }
      assertEquals([flow!.cwnd, other!.cwnd], [window, window], `${left}`);
      const group = guarded.create(new TestConnection(reno(), []));
      const alone = new TestFlow(1, 50e3);
      alone.controller = group.join(alone);
      group.handOn();
      assertEquals(alone.cwnd, window, `${left}`);
    }
  });

  it("hands on no threshold that segments have outgrown: who takes it over would be blamed for it", () => {
    for (const left of [undefined, MSS] as const) {
      const faults: string[] = [];
      const host = hears(({ what }) => faults.push(what));
      const flow = new TestFlow(1, 50e3);
      const connection = new TestConnection(reno(), []);
      const small = constant(MSS, { ssthresh: MSS, ssthreshLeft: left });
      const former = guardCongestionControl(joins(() => small), lia(), host).create(connection);
      flow.controller = former.join(flow);
      flow.mss = MSS + 12;
      former.handOn();
      assertEquals(flow.ssthresh, MSS + 12);
      const next = guardCongestionControl(reno(), lia(), host).create(connection);
      flow.controller = next.join(flow);
      assertEquals([flow.cwnd, flow.ssthresh, faults], [MSS, MSS + 12, []]);
    }
  });

  it("catches what calls throw; a loss counts all the same", () => {
    const faults: string[] = [];
    const fails = (): never => {
      throw new Error("no");
    };
    const plugin = {
      kind: "congestion-control" as const,
      name: "throws",
      create: () => ({
        join: () =>
          constant(20 * MSS, {
            onAck: fails,
            onCongestion: fails,
            onUndo: fails,
            onRestart: fails,
          }),
        leave: fails,
      }),
    };
    const guarded = guardCongestionControl(plugin, reno(), hears(({ what }) => faults.push(what)));
    const connection = new TestConnection(guarded, []);
    const [flow] = new TestConnection(guarded, [[20, 50]]).subflows;
    assertEquals(faults, ["threw in onAck", "threw in onCongestion"]);
    assertEquals(flow!.cwnd, 20 * MSS);
    flow!.controller!.onCongestion("loss", 20 * MSS);
    assertEquals(flow!.cwnd, 10 * MSS);
    flow!.controller!.onUndo!();
    flow!.controller!.onRestart!(1, 1);
    connection.group.leave!(flow!);
    assertEquals(faults.slice(2), [
      "threw in onCongestion",
      "threw in onUndo",
      "threw in onRestart",
      "threw in leave",
    ]);
  });

  it("leaves parts of a byte out", () => {
    const faults: string[] = [];
    const guarded = guardCongestionControl(
      joins(() => constant(2 * MSS + 0.7, { ssthresh: MSS + 0.5 })),
      reno(),
      hears(({ what }) => faults.push(what)),
    );
    const [flow] = new TestConnection(guarded, [[10, 50]]).subflows;
    assertEquals([flow!.cwnd, flow!.ssthresh, faults], [2 * MSS, MSS, []]);
  });

  it("passes recovery through", () => {
    const [flow] = new TestConnection(
      guardCongestionControl(
        joins(() => constant(10 * MSS, { ownsRecovery: true })),
        reno(),
        SOUND,
      ),
      [[10, 50]],
    ).subflows;
    assertEquals([flow!.cwnd, flow!.controller!.ownsRecovery], [10 * MSS, true]);
  });

  it("passes marks through, and whether they are to be counted", () => {
    const told: unknown[] = [];
    const faults: PluginFault[] = [];
    const [flow] = new TestConnection(
      guardCongestionControl(
        joins(() =>
          constant(10 * MSS, {
            accurateEcn: true,
            onAck: ({ marked }) => told.push(marked),
            onCongestion: (...what) => told.push(...what),
          })
        ),
        reno(),
        hears((fault) => faults.push(fault)),
      ),
      [[10, 50]],
    ).subflows;
    const controller = flow!.controller!;
    assertEquals(controller.accurateEcn, true);
    controller.onCongestion("ecn", 7 * MSS);
    controller.onAck({
      acked: 2 * MSS,
      lost: 0,
      marked: MSS,
      rtt: -1,
      inFlight: 10 * MSS,
      cwndLimited: true,
      delivered: 0,
      priorDelivered: 0,
      deliveryRate: 0,
      appLimited: false,
    });
    assertEquals([told.slice(-3), faults], [["ecn", 7 * MSS, MSS], []]);
  });

  it("takes a pacing rate over, in whatever call it appears and goes again", () => {
    const faults: PluginFault[] = [];
    let pacingRate: number | undefined = undefined;
    const plugin = joins(() => ({
      ...constant(10 * MSS),
      get pacingRate() {
        return pacingRate;
      },
    }));
    const guarded = guardCongestionControl(plugin, reno(), hears((fault) => faults.push(fault)));
    const [flow] = new TestConnection(guarded, [[10, 50]]).subflows;
    assertEquals(flow!.controller!.pacingRate, undefined);
    for (const rate of [1e6, 123.4, Number.MAX_VALUE, undefined]) {
      pacingRate = rate;
      ack(flow!, MSS);
      assertEquals(flow!.controller!.pacingRate, rate);
    }
    assertEquals(faults, []);
  });

  it("follows the default's rate, none, where the plugin's is no rate", () => {
    const wrong = [0, -1, NaN, Infinity, "1e6", null, MSS / 60 - 0.1];
    for (const rate of wrong) {
      const faults: PluginFault[] = [];
      let pacingRate: unknown = 1e6;
      const plugin = joins(() => ({
        ...constant(10 * MSS),
        get pacingRate() {
          return pacingRate as number;
        },
      }));
      const guarded = guardCongestionControl(plugin, reno(), hears((fault) => faults.push(fault)));
      const [flow] = new TestConnection(guarded, [[10, 50]]).subflows;
      assertEquals(flow!.controller!.pacingRate, 1e6);
      pacingRate = rate;
      ack(flow!, MSS);
      assertEquals(flow!.controller!.pacingRate, undefined);
      assertEquals(faults.map(({ rule }) => rule), ["sane-window"]);
    }
  });

  it("bears a window that a segment has outgrown, none that was set below it", () => {
    const faults: string[] = [];
    let cwnd = MSS;
    const plugin = joins(() => ({
      ...constant(0),
      get cwnd() {
        return cwnd;
      },
    } as CongestionController));
    const guarded = guardCongestionControl(plugin, reno(), hears(({ what }) => faults.push(what)));
    const [flow] = new TestConnection(guarded, [[10, 50]]).subflows;
    flow!.mss = MSS + 12;
    ack(flow!, MSS);
    cwnd = MSS + 1;
    ack(flow!, MSS);
    assertEquals([flow!.cwnd, faults], [MSS + 1, []]);
    cwnd = 1;
    ack(flow!, MSS);
    assertEquals(faults, ["set cwnd to 1, less than a segment"]);
    assert(flow!.cwnd > 1);
  });

  it("reads each value once, and bears getters that throw", () => {
    const faults: string[] = [];
    let reads = 0;
    let broken = false;
    const plugin = joins(() => ({
      ...constant(0),
      get cwnd() {
        if (broken) throw new Error("no");
        return ++reads % 2 === 1 ? 20 * MSS : NaN;
      },
    } as CongestionController));
    const guarded = guardCongestionControl(plugin, reno(), hears(({ what }) => faults.push(what)));
    const group = guarded.create(new TestConnection(reno(), []));
    const flow = new TestFlow(1, 1e3);
    const controller = flow.controller = group.join(flow);
    assertEquals([controller.cwnd, reads, faults], [20 * MSS, 1, []]);
    broken = true;
    controller.onRestart(1, 1);
    assertEquals([controller.cwnd, faults], [20 * MSS, ["threw when its values were read"]]);
  });

  it("lets the default know of a loss after which the plugin's window is none", () => {
    let cwnd = 20 * MSS;
    const plugin = joins(() => ({
      ...constant(0),
      onCongestion: () => cwnd = NaN,
      get cwnd() {
        return cwnd;
      },
    } as CongestionController));
    const group = guardCongestionControl(plugin, reno(), hears()).create(
      new TestConnection(reno(), []),
    );
    const controller = group.join(new TestFlow(1, 1e3));
    controller.onCongestion("loss", 20 * MSS);
    assertEquals([controller.cwnd, controller.ssthresh], [10 * MSS, 10 * MSS]);
  });

  it("replaces at once what cannot be made", () => {
    const wrong: [create: () => unknown, what: string][] = [
      [() => {
        throw new Error("no");
      }, "threw in create"],
      [() => undefined, "answered undefined in create"],
      [() => ({ join: 1 }), "made a congestion control whose join is 1, no function"],
    ];
    for (const [create, text] of wrong) {
      const faults: PluginFault[] = [];
      const plugin = { kind: "congestion-control", name: "unmade", create };
      const guarded = guardCongestionControl(
        plugin as CongestionControlPlugin,
        reno(),
        hears((fault) => faults.push(fault)),
      );
      const [flow] = new TestConnection(guarded, [[10, 50]]).subflows;
      ack(flow!, 10 * MSS);
      assertEquals(flow!.cwnd, 11 * MSS);
      assertEquals(faults.map(({ what, replaced }) => [what, replaced]), [[text, true]]);
    }
  });

  it("lets the default decide on a subflow whose controller cannot be used", () => {
    const wrong: [controller: unknown, what: string][] = [
      [undefined, "answered undefined in join"],
      [Promise.resolve(1), "answered a promise in join"],
      [{ onAck() {} }, "made a controller whose onCongestion is undefined, no function"],
    ];
    for (const [controller, text] of wrong) {
      const faults: string[] = [];
      const plugin = joins(() => controller as CongestionController);
      const guarded = guardCongestionControl(
        plugin,
        reno(),
        hears(({ what }) => faults.push(what)),
      );
      const [flow] = new TestConnection(guarded, [[10, 50]]).subflows;
      ack(flow!, 10 * MSS);
      assertEquals([flow!.cwnd, faults], [11 * MSS, [text]]);
    }
  });

  it("takes promises for faults", () => {
    const faults: string[] = [];
    const later = (): Promise<never> => Promise.reject(new Error("nobody hears of it"));
    const plugin: CongestionControlPlugin = {
      kind: "congestion-control",
      name: "late",
      create: () => ({
        join: () =>
          constant(20 * MSS, {
            onAck: later,
            onCongestion: later,
            onUndo: later,
            onRestart: later,
          }),
        leave: later,
      }),
    };
    const guarded = guardCongestionControl(plugin, reno(), hears(({ what }) => faults.push(what)));
    const { group, subflows } = new TestConnection(guarded, [[20, 50]]);
    subflows[0]!.controller!.onUndo!();
    subflows[0]!.controller!.onRestart!(1, 1);
    group.leave!(subflows[0]!);
    assertEquals(
      faults,
      ["onAck", "onCongestion", "onUndo", "onRestart", "leave"].map((callback) =>
        `answered a promise in ${callback}`
      ),
    );
  });

  it("shows views that nobody can write to, and a copy of what an acknowledgement told", () => {
    const told: AckSample[] = [];
    const plugin: CongestionControlPlugin = {
      kind: "congestion-control",
      name: "writes",
      create: (view) => ({
        join(face) {
          assertThrows(() => Object.assign(face, { stale: true }), TypeError);
          assertThrows(() => Object.assign(view, { now: 0 }), TypeError);
          (view.subflows as SubflowView[]).length = 0;
          return constant(10 * MSS, {
            onAck(sample) {
              assertEquals(view.subflows.length, 2);
              told.push({ ...sample });
              Object.assign(sample, { acked: 1e9, rtt: NaN });
            },
          });
        },
      }),
    };
    const { subflows } = new TestConnection(guardCongestionControl(plugin, reno(), SOUND), [
      [10, 50],
      [10, 50],
    ]);
    const sample = { ...told[0]! };
    subflows[0]!.controller!.onAck(sample);
    assertEquals(told.at(-1), told[0]);
    assertEquals(sample, told[0]);
    assertEquals([sample.acked, subflows.length], [20 * MSS, 2]);
  });

  it("shows the same view of a subflow in join, in connection.subflows and in leave", () => {
    const seen: SubflowView[] = [];
    const plugin: CongestionControlPlugin = {
      kind: "congestion-control",
      name: "keeps",
      create: (view): CongestionControl => ({
        join: (face) => (seen.push(face, view.subflows[0]!), constant(10 * MSS)),
        leave: (face) => seen.push(face),
      }),
    };
    const { group, subflows } = new TestConnection(guardCongestionControl(plugin, reno(), SOUND), [
      [10, 50],
    ]);
    group.leave!(subflows[0]!);
    assertEquals([seen.length, new Set(seen).size], [3, 1]);
  });

  it("joins the default once only where the plugin fails as a subflow begins again", () => {
    const no = (): never => {
      throw new Error("no");
    };
    for (
      const [failing, before] of [
        ["leave", 0],
        ["join", 0],
        ["leave", 1],
        ["join", 1],
        ["leave", MOST_FAULTS - 1],
        ["join", MOST_FAULTS - 1],
      ] as const
    ) {
      let bad = false;
      let late = 0;
      const plugin: CongestionControlPlugin = {
        kind: "congestion-control",
        name: "odd",
        create: () => ({
          join: (face) =>
            bad && failing === "join" ? no() : constant(face.cwnd, {
              onUndo: () => {},
              onRestart: () => {
                if (late-- > 0) no();
              },
            }),
          leave: () => void (bad && failing === "leave" && no()),
        }),
      };
      const inside: number[] = [];
      const other: CongestionControlPlugin = {
        ...reno(),
        create: (view) => {
          const group = reno().create(view);
          return {
            join: (face) => (inside.push(face.path), group.join(face)),
            leave: (face) => {
              inside.splice(inside.indexOf(face.path), 1);
              group.leave?.(face);
            },
          };
        },
      };
      const guarded = guardCongestionControl(plugin, other, hears());
      const { group, subflows } = new TestConnection(guarded, [[10, 50], [10, 50]]);
      const [flow] = subflows;
      for (late = before; late > 0;) flow!.controller!.onRestart!(1, 1);
      bad = true;
      const controller = flow!.controller as ReturnType<typeof group.join> & {
        beginAgain(cwnd: number, ssthresh: number): void;
      };
      controller.beginAgain(40 * MSS, Infinity);
      const which = `${failing} after ${before}`;
      assertEquals(inside.toSorted(), [1, 2], which);
      assertEquals([flow!.cwnd, flow!.ssthresh >= 40 * MSS], [40 * MSS, true], which);
      bad = false;
      group.leave!(flow!);
      assertEquals(inside, [2], which);
    }
  });

  it("gives each a stream of its own, which is none of a scheduler's", () => {
    const drawn: string[] = [];
    const draws = (name: string): CongestionControlPlugin => ({
      kind: "congestion-control",
      name,
      create: (view) => ({
        join() {
          view.random();
          if (name === "mine") throw new Error("no");
          return constant(10 * MSS);
        },
      }),
    });
    const host: GuardHost = {
      report: () => {},
      now: () => 0,
      random: (stream) => (drawn.push(stream), 0.5),
    };
    new TestConnection(guardCongestionControl(draws("mine"), draws("default"), host), [[10, 50]]);
    assertEquals(drawn, ["plugin congestion-control mine", "plugin congestion-control default"]);
  });

  it("keeps a wake that is not ahead from the connection", () => {
    const faults: PluginFault[] = [];
    const plugin: CongestionControlPlugin = {
      kind: "congestion-control",
      name: "wakes",
      create: (view) => ({
        join: () => constant(10 * MSS, { onAck: () => view.wake(NaN) }),
      }),
    };
    const guarded = guardCongestionControl(plugin, reno(), hears((fault) => faults.push(fault)));
    new TestConnection(guarded, [[10, 50]]);
    assert(faults[0]?.error instanceof RangeError);
  });

  it("changes nothing for sound plugins", () => {
    for (const plugin of [reno(), lia()]) {
      assertEquals(
        brokenRules(guardCongestionControl(plugin, reno(), SOUND)),
        [],
      );
    }
  });
});
