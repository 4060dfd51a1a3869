/** Users of two paths, whose second one only takes from those who have one: scenario A. */

import type { BulkTraffic, ScenarioHost, ScenarioLink } from "../../sim/scenario.ts";
import { meanOf } from "../../sim/stats.ts";
import type { RedOptions } from "../../core/link/sim/elements/red.ts";
import {
  atMost,
  type Length,
  measureLate,
  near,
  type Ordering,
  type PaperRow,
  type Values,
} from "./row.ts";
import { type Control, MULTIPATH, policiesOf, SINGLE, starts } from "./simulator.ts";

const CONTROLS = ["uncoupled", "LIA", "BALIA", "OLIA"] as const satisfies readonly Control[];
/** Users with two paths, beside ten with one. */
const FIRST = [10, 20, 30] as const;
const SECOND = 10;
/** The optimum with probing, which none may be above. */
const OPTIMUM = [0.92, 0.84, 0.76] as const;
const PUBLISHED: Readonly<Partial<Record<Control, readonly number[]>>> = {
  LIA: [0.695, 0.557, 0.455],
  uncoupled: [0.588, 0.389, 0.283],
};
const PACKET = 1500;

const nameOf = (control: Control, first: number): string => `${control}, ${first}`;

/** Click's: nothing below a quarter of what it holds, a tenth at half, all when full. It looks at the queue as it is. */
function red(mbit: number): RedOptions {
  return {
    min: 2.5 * mbit,
    max: 5 * mbit,
    probability: 0.1,
    weight: 1,
    gentle: true,
    even: false,
    limit: 20 * mbit,
  };
}

function normalised(control: Control, first: number, seed: number, length: Length): Values {
  const start = starts(seed);
  const hosts: Record<string, ScenarioHost> = { "server 1": MULTIPATH, "server 2": SINGLE };
  const links: Record<string, ScenarioLink> = {
    private: { between: ["private", "core"] },
    shared: {
      between: ["shared", "core"],
      forward: { rate: `${SECOND} Mbit/s`, red: red(SECOND) },
    },
    "server 1": {
      between: ["core", "server 1"],
      forward: { rate: `${first} Mbit/s`, red: red(first) },
    },
    "server 2": { between: ["core", "server 2"] },
  };
  const traffic: Record<string, BulkTraffic> = {};
  const add = (name: string, type: 1 | 2): void => {
    hosts[name] = type === 1 ? MULTIPATH : SINGLE;
    links[`${name} shared`] = { between: [name, "shared"], delay: "40 ms" };
    if (type === 1) links[`${name} private`] = { between: [name, "private"], delay: "40 ms" };
    const server = `server ${type}`;
    traffic[name] = { kind: "bulk", client: name, server, direction: "up", start: start() };
  };
  for (let i = 0; i < first; i++) add(`first ${i}`, 1);
  for (let i = 0; i < SECOND; i++) add(`second ${i}`, 2);
  const [from, to] = length === "full" ? [80, 400] : [5, 20];
  const { measured, grown } = measureLate(
    { name: "scenario_a", hosts, routers: ["private", "shared", "core"], links, traffic },
    policiesOf(control),
    { seed, from, to },
  );
  const rates = Object.keys(traffic).filter((name) => name.startsWith("second")).map((name) => {
    const packets = grown("connection", `${name} 1 server`, "read_bytes") /
      measured.traffic[name]!.segment;
    return packets * PACKET * 8 / (to - from) / 1e6;
  });
  return { [nameOf(control, first)]: meanOf(rates) };
}

const CASES = FIRST.flatMap((first) => CONTROLS.map((control) => ({ control, first })));

/** The row. */
export const SCENARIO_A: PaperRow = {
  name: "scenario_a",
  title: "Scenario A: users of one path beside users of two (Khalili et al., CoNEXT 2012)",
  scenario:
    "10 users with one path, 1 Mbit/s each of a shared link; 10, 20 or 30 with a second path over it, whose own server has 1 Mbit/s for each; 80 ms, RED at 2.5, 5 and 10 packets per Mbit/s on the queue as it is; packets of 1500 bytes, NewReno without SACK; 400 s, the first 80 left out",
  metric: "mean rate of the users with one path, in packets of 1500 bytes, by 1 Mbit/s",
  axis: "rate of users with one path, of 1 Mbit/s",
  source:
    "CoNEXT 2012 §3 (30 % and 50 to 60 % are lost with LIA); fluid model .739, .590, .500; figures by htsim, whose ssthresh may fall to one segment",
  evidence: ["calculated", "another simulator", "published, from memory"],
  cases: Object.fromEntries(
    CASES.map(({ control, first }) => [
      nameOf(control, first),
      (seed, length) => normalised(control, first, seed, length),
    ]),
  ),
  quickCases: [nameOf("uncoupled", 10), nameOf("LIA", 10)],
  figures: [
    ...(["uncoupled", "LIA"] as const).flatMap((control) =>
      FIRST.map((first, i) => near(nameOf(control, first), PUBLISHED[control]![i]!, 0.05))
    ),
    ...FIRST.map((first, i) => atMost(nameOf("OLIA", first), OPTIMUM[i]!)),
  ],
  orderings: FIRST.flatMap((first): Ordering[] => [
    { ascending: [nameOf("uncoupled", first), nameOf("LIA", first)], quick: first === 10 },
    { ascending: (["LIA", "BALIA", "OLIA"] as const).map((c) => nameOf(c, first)), quick: false },
  ]),
  digits: 3,
};
