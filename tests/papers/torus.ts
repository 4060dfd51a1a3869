/** Five flows in a ring, each over two of five links, one of which is narrow. */

import type { BulkTraffic, ScenarioLink } from "../../sim/scenario.ts";
import { jainIndex } from "../../sim/stats.ts";
import { type Length, measureLate, near, type PaperRow, randomTail, type Values } from "./row.ts";
import { type Control, feeder, MULTIPATH, policiesOf, starts } from "./simulator.ts";

const CONTROLS = ["EWTCP", "LIA", "COUPLED"] as const satisfies readonly Control[];
/** The narrow link, and packets a second of it and of the others. */
const NARROW = 2;
const SLOW = 100;
const FAST = 1000;
/** Bytes of one. */
const PACKET = 1000;
const FLOWS = [0, 1, 2, 3, 4] as const;

function fairness(control: Control, seed: number, length: Length): Values {
  const start = starts(seed);
  const links: Record<string, ScenarioLink> = { server: { between: ["core", "server"] } };
  const traffic: Record<string, BulkTraffic> = {};
  const rateOf = (link: number): number => link === NARROW ? SLOW : FAST;
  for (const i of FLOWS) {
    const packets = rateOf(i);
    const next = (i + 1) % FLOWS.length;
    links[`link ${i}`] = {
      between: [`edge ${i}`, "core"],
      delay: "50 ms",
      forward: { rate: `${packets * PACKET * 8 / 1e3} kbit/s`, red: randomTail(packets / 10) },
    };
    for (const [name, link] of [["first", i], ["second", next]] as const) {
      links[`${name} ${i}`] = {
        between: [`flow ${i}`, `edge ${link}`],
        mtu: PACKET,
        ...feeder(rateOf(link), PACKET),
      };
    }
    traffic[`flow ${i}`] = {
      kind: "bulk",
      client: `flow ${i}`,
      server: "server",
      direction: "up",
      start: start(),
    };
  }
  const { grown } = measureLate(
    {
      name: "torus",
      hosts: Object.fromEntries(["server", ...Object.keys(traffic)].map((n) => [n, MULTIPATH])),
      routers: ["core", ...FLOWS.map((i) => `edge ${i}`)],
      links,
      traffic,
    },
    policiesOf(control),
    { seed, ...(length === "full" ? { from: 300, to: 1500 } : { from: 20, to: 120 }) },
  );
  return {
    [control]: jainIndex(
      FLOWS.map((i) => grown("connection", `flow ${i} 1 server`, "read_bytes")),
    ),
  };
}

/** The row. */
export const TORUS: PaperRow = {
  name: "torus",
  title: "Five flows in a ring (Wischik et al., NSDI 2011)",
  scenario:
    "5 links of 1000 packets/s of 1000 bytes, one of them of 100, RTT 100 ms, queues of that (100 and 10 packets); 5 flows, each over two neighbours, each subflow behind a line of twice its link's rate; NewReno without SACK; 1500 s, the first 300 left out",
  metric: "Jain's index of the goodputs of the flows",
  axis: "Jain's index",
  source: "NSDI 2011 §3 (.92, .986 and .99); figures by htsim, main_torus",
  evidence: ["published, from memory", "another simulator"],
  cases: Object.fromEntries(
    CONTROLS.map((control) => [control, (seed, length) => fairness(control, seed, length)]),
  ),
  quickCases: ["EWTCP", "LIA"],
  figures: [near("EWTCP", 0.927, 0.02), near("LIA", 0.989, 0.02), near("COUPLED", 0.992, 0.02)],
  orderings: [{ ascending: ["EWTCP", "LIA"] }, { ascending: ["EWTCP", "COUPLED"], quick: false }],
  digits: 3,
};
