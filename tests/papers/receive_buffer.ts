/** What small receive buffers cost, with and without opportunistic retransmission (M1) and penalties (M2). */

import { lia } from "../../cc/mod.ts";
import type { TcpOptions } from "../../core/net/tcp_options.ts";
import type { CongestionControlPlugin, SubflowView } from "../../core/plugin.ts";
import { minRtt } from "../../sched/mod.ts";
import {
  atLeast,
  atMost,
  type Length,
  measureLate,
  type PaperRow,
  randomTail,
  SIMULATORS_TCP,
  type Values,
} from "./row.ts";

/** Thousands of bytes. */
const BUFFERS = [49, 99, 150, 199, 300, 399, 499, 699, 999, 1500] as const;
const RELIEFS = ["none", "M1", "M1+M2"] as const;
type Relief = (typeof RELIEFS)[number];
/** Acknowledgements wait, and timeouts are as long, as by default. */
const NEWRENO: TcpOptions = { ...SIMULATORS_TCP, delayedAck: "40 ms", minRto: "200 ms" };
/** Goodput of another simulator, for each of these. */
const PUBLISHED: Readonly<Record<Relief, readonly number[]>> = {
  none: [1.99, 7.99, 3.15, 3.88, 5.7, 6.64, 7.38, 8.59, 9.69, 9.92],
  M1: [7.99, 6.97, 6.24, 5.86, 6.27, 7.1, 7.85, 8.77, 9.55, 9.92],
  "M1+M2": [7.74, 7.99, 9.11, 9.83, 9.98, 9.98, 9.97, 9.96, 9.94, 9.92],
};
/** IP packets; the published goodput counts whole ones. */
const PACKET = 1500;
/** IPv4, TCP, and a DSS with eight octets of both numbers. */
const HEADERS = 20 + 20 + 28;

const nameOf = (relief: Relief, buffer: number): string => `${relief} ${buffer} kB`;

/** Rates of the two paths in bytes a microsecond, and the round trip that only the second one is beyond. */
const RATES = [1, 0.25] as const;
const NEAR = 100e3;

/** Slow start of `plugin` ends where the path is full, rate times round trip, as csg-htsim presets ssthresh. */
function preset(plugin: CongestionControlPlugin): CongestionControlPlugin {
  return {
    ...plugin,
    create: (connection) => {
      const control = plugin.create(connection);
      return {
        join: (subflow) =>
          control.join(new Proxy(subflow, { get: (of, name) => presetOf(of, name) })),
        leave: () => {},
      };
    },
  };
}

/** What `subflow` shows as `name`: no threshold is what fills it. */
function presetOf(subflow: SubflowView, name: string | symbol): unknown {
  const value: unknown = Reflect.get(subflow, name, subflow);
  return name === "ssthresh" && value === Infinity
    ? Math.round(subflow.srtt * RATES[subflow.srtt < NEAR ? 0 : 1])
    : value;
}

/** How a case is unlike the row's own: what experiments change. */
interface Change {
  /** Slow start ends by HyStart++, or goes on until a loss. */
  readonly slowStart?: "hystart" | "loss";
  /** Losses are found by RACK, with SACK. */
  readonly rack?: true;
}

function goodput(
  name: string,
  relief: Relief,
  buffer: number,
  seed: number,
  length: Length,
  { slowStart, rack }: Change = {},
): Values {
  const mptcp = {
    opportunisticRetransmission: relief !== "none",
    penalty: relief === "M1+M2",
    tailReinjection: false,
  };
  const tcp = rack === true ? { pacing: false } : NEWRENO;
  const plain = lia({ hystart: slowStart === "hystart" });
  const control = slowStart === undefined ? preset(plain) : plain;
  const [from, to] = [5, length === "full" ? 120 : 40];
  const { grown } = measureLate(
    {
      name: "receive_buffer",
      hosts: {
        phone: { tcp: { ...tcp, receiveBuffer: buffer * 1000 }, mptcp },
        server: { tcp, mptcp },
      },
      routers: ["core"],
      links: {
        wifi: {
          between: ["core", "phone"],
          delay: "10 ms",
          forward: { rate: "8 Mbit/s", red: randomTail(53) },
        },
        "3g": {
          between: ["core", "phone"],
          delay: "75 ms",
          forward: { rate: "2 Mbit/s", red: randomTail(333) },
        },
        server: { between: ["core", "server"] },
      },
      traffic: { download: { kind: "bulk", client: "phone", server: "server" } },
    },
    { scheduler: minRtt(), congestionControl: control },
    { seed, from, to },
  );
  const bytes = grown("connection", "download 1 client", "read_bytes");
  const mbit = bytes * 8 / (to - from) / 1e6;
  return { [name]: mbit * PACKET / (PACKET - HEADERS) };
}

