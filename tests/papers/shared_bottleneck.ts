/** What MPTCP takes of a bottleneck that all its subflows share with one TCP. */

import type { ScenarioLink } from "../../sim/scenario.ts";
import { type Length, measureLate, near, type PaperRow, randomTail, type Values } from "./row.ts";
import { type Control, MULTIPATH, policiesOf, SINGLE, starts } from "./simulator.ts";

const CONTROLS = ["LIA", "OLIA", "BALIA", "uncoupled"] as const satisfies readonly Control[];
const SUBFLOWS = [2, 4] as const;
/** By the other simulator, with 2 and with 4. */
const PUBLISHED: Readonly<Record<(typeof CONTROLS)[number], readonly [number, number]>> = {
  LIA: [0.51, 0.53],
  OLIA: [0.49, 0.48],
  BALIA: [0.52, 0.52],
  uncoupled: [0.66, 0.8],
};

const nameOf = (control: Control, subflows: number): string => `${control}, ${subflows} subflows`;

function share(control: Control, subflows: number, seed: number, length: Length): Values {
  const start = starts(seed);
  const access = (host: string): ScenarioLink => ({ between: [host, "edge"], mtu: 1000 });
  const { measured, grown } = measureLate(
    {
      name: "shared_bottleneck",
      hosts: { ours: MULTIPATH, rival: SINGLE, server: MULTIPATH },
      routers: ["edge", "core"],
      links: {
        ...Object.fromEntries(
          Array.from({ length: subflows }, (_, i) => [`ours ${i}`, access("ours")]),
        ),
        rival: access("rival"),
        bottleneck: {
          between: ["edge", "core"],
          delay: "50 ms",
          forward: { rate: "8 Mbit/s", red: randomTail(100) },
        },
        server: { between: ["core", "server"] },
      },
      traffic: {
        mptcp: {
          kind: "bulk",
          client: "ours",
          server: "server",
          direction: "up",
          start: start(),
        },
        tcp: {
          kind: "bulk",
          client: "rival",
          server: "server",
          direction: "up",
          start: start(),
        },
      },
    },
    policiesOf(control),
    { seed, ...(length === "full" ? { from: 400, to: 2000 } : { from: 20, to: 60 }) },
  );
  const packets = (name: string): number =>
    grown("connection", `${name} 1 server`, "read_bytes") / measured.traffic[name]!.segment;
  const ours = packets("mptcp");
  return { [nameOf(control, subflows)]: ours / (ours + packets("tcp")) };
}

const CASES = SUBFLOWS.flatMap((subflows) => CONTROLS.map((control) => ({ control, subflows })));

/** The row. */
export const SHARED_BOTTLENECK: PaperRow = {
  name: "shared_bottleneck",
  title: "MPTCP and one TCP over one bottleneck (RFC 6356, goal 2)",
  scenario:
    "1000 packets/s of 1000 bytes, RTT 100 ms, queue of 100 packets; one TCP, and one MPTCP with 2 or 4 subflows; NewReno without SACK; 2000 s, the first 400 left out",
  metric: "MPTCP's share of the packets that were delivered",
  axis: "MPTCP's share of the packets",
  source: "RFC 6356 §2; figures by htsim",
  evidence: ["calculated", "another simulator"],
  cases: Object.fromEntries(
    CASES.map(({ control, subflows }) => [
      nameOf(control, subflows),
      (seed, length) => share(control, subflows, seed, length),
    ]),
  ),
  quickCases: CONTROLS.map((control) => nameOf(control, 2)),
  figures: CASES.map(({ control, subflows }) =>
    near(nameOf(control, subflows), PUBLISHED[control][subflows === 2 ? 0 : 1], 0.04)
  ),
  orderings: SUBFLOWS.flatMap((subflows) =>
    (["LIA", "OLIA", "BALIA"] as const).map((control) => ({
      ascending: [nameOf(control, subflows), nameOf("uncoupled", subflows)],
      quick: subflows === 2,
    }))
  ),
  digits: 3,
};
