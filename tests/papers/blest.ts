/** Frames at a constant rate, and a large file, over WLAN and 3G that others use as well: what it saves to wait for the faster path. */

import { cubic, olia } from "../../cc/mod.ts";
import type { SchedulerPlugin } from "../../core/plugin.ts";
import { blest, daps, minRtt, otias } from "../../sched/mod.ts";
import type { Measurement } from "../../sim/mod.ts";
import type { ScenarioHost, ScenarioLink, Traffic } from "../../sim/scenario.ts";
import {
  atLeast,
  atMost,
  type Length,
  measureOwn,
  type Ordering,
  type PaperRow,
  type Values,
} from "./row.ts";

const MIB = 2 ** 20;
/** 1 Mbit/s. */
const FRAME = { bytes: 5 * 1024, every: "40.96 ms" } as const;
const OBJECTS = Array.from({ length: 20 }, () => "15 kB" as const);

const SCHEDULERS = {
  OTIAS: otias,
  BLEST: blest,
  "min_rtt": minRtt,
  DAPS: daps,
} as const satisfies Readonly<Record<string, () => SchedulerPlugin>>;
type Name = keyof typeof SCHEDULERS;
const NAMES = Object.keys(SCHEDULERS) as Name[];

/** How a case is unlike the row's own. */
interface Change {
  /** Nobody else uses the links. */
  readonly alone?: true;
  /** Slow start ends before queues are full, and what leaves is spread. */
  readonly modern?: true;
  /** Milliseconds to 3G, one way, in place of 65. */
  readonly far?: number;
}

function link(rate: number, delay: number, queue: number, loss: number) {
  return {
    delay: `${delay} ms`,
    forward: { rate: `${rate} Mbit/s`, queue, loss },
    backward: { rate: `${rate} Mbit/s`, queue },
  } as const satisfies Omit<ScenarioLink, "between">;
}

/** Pages of 330 kB, one after the other, by plain TCP. */
function pages(client: string, think: `${number} s`): Traffic {
  return { kind: "pages", client, server: "others", objects: OBJECTS, count: 1000, think };
}

/** What goes from the server to the phone, as `it`. */
function download(
  name: Name,
  it: Traffic,
  buffer: number,
  seed: number,
  duration: `${number} s`,
  { alone, modern, far = 65 }: Change = {},
): Measurement {
  const tcp = { pacing: modern === true, receiveBuffer: buffer, sendBuffer: buffer };
  const other: ScenarioHost = { mptcp: false, congestionControl: cubic() };
  return measureOwn(
    {
      name: "blest",
      duration,
      hosts: {
        phone: { tcp },
        server: { tcp },
        "on wlan": other,
        "on 3g": other,
        others: other,
      },
      routers: ["core", "access point", "base station"],
      links: {
        server: { between: ["core", "server"] },
        others: { between: ["core", "others"] },
        "wlan link": { between: ["core", "access point"], ...link(25, 25, 100, 0.01) },
        "3g link": { between: ["core", "base station"], ...link(5, far, 3750, 0) },
        wlan: { between: ["access point", "phone"] },
        "3g": { between: ["base station", "phone"] },
        "on wlan": { between: ["access point", "on wlan"] },
        "on 3g": { between: ["base station", "on 3g"] },
      },
      traffic: {
        it,
        ...(alone !== true && { wlan: pages("on wlan", "2 s"), "3g": pages("on 3g", "5 s") }),
      },
    },
    {
      scheduler: SCHEDULERS[name](),
      congestionControl: olia({ hystart: modern === true }),
    },
    { seed },
  );
}

const framesOf = (name: Name, where = ""): string => `${name}: frames${where}`;

function frames(name: Name, seed: number, length: Length, where = "", change?: Change): Values {
  const it: Traffic = { kind: "messages", client: "phone", server: "server", ...FRAME };
  const duration = length === "full" ? "90 s" : "30 s";
  const { mean } = download(name, it, MIB, seed, duration, change).traffic.it!.delays!;
  return { [framesOf(name, where)]: mean / 1000 };
}

