/**
 * Records what packets the scenarios of traces_scenarios.ts give: every one that is put on a link and every one that comes out, with its time.
 *
 * ```sh
 * deno run -A tests/scenario/traces.ts --record [NAME…]   # writes traces.json anew: those named, or all
 * deno run -A tests/scenario/traces.ts --dump NAME FILE   # a line for each packet, to be compared with that of another checkout
 * deno run -A tests/scenario/traces.ts [NAME…]            # compares
 * ```
 */

import { createHash, type Hash } from "node:crypto";
import { parseArgs } from "@std/cli/parse-args";
import { print, report } from "../../cli/output.ts";
import type { TraceRecord } from "../../core/link/sim/trace.ts";
import { packetText } from "../support/packet_text.ts";
import { Topology } from "../support/topology.ts";
import { type Scenario, SCENARIOS } from "./traces_scenarios.ts";

/** What is kept of a run. */
export interface Recording {
  /** Packets put on a link; each hop counts. */
  readonly sent: number;
  /** Packets that came out of one. */
  readonly delivered: number;
  /** Bytes of both. */
  readonly bytes: number;
  /** Virtual time at the end, in microseconds. */
  readonly micros: number;
  /** Counters of both hosts. */
  readonly client: Readonly<Record<string, number>>;
  readonly server: Readonly<Record<string, number>>;
  /** Over time, link, direction, segment size and bytes of each packet. */
  readonly sha256: string;
}

/** Recordings by the name of their scenario. */
export type Recordings = Readonly<Record<string, Recording>>;

const FILE = new URL("./traces.json", import.meta.url);
const RUNNER = "deno run -A tests/scenario/traces.ts";

/** Hashes in large pieces: a call for each packet would cost more than the hash. */
class PacketHash {
  readonly #hash: Hash = createHash("sha256");
  readonly #encoder = new TextEncoder();
  readonly #block = new Uint8Array(1 << 20);
  #used = 0;

  /** Adds a packet behind a line that says when and where it was. */
  add(line: string, bytes: Uint8Array): void {
    if (this.#used + 3 * line.length + bytes.length > this.#block.length) this.#flush();
    this.#used += this.#encoder.encodeInto(line, this.#block.subarray(this.#used)).written;
    this.#block.set(bytes, this.#used);
    this.#used += bytes.length;
  }

  /** The hash, in hexadecimal; nothing can be added any more. */
  end(): string {
    this.#flush();
    return this.#hash.digest("hex");
  }

  #flush(): void {
    this.#hash.update(this.#block.subarray(0, this.#used));
    this.#used = 0;
  }
}

/** Where and when, with nothing rounded. */
function lineOf({ event, at, link, from, to, gsoSize, bytes }: TraceRecord): string {
  return `${at} ${link} ${event} ${from}>${to} ${gsoSize} ${bytes.length}\n`;
}

/** Runs a scenario; `onPacket` sees each packet that counts. */
export function run(
  scenario: Scenario,
  onPacket: (record: TraceRecord) => void = () => {},
): Recording {
  const hash = new PacketHash();
  let sent = 0;
  let delivered = 0;
  let total = 0;
  using t = new Topology({
    ...scenario.options,
    trace(record) {
      if (record.event === "drop") return;
      if (record.event === "send") sent++;
      else delivered++;
      total += record.bytes.length;
      hash.add(lineOf(record), record.bytes);
      onPacket(record);
    },
  });
  scenario.run(t);
  const [client, server] = [t.client, t.server].map(({ counters }) => counters.all());
  return {
    sent,
    delivered,
    bytes: total,
    micros: t.now,
    client: client ?? {},
    server: server ?? {},
    sha256: hash.end(),
  };
}

/** The recordings in traces.json. */
export function readRecordings(): Recordings {
  return JSON.parse(Deno.readTextFileSync(FILE));
}

/** A recording as names and values, in the order in which a difference tells most. */
function figures({ sent, delivered, bytes, micros, client, server, sha256 }: Recording) {
  return new Map<string, string | number>([
    ...Object.entries(client).map(([name, value]) => [`client ${name}`, value] as const),
    ...Object.entries(server).map(([name, value]) => [`server ${name}`, value] as const),
    ["packets sent", sent],
    ["packets delivered", delivered],
    ["bytes", bytes],
    ["microseconds", micros],
    ["sha256", sha256],
  ]);
}

