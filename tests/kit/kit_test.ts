import { assert, assertEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import {
  balia,
  bbr,
  bbr3,
  coupled,
  coupledBbr,
  cubic,
  dctcp,
  ewtcp,
  lia,
  olia,
  reno,
  semiCoupled,
  wvegas,
} from "../../cc/mod.ts";
import type {
  CongestionControlPlugin,
  PathManagerPlugin,
  Plugin,
  SchedulerPlugin,
} from "../../core/plugin.ts";
import myLia from "../../docs/examples/my_lia.ts";
import patient from "../../docs/examples/patient.ts";
import wifiFirst from "../../docs/examples/wifi_first.ts";
import {
  endpoints,
  fullMesh,
  handover,
  labels,
  manual,
  nDiffPorts,
  passive,
} from "../../pm/mod.ts";
import {
  blest,
  daps,
  earliest,
  ecf,
  linux,
  minRtt,
  otias,
  peekaboo,
  priority,
  redundant,
  roundRobin,
  rttThreshold,
  sttf,
  timeDistance,
  weighted,
} from "../../sched/mod.ts";
import alwaysSlowest from "../broken/always_slowest.ts";
import cwndGrowsWithoutAck from "../broken/cwnd_grows_without_ack.ts";
import cwndNan from "../broken/cwnd_nan.ts";
import cwndNeverFalls from "../broken/cwnd_never_falls.ts";
import cwndZero from "../broken/cwnd_zero.ts";
import foreignFamily from "../broken/foreign_family.ts";
import hearsNoLoss from "../broken/hears_no_loss.ts";
import ignoresBackup from "../broken/ignores_backup.ts";
import indexTwice from "../broken/index_twice.ts";
import looksAhead from "../broken/looks_ahead.ts";
import mathRandom from "../broken/math_random.ts";
import namesClosedPath from "../broken/names_closed_path.ts";
import pacesAtNothing from "../broken/paces_at_nothing.ts";
import pollsForEver from "../broken/polls_for_ever.ts";
import liaNaiveMaxima from "../broken/lia_naive_maxima.ts";
import desertsAPath from "../broken/deserts_a_path.ts";
import givesUpAddresses from "../broken/gives_up_addresses.ts";
import repeatsAlways from "../broken/repeats_always.ts";
import tenTimesReno from "../broken/ten_times_reno.ts";
import queuesByModel from "../broken/queues_by_model.ts";
import thresholdOfNothing from "../broken/threshold_of_nothing.ts";
import threeTimesLia from "../broken/three_times_lia.ts";
import throwsAt100thPick from "../broken/throws_at_100th_pick.ts";
import waitsForEver from "../broken/waits_for_ever.ts";
import waitsForTheCut from "../broken/waits_for_the_cut.ts";
import { brokenRules, conformance, RuleError, verify } from "./mod.ts";

const SOUND: readonly Plugin[] = [
  minRtt(),
  earliest(),
  roundRobin(),
  roundRobin({ segments: 44 }),
  timeDistance({ lookAhead: 0 }),
  timeDistance({ lookAhead: 4, segments: 4 }),
  timeDistance(),
  roundRobin({ segments: 4, weights: "3/1" }),
  redundant(),
  redundant({ mode: "opportunistic" }),
  redundant({ mode: "tail" }),
  priority(),
  priority({ order: "2/1", spill: false }),
  weighted(),
  weighted({ weights: "3/1" }),
  linux(),
  blest(),
  ecf(),
  sttf(),
  otias(),
  daps(),
  peekaboo(),
  rttThreshold(),
  rttThreshold({ threshold: 10 }),
  patient(),
  patient({ ratio: 1.5 }),
  reno(),
  lia(),
  cubic(),
  myLia(),
  olia(),
  balia(),
  ewtcp(),
  semiCoupled(),
  wvegas(),
  wvegas({ alpha: 4 }),
  dctcp(),
  bbr(),
  bbr3(),
  coupledBbr(),
  coupledBbr({ always: true }),
  fullMesh(),
  fullMesh({ copies: 2 }),
  nDiffPorts(),
  nDiffPorts({ subflows: 8 }),
  passive(),
  wifiFirst(),
  labels(),
  manual(),
  labels({ dscp: [0, 8, 16, 63] }),
  handover(),
  handover({ standby: false, spare: "cellular" }),
  endpoints(),
  endpoints({
    subflows: 8,
    addAddrAccepted: 8,
    add:
      "10.0.0.1 subflow fullmesh; 10.1.0.1 subflow backup; 10.2.0.1 id 9 signal; fd01::1 laminar",
  }),
];

/** Each wrong plugin with the rule that it is rejected for. */
const BROKEN: readonly (readonly [plugin: Plugin, rule: string])[] = [
  [namesClosedPath(), "known-path"],
  [waitsForEver(), "waits-end"],
  [pollsForEver(), "makes-progress"],
  [alwaysSlowest(), "near-path"],
  [ignoresBackup(), "backup-last"],
  [throwsAt100thPick(), "never-throws"],
  [mathRandom(), "own-chance"],
  [looksAhead(), "sane-options"],
  [repeatsAlways(), "fills-pipes"],
  [desertsAPath(), "recovers"],
  [waitsForTheCut(), "leaves-the-cut"],
  [givesUpAddresses(), "returns"],
  [cwndNan(), "sane-window"],
  [cwndZero(), "sane-window"],
  [pacesAtNothing(), "sane-window"],
  [thresholdOfNothing(), "sane-window"],
  [tenTimesReno(), "spares-the-path"],
  [cwndGrowsWithoutAck(), "grows-by-acks"],
  [cwndNeverFalls(), "falls"],
  [liaNaiveMaxima(), "as-good-as-best"],
  // It looks at losses alone: where they are least the round trip may be long (Wischik et al., NSDI 2011 §2.3).
  [coupled(), "as-good-as-best"],
  [threeTimesLia(), "spares-the-path"],
  [queuesByModel(), "heeds-delay"],
  [indexTwice(), "index-once"],
  [foreignFamily(), "one-family"],
  [hearsNoLoss(), "known-members"],
];

describe("the plugin kit", () => {
  SOUND.forEach((plugin, i) => {
    // Draft INT-1, SCH-5: whatever stands behind an interface passes the rules of its kind.
    describe(`finds ${plugin.name} (${i}) sound`, () => {
      for (const rule of conformance(plugin)) it(rule.name, rule.check);
    });
  });

  for (const [plugin, rule] of BROKEN) {
    it(`rejects ${plugin.name} for ${rule}`, () => {
      const broken = brokenRules(plugin).map((error) => error.rule);
      assert(broken.includes(rule), `it names ${broken.join(", ") || "none"}`);
    });
  }

  it("rejects twenty-six wrong plugins, each for the first rule that it breaks", () => {
    assertEquals(BROKEN.length, 26);
    for (const [plugin, rule] of BROKEN) {
      const error = assertThrows(() => verify(plugin), RuleError, plugin.name);
      assertEquals(error.rule, rule);
    }
  });

  it("finds the harm that a window does that grows too fast, whatever else is wrong with it", () => {
    for (const plugin of [threeTimesLia(), tenTimesReno(), cwndNeverFalls()]) {
      const broken = brokenRules(plugin).map(({ rule }) => rule);
      assert(broken.includes("does-no-harm"), `${plugin.name}: ${broken.join(", ")}`);
    }
  });

  it("asks of a congestion control what its basis promises", () => {
    const names = (plugin: Plugin): string[] => conformance(plugin).map(({ name }) => name);
    assert(!names(reno()).includes("heeds-delay") && names(bbr()).includes("heeds-delay"));
    assert(names(wvegas()).includes("heeds-delay") && !names(wvegas()).includes("as-good-as-best"));
    const odd = { ...reno(), basis: "magic" as "model" };
    assertThrows(() => conformance(odd), RuleError, "'basis' must be one of loss, delay and model");
  });

  it("names what a misspelt member was probably meant to be, wherever it stands", () => {
    const [scheduler, pathManager, control] = [minRtt(), fullMesh(), reno()];
    const made: SchedulerPlugin = {
      ...scheduler,
      create: (connection) =>
        Object.assign(Object.create(scheduler.create(connection)), { onData() {} }),
    };
    const manager: PathManagerPlugin = {
      ...pathManager,
      create: (context) => Object.assign(pathManager.create(context), { refuses: () => null }),
    };
    const controller: CongestionControlPlugin = {
      ...control,
      create: () => ({
        join: ({ cwnd }) =>
          Object.assign({ cwnd, ssthresh: Infinity, onAck() {}, onCongestion() {} }, {
            onUndone() {},
          }),
      }),
    };
    const wrong: [Plugin, string][] = [
      [hearsNoLoss(), "'onLos' of what it creates: is onLoss meant?"],
      [{ ...scheduler, lookahead: 5 } as Plugin, "'lookahead' of the plugin: is lookAhead meant?"],
      [made, "'onData' of what it creates: the members are pick, repeat, onAck,"],
      [manager, "'refuses' of what it creates: is refuse meant?"],
      [
        { ...pathManager, onListen() {} } as Plugin,
        "'onListen' of the plugin: is onListener meant?",
      ],
      [controller, "'onUndone' of a controller: is onUndo meant?"],
    ];
    for (const [plugin, text] of wrong) {
      const rule = conformance(plugin).find(({ name }) => name === "known-members")!;
      const { message } = assertThrows(rule.check, RuleError);
      assert(message.includes(text), message);
    }
    // Helpers of their own are theirs.
    const own = { ...scheduler, weights: [1], picked: 3, describe: () => "mine" };
    conformance(own as Plugin).find(({ name }) => name === "known-members")!.check();
  });

  it("gives every rule a name of its own and a sentence", () => {
    for (const plugin of [minRtt(), lia(), wvegas(), bbr(), fullMesh()]) {
      const rules = conformance(plugin);
      assertEquals(new Set(rules.map(({ name }) => name)).size, rules.length);
      for (const { says } of rules) assert(/^[A-Za-z].*\.$/.test(says), says);
    }
  });

  it("says what is no plugin", () => {
    const functionError = assertThrows(
      () => conformance(minRtt as unknown as Plugin),
      RuleError,
    );
    assert(functionError.message.includes("call it"));
    assertThrows(() => conformance({ kind: "router", name: "x" } as unknown as Plugin), RuleError);
  });
});