/** Single changes, and where they are tried. */
const EXPERIMENTS: Readonly<Record<string, readonly [Relief, number, Change]>> = {
  "M1+M2 300 kB, HyStart++": ["M1+M2", 300, { slowStart: "hystart" }],
  "M1+M2 999 kB, HyStart++": ["M1+M2", 999, { slowStart: "hystart" }],
  "none 300 kB, HyStart++": ["none", 300, { slowStart: "hystart" }],
  "none 999 kB, HyStart++": ["none", 999, { slowStart: "hystart" }],
  "M1+M2 300 kB, slow start until a loss": ["M1+M2", 300, { slowStart: "loss" }],
  "M1+M2 999 kB, slow start until a loss": ["M1+M2", 999, { slowStart: "loss" }],
  "none 999 kB, slow start until a loss": ["none", 999, { slowStart: "loss" }],
  "none 999 kB, SACK and RACK": ["none", 999, { rack: true }],
  "none 999 kB, SACK and RACK, HyStart++": ["none", 999, { rack: true, slowStart: "hystart" }],
};

type Case = readonly [string, (seed: number, length: Length) => Values];

/** The row. */
export const RECEIVE_BUFFER: PaperRow = {
  name: "receive_buffer",
  title: "Small receive buffers over Wi-Fi and 3G (Raiciu et al., NSDI 2012)",
  scenario:
    "8 Mbit/s, RTT 20 ms, queue of 80 ms + 2 Mbit/s, RTT 150 ms, queue of 2 s; one download, lia, min_rtt, NewReno without SACK; ssthresh preset to what fills the path, as in csg-htsim; 120 s, the first 5 left out",
  metric: "goodput in packets of 1500 bytes, Mbit/s",
  axis: "goodput, Mbit/s",
  curve: {
    label: "receive buffer, kB",
    ticks: BUFFERS,
    publishedBy: "csg-htsim",
    series: RELIEFS.map((relief) => ({
      name: relief,
      points: BUFFERS.map((x, i) => ({
        x,
        of: nameOf(relief, x),
        published: PUBLISHED[relief][i]!,
      })),
    })),
  },
  source: "NSDI 2012 §4.2; figures by csg-htsim, which has no scheduler",
  evidence: ["another simulator", "published, from memory"],
  cases: Object.fromEntries([
    ...RELIEFS.flatMap((relief) =>
      BUFFERS.map((buffer): Case => {
        const name = nameOf(relief, buffer);
        return [name, (seed, length) => goodput(name, relief, buffer, seed, length)];
      })
    ),
    ...Object.entries(EXPERIMENTS).map(([name, [relief, buffer, change]]): Case => [
      name,
      (seed, length) => goodput(name, relief, buffer, seed, length, change),
    ]),
  ]),
  quickCases: ["none", "M1+M2"].flatMap((relief) =>
    [150, 300].map((buffer) => nameOf(relief as Relief, buffer))
  ),
  figures: [
    atLeast(nameOf("M1+M2", 49), 7.5, 0.375),
    atLeast(nameOf("M1+M2", 199), 9.5, 0.475),
    ...[300, 399, 499, 699, 999, 1500].map((b) => atLeast(nameOf("M1+M2", b), 9.8, 0.49)),
    atMost(nameOf("none", 300), 6.5, 0.325),
    atLeast(nameOf("none", 999), 9.5, 0.475),
  ],
  orderings: [
    { ascending: [nameOf("none", 150), nameOf("M1+M2", 150)] },
    { ascending: [nameOf("none", 300), nameOf("M1+M2", 300)] },
    { ascending: [nameOf("none", 150), nameOf("none", 999)], quick: false },
  ],
  digits: 2,
  findings: [
    "Acknowledgements may wait here, and timeouts are 200 ms above the round trip at least. With each segment acknowledged and 10 ms in place of the 200, seed 1 gives 2.89 for 49 kB without relief (csg-htsim: 1.99) and 5.99 with M1+M2; for 300 and 999 kB without relief 6.46 and 9.82 (6.22 and 9.84 else).",
    "Where slow start ends decides what large buffers give without relief: with ssthresh preset to what fills the path 3G's queue of 2 s stays short, and 999 kB are more than is ever ahead of it. HyStart++ leaves slow start later there. Until a loss it overfills that queue; NewReno repairs one loss in a round trip.",
    "csg-htsim has no scheduler: whoever has been acknowledged sends next. A scheduler that does so gives with seed 1 4.40, 6.16 and 9.82 for 150, 300 and 999 kB without relief, min_rtt 5.78, 6.22 and 9.84; with M1+M2 both give the same.",
  ],
};