/** What is different first, and how to see more; null when nothing is. */
export function difference(
  name: string,
  recorded: Recording | undefined,
  now: Recording,
): string | null {
  if (recorded === undefined) {
    return `${name} was never recorded: ${RUNNER} --record ${name}`;
  }
  const [before, after] = [figures(recorded), figures(now)];
  for (const figure of new Set([...before.keys(), ...after.keys()])) {
    const [was, is] = [before.get(figure) ?? 0, after.get(figure) ?? 0];
    if (was === is) continue;
    return `${name}: ${figure} was ${was} and is ${is}. Every packet of it: ${RUNNER} --dump ${name} FILE, here and in a ` +
      `checkout of the version before; diff both. If it is meant to change: ${RUNNER} --record ${name}`;
  }
  return null;
}

function find(name: string): Scenario {
  const scenario = SCENARIOS.find((each) => each.name === name);
  if (scenario !== undefined) return scenario;
  const names = SCENARIOS.map((each) => each.name).join("\n  ");
  throw new RangeError(`Cannot run ${name} as it must be one of\n  ${names}`);
}

/** Writes a line for each packet into a file: time, link, what happened, direction, the segment, and eight digits of the SHA-256 of the packet. */
function dump(scenario: Scenario, file: string): void {
  using out = Deno.openSync(file, { create: true, write: true, truncate: true });
  const encoder = new TextEncoder();
  let lines: string[] = [];
  const flush = (): void => {
    const bytes = encoder.encode(lines.join(""));
    for (let at = 0; at < bytes.length;) at += out.writeSync(bytes.subarray(at));
    lines = [];
  };
  run(scenario, ({ event, at, link, from, to, gsoSize, bytes }) => {
    const merged = gsoSize === 0 ? "" : ` of ${gsoSize}`;
    const digest = createHash("sha256").update(bytes).digest("hex").slice(0, 8);
    lines.push(
      `${at} ${link} ${event} ${from}>${to} ${packetText(bytes)}${merged} #${digest}\n`,
    );
    if (lines.length >= 4096) flush();
  });
  flush();
}

function main(args: readonly string[]): number {
  const given = parseArgs(args, { boolean: ["record", "dump", "help"], string: ["_"] });
  const names = given._.map(String);
  if (given.help) {
    print([`${RUNNER} [NAME…]`, "--record [NAME…]", "--dump NAME FILE"].join("\n  "));
    return 0;
  }
  if (given.dump) {
    const [name, file, ...more] = names;
    if (name === undefined || file === undefined || more.length > 0) {
      throw new TypeError("Cannot dump as two arguments are needed: --dump NAME FILE");
    }
    dump(find(name), file);
    return 0;
  }
  const chosen = names.length === 0 ? SCENARIOS : names.map(find);
  const recordings: Record<string, Recording> = names.length === 0 && given.record
    ? {}
    : { ...readRecordings() };
  let different = 0;
  for (const scenario of chosen) {
    const recording = run(scenario);
    const text = difference(scenario.name, recordings[scenario.name], recording);
    recordings[scenario.name] = recording;
    if (text === null) continue;
    different++;
    print(given.record ? `${scenario.name} is recorded` : text);
  }
  if (!given.record) return different === 0 ? 0 : 1;
  // In the order of the scenarios, so that recording one changes its lines alone.
  const ordered = SCENARIOS.flatMap(({ name }) =>
    recordings[name] === undefined ? [] : [[name, recordings[name]]]
  );
  const text = JSON.stringify(Object.fromEntries(ordered), null, 2);
  Deno.writeTextFileSync(FILE, `${text}\n`);
  return 0;
}

if (import.meta.main) {
  try {
    Deno.exitCode = main(Deno.args);
  } catch (error) {
    if (!(error instanceof TypeError || error instanceof RangeError)) throw error;
    report(error.message);
    Deno.exitCode = 2;
  }
}
