/** Two links, of which bursts that yield to nobody take one again and again. */

import type { ScenarioLink } from "../../sim/scenario.ts";
import {
  atLeast,
  type Length,
  measureLate,
  near,
  type PaperRow,
  randomTail,
  type Values,
} from "./row.ts";
import { type Control, feeder, MULTIPATH, policiesOf, starts } from "./simulator.ts";

const CONTROLS = ["EWTCP", "LIA", "COUPLED"] as const satisfies readonly Control[];
/** Packets a second of each link, and of the bursts. */
const RATE = 8000;
const BURST = 9000;
const PACKET = 1500;

const mbit = (packets: number): `${number} Mbit/s` => `${packets * PACKET * 8 / 1e6} Mbit/s`;

/** `fed`: every sender has a line of its own in front of the link, as in the other simulator. */
function shares(
  control: Control,
  name: string,
  fed: boolean,
  seed: number,
  length: Length,
): Values {
  const line = fed ? feeder(RATE, PACKET) : {};
  const link = (from: string): ScenarioLink => ({
    between: [from, "core"],
    forward: { rate: mbit(RATE), red: randomTail(30), delay: "1 ms" },
  });
  const [from, to] = length === "full" ? [20, 200] : [1, 4];
  const { measured, grown } = measureLate(
    {
      name: "bursty_cbr",
      hosts: {
        ours: MULTIPATH,
        server: MULTIPATH,
        noise: { mptcp: false },
        sink: { mptcp: false },
      },
      routers: ["bursty edge", "quiet edge", "core"],
      links: {
        bursty: { between: ["ours", "bursty edge"], ...line },
        quiet: { between: ["ours", "quiet edge"], ...line },
        noise: { between: ["noise", "bursty edge"], ...line },
        "bursty link": link("bursty edge"),
        "quiet link": link("quiet edge"),
        server: { between: ["core", "server"] },
        sink: { between: ["core", "sink"] },
      },
      traffic: {
        flow: {
          kind: "bulk",
          client: "ours",
          server: "server",
          direction: "up",
          start: starts(seed)(),
        },
        bursts: {
          kind: "cbr",
          client: "noise",
          server: "sink",
          direction: "up",
          rate: mbit(BURST),
          packet: PACKET,
          on: "10 ms",
          off: "100 ms",
          spread: "uniform",
        },
      },
    },
    policiesOf(control),
    { seed, from, to },
  );
  const { segment } = measured.traffic.flow!;
  const share = (path: string): number => {
    const name = `flow 1 client ${path}`;
    return 100 * grown("subflow", name, "sent_bytes") / segment / (to - from) / RATE;
  };
  return { [`${name}: bursty`]: share("bursty"), [`${name}: quiet`]: share("quiet") };
}

/** Without lines of their own, where it shows most. */
const UNFED = "COUPLED, no lines of their own";

/** The row. */
export const BURSTY_CBR: PaperRow = {
  name: "bursty_cbr",
  title: "Bursts on one of two links (Wischik et al., NSDI 2011)",
  scenario:
    "2 links of 8000 packets/s of 1500 bytes, 1 ms there and 0 ms back, queues of 30 and 3 packets; each sender behind a line of twice that rate; on one of them 9000 packets/s for up to 20 ms, nothing for up to 200 ms, evenly drawn; NewReno without SACK; 200 s, the first 20 left out",
  metric: "packets of the flow on each link, % of what the link carries",
  axis: "% of what the link carries",
  source: "NSDI 2011 §3 (85, 83 and 55 Mbit/s); figures by htsim, main_dynamic_congestion",
  evidence: ["published, from memory", "another simulator"],
  cases: {
    ...Object.fromEntries(
      CONTROLS.map((control): [string, PaperRow["cases"][string]] => [
        control,
        (seed, length) => shares(control, control, true, seed, length),
      ]),
    ),
    [UNFED]: (seed, length) => shares("COUPLED", UNFED, false, seed, length),
  },
  quickCases: CONTROLS,
  figures: [
    near("EWTCP: bursty", 85, 3),
    near("LIA: bursty", 82.1, 3),
    near("COUPLED: bursty", 54.8, 3),
    ...CONTROLS.map((control) => atLeast(`${control}: quiet`, 99)),
  ],
  orderings: [{ ascending: ["COUPLED: bursty", "LIA: bursty", "EWTCP: bursty"] }],
  digits: 1,
  findings: [
    "Without lines of their own, twice as fast as the link, the flow's packets come to its queue just as another one leaves it: 1 ms is eight packets to the microsecond. They find room, and the bursts do not: in 20 s of seed 1 LIA has 92 % of the link that way, and two in five of their packets are lost in place of one in six.",
  ],
};
