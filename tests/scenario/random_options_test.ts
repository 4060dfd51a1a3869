/**
 * Random choices of `tcp` at both ends, on random paths: whatever is chosen of the TCP engine, and together with what, both directions complete in time.
 * `SOAK_OPTIONS` tells how many seeds are run, `SOAK_OPTION` one seed alone.
 */

import { assert } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import type { CongestionControlPlugin } from "../../core/plugin.ts";
import patient from "../../docs/examples/patient.ts";
import { cubic, lia, reno } from "../../cc/mod.ts";
import { type RandomStream, seededRandom } from "../../core/host/random.ts";
import { mtu } from "../../core/link/sim/elements/mtu.ts";
import { queue } from "../../core/link/sim/elements/queue.ts";
import { rate } from "../../core/link/sim/elements/rate.ts";
import { fixedBuffer, type TcpSettings } from "../../core/subflow/settings.ts";
import { minRtt, redundant, roundRobin } from "../../sched/mod.ts";
import { disorder } from "../support/middlebox.ts";
import { type PathShape, type Script, Topology } from "../support/topology.ts";

const ONE = Deno.env.get("SOAK_OPTION");
const RUNS = Number(Deno.env.get("SOAK_OPTIONS") ?? 300);
const BATCH = 50;

/** Virtual seconds: timeouts back off to a minute, and where nothing tells a round trip stay there (Karn's rule). */
const PATIENCE = 1000;

class Dice {
  readonly #stream: RandomStream;

  constructor(stream: RandomStream) {
    this.#stream = stream;
  }