function files(seed: number, length: Length, where = "", change?: Change): Values {
  const bytes = (length === "full" ? 64 : 16) * MIB;
  const of = (name: Name): { readonly rate: number; readonly again: number } => {
    const it: Traffic = { kind: "bulk", client: "phone", server: "server", bytes };
    const { goodput, repeated, segment } = download(name, it, 16 * MIB, seed, "900 s", change)
      .traffic.it!;
    return { rate: goodput * 8 / 1e6, again: repeated / segment };
  };
  const [own, base] = [of("BLEST"), of("min_rtt")];
  return {
    [`BLEST: goodput of the file, % of min_rtt's${where}`]: 100 * own.rate / base.rate,
    [`BLEST: packets sent again, % of min_rtt's${where}`]: 100 * own.again / base.again,
    [`min_rtt: Mbit/s${where}`]: base.rate,
    [`BLEST: Mbit/s${where}`]: own.rate,
    [`min_rtt: packets sent again${where}`]: base.again,
    [`BLEST: packets sent again${where}`]: own.again,
  };
}

/** Single changes. */
const EXPERIMENTS: Readonly<Record<string, Change>> = {
  ", nobody else there": { alone: true },
  ", HyStart++ and pacing": { modern: true },
};

/** With this one a round trip over 3G takes more than three over WLAN; what it is about is frames. */
const FAR = ", 3G 80 ms away";

type Case = readonly [string, (seed: number, length: Length) => Values];

const before = (one: Name, other: Name, quick: boolean): Ordering => ({
  ascending: [framesOf(one), framesOf(other)],
  quick,
});

/** The row. */
export const BLEST: PaperRow = {
  name: "blest",
  title: "Frames and a file over WLAN and 3G (Ferlin et al., IFIP Networking 2016)",
  scenario:
    "25 Mbit/s, 25 ms one way, 1 % loss, 100 packets + 5 Mbit/s, 65 ms, 3750 packets; olia, slow start until a loss, no pacing; frames of 5 KiB at 1 Mbit/s for 90 s, buffers of 1 MiB; a file of 64 MiB, buffers of 16 MiB; beside it pages of 330 kB by plain TCP (cubic) on each link, as the paper's traffic of others is not given",
  metric: "mean time of a frame, ms; goodput; packets sent again, on whatever path",
  axis: "% of min_rtt's",
  source:
    "IFIP Networking 2016 §V: frames OTIAS 53.2, BLEST 62.8, min_rtt 68, DAPS 843.7 ms, of which the order counts; file +12 %, 70 for 366 packets",
  evidence: ["published"],
  cases: Object.fromEntries<Case[1]>([
    ...NAMES.map((name): Case => [
      framesOf(name),
      (seed, length) => frames(name, seed, length),
    ]),
    ["file", (seed, length) => files(seed, length)],
    ...Object.entries(EXPERIMENTS).flatMap(([where, change]): Case[] => [
      ...NAMES.map((name): Case => [
        framesOf(name, where),
        (seed, length) => frames(name, seed, length, where, change),
      ]),
      [`file${where}`, (seed, length) => files(seed, length, where, change)],
    ]),
    ...NAMES.map((name): Case => [
      framesOf(name, FAR),
      (seed, length) => frames(name, seed, length, FAR, { far: 80 }),
    ]),
  ]),
  quickCases: [framesOf("min_rtt"), framesOf("DAPS")],
  figures: [
    atLeast("BLEST: goodput of the file, % of min_rtt's", 105),
    atMost("BLEST: packets sent again, % of min_rtt's", 50),
  ],
  orderings: [
    before("OTIAS", "BLEST", false),
    before("BLEST", "min_rtt", false),
    before("min_rtt", "DAPS", true),
  ],
  digits: 1,
  findings: [
    "BLEST and min_rtt carry the frames alike: a frame is four segments, fewer than the window allows, so that BLEST never waits.",
    "BLEST's file is no faster than min_rtt's, with pages beside it or without; of the packets that go again it saves a fifth, and nobody else there two fifths. Seeds 1 and 2 alone had once shown a gain of 2 %.",
    "Whether OTIAS has the frames sooner than BLEST is chance here. It waits for the WLAN only where half of 3G's round trip is longer than one and a half of the WLAN's, and 130 ms are not three times 50: 95 to 98 of 100 decisions are those of min_rtt, and seeds 1 to 20 give 60.4 ms and 61.5 with BLEST. With 3G 80 ms away it waits, and takes two thirds of BLEST's time.",
    "Why the file gains nothing: at 1 % loss the WLAN carries some 3 Mbit/s, whichever scheduler chooses, and a buffer of 16 MiB holds more than is on the way. Something blocks only while slow start has filled 3G's queue, which then holds 9 s. With HyStart++ and pacing that queue is never filled, nothing blocks, and both schedulers do the same.",
  ],
};