  of<T>(...choices: readonly T[]): T {
    return choices[this.#stream.u32() % choices.length]!;
  }

  /** Between two numbers, each order of magnitude as likely as another. */
  between(least: number, most: number): number {
    return Number((least * (most / least) ** this.#stream.float()).toPrecision(3));
  }
}

/**
 * What one end chooses, mostly what nobody would on purpose. `calm`: no packet is lost or overtaken: else what comes before the third ACK that answers a
 * cookie finds nobody, and is answered by a RST; and with the least segments, without SACK and timestamps, timeouts follow one another (Karn's rule).
 */
function settings(dice: Dice, calm: boolean): Partial<TcpSettings> {
  return {
    pacing: dice.of(true, false),
    lossDetection: dice.of("rack", "rack", "sack", "reno-nosack"),
    sack: dice.of(true, true, true, false),
    synCookies: dice.of("off", "pressure", calm ? "always" : "off"),
    ecn: dice.of("off", "accept", "request", "request"),
    keepAlive: dice.of(null, { idle: 1e6, interval: 1e6, count: 9 }),
    maxSegment: dice.of(65535, 65535, 1400, 536, calm ? 88 : 256),
    tlp: dice.of(true, false),
    fastOpen: dice.of(true, false),
    delayedAck: dice.of(40e3, 40e3, 0, 1e3, 499e3),
    minRto: dice.of(200e3, 200e3, 1e3, 1e6),
    frto: dice.of(true, false),
    timestamps: dice.of(true, true, false),
    undo: dice.of(true, false),
    mtuProbing: dice.of("off", "blackhole", "blackhole", "always"),
    notSentLowWater: dice.of(Infinity, Infinity, 1, 16384),
    receiveBuffer: dice.of(
      { first: 262144, most: 67108864 },
      { first: 4096, most: 1e6 },
      fixedBuffer(4096),
      fixedBuffer(50000),
    ),
    sendBuffer: dice.of(
      { first: 1048576, most: 67108864 },
      { first: 4096, most: 1e6 },
      fixedBuffer(4096),
      fixedBuffer(50000),
    ),
  };
}

/** A window that stays as it is, and the rate at which it leaves, in bytes per second. */
function paced(pacingRate: number): CongestionControlPlugin {
  return {
    kind: "congestion-control",
    name: "paced",
    create: () => ({
      join: ({ mss }) => ({
        cwnd: 8 * mss,
        ssthresh: 8 * mss,
        pacingRate,
        onAck: () => {},
        onCongestion: () => {},
      }),
    }),
  };
}

/** A path; of what it takes it tells, or it swallows what is larger where `holes` are got over. */
function path(dice: Dice, calm: boolean, holes: boolean): [name: string, shape: PathShape] {
  const speed = `${dice.between(0.5, 50)} Mbit/s` as const;
  const length = `${dice.between(0.5, 100)} ms` as const;
  const loss = calm ? 0 : dice.of(0, 0, 0.003, 0.02, 0.05);
  const share = calm ? 0 : dice.of(0, 0, 0.01, 0.1);
  const packets = Math.round(dice.between(8, 200));
  const marks = dice.of(0, 0, 1, 5);
  const least = dice.of(0, 0, 1400, 1280, 1000);
  const icmp = !holes || dice.of(true, false);
  const elements = [
    ...(marks > 0 ? [queue({ packets, mark: Math.min(marks, packets) }), rate(speed)] : []),
    ...(share > 0 ? [disorder(share)] : []),
    ...(least > 0 ? [mtu(least, { icmp })] : []),
  ];
  const text = `${speed} ${length} queue ${packets} loss ${loss}` +
    (share > 0 ? ` disorder ${share}` : "") + (marks > 0 ? ` marks from ${marks}` : "") +
    (least > 0 ? ` mtu ${least}${icmp ? "" : " untold"}` : "");
  return [text, { rate: speed, delay: length, loss, queue: packets, elements }];
}

function script(dice: Dice): Script & { readonly text: string } {
  const bytes = Math.round(dice.between(1, 150e3));
  const write = dice.of(1e6, 1e6, 10e3, 1461, 200);
  const read = dice.of(65536, 65536, 3001);
  const pause = dice.of(0, 0, 0.01, 0.1);
  return {
    bytes,
    writes: () => write,
    reads: () => read,
    ...(pause > 0 ? { pause } : {}),
    text: `${bytes} B by ${write}, reads ${read}` + (pause > 0 ? ` every ${pause} s` : ""),
  };
}

/** What was wrong with a seed; null: nothing. */
function failureOf(seed: number): string | null {
  const source = seededRandom(seed);
  const dice = (name: string): Dice => new Dice(source(name));
  const each = dice("paths");
  const calm = each.of(true, false, false);
  const general = dice("general");
  const scheduler = general.of("minRtt", "roundRobin", "redundant", "patient");
  // Of a window of hardly a segment a path of smaller ones may be offered more: to wait for another then counts as a fault.
  const wide = scheduler === "patient" ? { receiveBuffer: fixedBuffer(262144) } : {};
  const tcp = { ...settings(dice("client"), calm), ...wide };
  const serverTcp = { ...settings(dice("server"), calm), ...wide };
  const holes = tcp.mtuProbing !== "off" && serverTcp.mtuProbing !== "off";
  const paths = Array.from({ length: each.of(1, 1, 2, 3) }, () => path(each, calm, holes));
  const control = general.of("lia", "reno", "cubic", "paced");
  const mptcp = general.of(true, true, false);
  const checksum = general.of(true, false);
  const cuts = dice("cuts");
  const nagle = general.of(true, false, false);
  const up = script(dice("up"));
  const down = script(dice("down"));
  const told = (value: unknown): string =>
    JSON.stringify(value, (_, each) => each === Infinity ? "Infinity" : each);
  let wrong: string | null = null;
  const t = new Topology({
    seed,
    paths: Object.fromEntries(paths.map(([, shape], i) => [`p${i}`, shape])),
    links: { checksums: true },
    policies: {
      scheduler: { minRtt, roundRobin, redundant, patient }[scheduler](),
      congestionControl: { lia, reno, cubic, paced: () => paced(general.between(5e3, 5e6)) }
        [control](),
    },
    client: { mptcp, checksum },
    tcp,
    serverTcp,
  });
  const pair = t.connect(up, down);
  for (const path of Object.values(t.paths)) {
    if (cuts.of(true, true, false)) continue;
    const at = cuts.between(0.01, 1);
    t.at(at, () => path.cut());
    t.at(at + cuts.between(0.05, 5), () => path.restore());
  }
  if (nagle) pair.client.socket.setNoDelay(false);
  try {
    t.complete(pair, PATIENCE);
  } catch (error) {
    wrong = error instanceof Error ? error.message : String(error);
  }
  try {
    t[Symbol.dispose]();
  } catch (error) {
    wrong ??= String(error);
  }
  if (wrong === null) return null;
  return [
    `seed ${seed}: ${wrong}`,
    `again: SOAK_OPTION=${seed} deno test -A tests/scenario/random_options_test.ts`,
    `client ${told(tcp)}`,
    `server ${told(serverTcp)}`,
    `${paths.map(([text]) => text).join("; ")} | ${scheduler} ${control}${
      mptcp ? "" : " plain"
    } | up ${up.text} | down ${down.text}`,
  ].join("\n  ");
}

function holds(seeds: readonly number[]): void {
  const failures = seeds.map(failureOf).filter((failure) => failure !== null);
  assert(failures.length === 0, `${failures.length} of ${seeds.length}\n${failures.join("\n")}`);
}

describe("random choices of 'tcp' at both ends: both directions complete", () => {
  if (ONE !== undefined) {
    it(`seed ${ONE}`, () => holds([Number(ONE)]));
    return;
  }
  it("seed 8775, which failed once: a scheduler waited for a path whose first timeout was still to come", () =>
    holds([8775]));

  it("seeds 735 to 7836, which failed once: an only path that swallows 1,000 bytes was opened anew before smaller segments were tried", () =>
    holds([735, 3267, 3932, 3983, 6048, 7343, 7836]));

  for (let first = 1; first <= RUNS; first += BATCH) {
    const last = Math.min(RUNS, first + BATCH - 1);
    it(`seeds ${first} to ${last}`, () => {
      holds(Array.from({ length: last - first + 1 }, (_, i) => first + i));
    });
  }
});
