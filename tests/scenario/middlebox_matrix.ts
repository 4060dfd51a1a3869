/**
 * What becomes of a connection behind every kind of middlebox, on every place, for every sender. `deno run -A tests/scenario/middlebox_matrix.ts`
 * prints the table, what is expected of each class of cells with the sentence of RFC 8684 that says so, and exits with 1 when a cell differs;
 * `--bytes N` makes the transfers larger, a word shows the rows alone whose name holds it. `--outcomes` prints the table of docs/middleboxes.md.
 *
 *     client ── wifi ─┬─ router ── server
 *            ── lte ──┘                          the box on wifi: "first", on lte: "joined", on wifi without lte: "only"
 */

import { parseArgs } from "@std/cli/parse-args";
import type { EndReason } from "../../core/connection/host.ts";
import type { ElementFactory } from "../../core/link/sim/elements/element.ts";
import type { TcpSettings } from "../../core/subflow/settings.ts";
import {
  acknowledgeAndDrop,
  bleachEcn,
  coalesceSegments,
  dropSegments,
  injectReset,
  type Middlebox,
  nat,
  renumber,
  reorderOptions,
  repeatSegments,
  rewriteMss,
  rewritePayload,
  rewriteRepeats,
  rewriteWindowScale,
  type SegmentSelection,
  splitSegments,
  stripOptions,
  synProxy,
  tcpProxy,
} from "../../mod.ts";
import { silencing } from "../support/middlebox.ts";
import { type End, type PathShape, Topology } from "../support/topology.ts";

/** Where the box stands. */
export type Place = "first" | "joined" | "only";
/** Who sends data. */
export type Sender = "client" | "server" | "both";

/** One cell. */
export interface Cell {
  readonly box: string;
  readonly place: Place;
  readonly sender: Sender;
  readonly checksum: boolean;
}

const PLACES: readonly Place[] = ["first", "joined", "only"];
const SENDERS: readonly Sender[] = ["client", "server", "both"];

/** Bytes of each direction that has a sender. */
export const BYTES = 200e3;
/** Packets of a direction that a box lets through before it begins. */
const LATE = 30;

const WIFI: PathShape = { rate: "6 Mbit/s", delay: "10 ms" };
const LTE: PathShape = { rate: "4 Mbit/s", delay: "15 ms" };

/** What stands on a path, in each direction. */
interface Box {
  readonly up?: readonly ElementFactory[];
  readonly down?: readonly ElementFactory[];
}

/** A kind of box. */
interface Kind {
  /** The element of docs/middleboxes.md that it is made of; null: none. */
  readonly element: string | null;
  /** Makes one, for one run, on a path of the client's address 10.0.`net`.1. */
  make(net: number): Box;
  /** Makes sense with these settings of the checksum alone. */
  readonly checksums?: readonly boolean[];
  /** Makes sense, or is tried, in these places alone. */
  readonly places?: readonly Place[];
  /** Is tried with these senders alone, but for the long form. */
  readonly senders?: readonly Sender[];
  /** Bytes on an only path, where more tell more. */
  readonly bytes?: number;
  /** Most bytes on an only path, where it carries a few thousand a second at best. */
  readonly most?: number;
  /** Plain TCP does not survive it. */
  readonly fatal?: boolean;
  /** Seconds more than the others may take. */
  readonly patience?: number;
  /** What is chosen of TCP. */
  readonly tcp?: Partial<TcpSettings>;
}

const STRIPPED: Readonly<Record<string, SegmentSelection>> = {
  "SYN": "syn",
  "SYN/ACK": "syn-ack",
  "data": "data",
  "pure ACKs": "ack",
  "all later": ({ index }) => index > LATE,
};

/** A box of two sides, as it stands, or the other way round. */
function paired({ up, down }: Middlebox, way: "up" | "down" = "up"): Box {
  return way === "up" ? { up: [up], down: [down] } : { up: [down], down: [up] };
}

/** A translator that forgets all at time `micros`. */
function forgetting(micros: number, unknown: "translate" | "drop"): Box {
  const box = nat({ unknown });
  let forgotten = false;
  const clock: ElementFactory = {
    name: "clock",
    create: (context, output) => ({
      push(packet) {
        if (!forgotten && context.now >= micros) {
          forgotten = true;
          box.forget();
        }
        output(packet);
      },
    }),
  };
  return { up: [clock, box.up], down: [clock, box.down] };
}

function kinds(): Record<string, Kind> {
  const all: Record<string, Kind> = { untouched: { element: null, make: () => ({}) } };
  const both = (element: string, ...make: (() => ElementFactory)[]): Kind => ({
    element,
    make: () => ({ up: make.map((each) => each()), down: make.map((each) => each()) }),
  });
  const strip = (what: string, ways: readonly string[]): void => {
    for (const way of ways) {
      const on = STRIPPED[what]!;
      all[`strip ${what}, ${way}`] = {
        element: "stripOptions",
        make: () => ({
          ...(way !== "down" && { up: [stripOptions({ on })] }),
          ...(way !== "up" && { down: [stripOptions({ on })] }),
        }),
      };
    }
  };
  const WAYS = ["up", "down", "both"];
  // A SYN goes up, its answer down: the other way there is nothing to strip.
  strip("SYN", ["up"]);
  strip("SYN/ACK", ["down"]);
  all["strip third ACK, up"] = {
    element: "stripOptions",
    make() {
      let seen = false;
      const on: SegmentSelection = ({ syn }) => {
        if (syn || seen) return false;
        return seen = true;
      };
      return { up: [stripOptions({ on })] };
    },
  };
  for (const what of ["data", "pure ACKs", "all later"]) strip(what, WAYS);
  for (const way of ["up", "down"] as const) {
    all[`acknowledge and drop 1 of 25, ${way}`] = {
      element: "acknowledgeAndDrop",
      make: () => paired(acknowledgeAndDrop({ every: 25 }), way),
      bytes: 2e6,
      fatal: true,
    };
  }
  for (const options of ["first", "second", "both"] as const) {
    const make = (): ElementFactory =>
      splitSegments({ options, on: ({ index, length, syn }) => !syn && length > 0 && index > 0 });
    all[`split, options on ${options}`] = both("splitSegments", make);
  }
  for (const options of ["first", "second"] as const) {
    all[`coalesce, options of ${options}`] = both(
      "coalesceSegments",
      () => rewriteMss(680),
      () => coalesceSegments({ options, wait: "3 ms" }),
    );
  }
  all["renumber"] = { element: "renumber", make: () => paired(renumber()) };
  all["rebind"] = {
    element: "nat",
    make: () => forgetting(100e3, "translate"),
    fatal: true,
  };
  for (const way of ["up", "down"] as const) {
    all[`inject RST, ${way}`] = {
      element: "injectReset",
      make: () => ({ [way]: [injectReset()] }),
      fatal: true,
    };
    all[`rewrite payload, ${way}`] = {
      element: "rewritePayload",
      make: () => ({
        [way]: [rewritePayload({ on: ({ index }) => index > LATE && index % 20 === 0 })],
      }),
      // Without checksums nobody can tell (RFC 8684 §3.3.1).
      checksums: [true],
    };
    all[`alter what comes again, ${way}`] = {
      element: "rewriteRepeats",
      make: () => ({
        [way]: [rewriteRepeats()],
        [way === "up" ? "down" : "up"]: [silencing(80e3, 400e3)],
      }),
    };
  }
  const more: Record<string, Kind> = {
    "translate addresses": {
      element: "nat",
      make: (net) => paired(nat({ address: `10.0.${net}.99` })),
    },
    "forget and drop": {
      element: "nat",
      make: () => forgetting(100e3, "drop"),
      // On the only path it is noticed by who opened it, where that sends or asks: tests/scenario/middlebox_test.ts.
      places: ["first", "joined"],
      fatal: true,
    },
    "bleach ECN": {
      ...both("bleachEcn", () => bleachEcn()),
      tcp: { ecn: "request" },
    },
    "rewrite MSS": both("rewriteMss", () => rewriteMss(536)),
    // Windows of 256 bytes, as each end goes on to scale its own.
    "window scale 0": {
      ...both("rewriteWindowScale", () => rewriteWindowScale(0)),
      most: BYTES,
    },
    "remove window scale": both("rewriteWindowScale", () => rewriteWindowScale(null)),
    "reorder options": both("reorderOptions", () => reorderOptions()),
    "remove all options": both(
      "stripOptions",
      () => stripOptions({ options: "all", by: "removal" }),
    ),
    "repeat segments": both(
      "repeatSegments",
      () => repeatSegments({ every: 5 }),
      () => repeatSegments({ every: 7, later: "200 ms" }),
    ),
    "drop SYNs with MPTCP": {
      element: "dropSegments",
      make: () => ({ up: [dropSegments({ on: "syn" })] }),
      patience: 4,
    },
    "TCP proxy": { element: "tcpProxy", make: () => paired(tcpProxy()) },
    "SYN proxy": { element: "synProxy", make: () => paired(synProxy()) },
  };
  for (const [name, kind] of Object.entries(more)) all[name] = { ...kind, senders: ["both"] };
  return all;
}

/** By name. */
export const KINDS: Readonly<Record<string, Kind>> = kinds();

/** What is expected of a class of cells. */
export interface Rule {
  /** The sentence that says so, of RFC 8684 where no other is named. */
  readonly because: string;
  /** Which cells. */
  readonly box: RegExp;
  readonly places?: readonly Place[];
  readonly senders?: readonly Sender[];
  /**
   * Both ends have all bytes, in this mode; as TCP, with bytes that the box changed once it was TCP; or both have an error, for this reason at the end that
   * finds out, and at the other.
   */
  readonly outcome: "MPTCP" | "TCP" | "TCP, altered" | readonly [found: EndReason, told: EndReason];
}

const OWN: readonly Place[] = ["first", "only"];

/** The first that fits a cell holds for it. */
export const RULES: readonly Rule[] = [
  {
    because:
      "§3.7: the handshake SHOULD fall back to regular TCP if either of the SYN messages does not have the MPTCP options",
    box: /^strip SYN/,
    places: OWN,
    outcome: "TCP",
  },
  {
    because:
      "§3.7: if the MPTCP options do not get through on the SYNs, the subflow will be closed according to the MP_JOIN logic",
    box: /^strip SYN/,
    outcome: "MPTCP",
  },
  {
    because:
      "§3.1: if at any point in the handshake either party thinks the MPTCP negotiation is compromised, the host MUST stop using MPTCP",
    box: /^strip (third ACK|pure ACKs, (up|both))/,
    places: OWN,
    outcome: "TCP",
  },
  {
    because:
      "§3.2: the third ACK is sent again until the fourth comes; without its HMAC the subflow never carries data",
    box: /^strip (third ACK|pure ACKs, (up|both))/,
    outcome: "MPTCP",
  },
  {
    because: "no segment is touched: there are no data that way",
    box: /^(strip data|rewrite payload), up/,
    senders: ["server"],
    outcome: "MPTCP",
  },
  {
    because: "no segment is touched: there are no data that way",
    box: /^(strip data|rewrite payload), down/,
    senders: ["client"],
    outcome: "MPTCP",
  },
  {
    because:
      "§3.7: before any additional subflows are added, the implementation MUST drop out of MPTCP mode and fall back to regular TCP",
    box: /^strip data/,
    places: OWN,
    outcome: "TCP",
  },
  {
    because:
      "§3.3.1: if a mapping does not arrive, that subflow SHOULD be treated as broken, closed with a RST",
    box: /^strip data/,
    outcome: "MPTCP",
  },
  {
    because: "§3.3.3: all that is stripped is a DATA_FIN, which goes on every subflow",
    box: /^strip pure ACKs, down/,
    places: ["first"],
    senders: ["server"],
    outcome: "MPTCP",
  },
  {
    because:
      "§3.7: one of the sent segments has been acknowledged with a DSS option containing a Data ACK: it rode on data",
    box: /^strip pure ACKs, down/,
    places: ["first"],
    senders: ["both"],
    outcome: "MPTCP",
  },
  {
    because:
      "§3.7: if an ACK is received for data without a DSS option containing a Data ACK on the first subflow, the implementation MUST fall back",
    box: /^strip pure ACKs, down/,
    places: OWN,
    outcome: "TCP",
  },
  {
    because:
      "§3.7: in the case of this occurring on an additional subflow, the host MUST close the subflow with a RST",
    box: /^strip pure ACKs, down/,
    outcome: "MPTCP",
  },
  {
    because:
      "§3.7: if the subflow is the first subflow and thus all data in flight is contiguous, this situation can be resolved",
    box: /^strip all later/,
    places: ["only"],
    outcome: "TCP",
  },
  {
    because:
      "§3.7: if a subflow breaks during operation, the subflow SHOULD be treated as broken and closed with a RST",
    box: /^strip all later/,
    outcome: "MPTCP",
  },
  {
    because:
      "§3.3.6: this timer will guard against retransmission failures by middleboxes that proactively ACK data",
    box: /^acknowledge and drop/,
    outcome: "MPTCP",
  },
  {
    because:
      "§3.1: the first data repeat the keys; the first segment without any option is that of a peer that has fallen back",
    box: /^split, options on second/,
    places: OWN,
    outcome: "TCP",
  },
  {
    because:
      "§3.3.1: this explicit mapping was chosen to assist with compatibility where segmentation or coalescing is undertaken separately",
    box: /^split/,
    outcome: "MPTCP",
  },
  {
    because: "§3.7: as for lost options: one subflow, contiguous data",
    box: /^coalesce/,
    places: ["only"],
    outcome: "TCP",
  },
  {
    because:
      "§3.3.1: if a mapping does not arrive, that subflow SHOULD be treated as broken, closed with a RST",
    box: /^coalesce/,
    outcome: "MPTCP",
  },
  {
    because:
      "§3.3.1: the subflow sequence numbering is relative, to allow middleboxes to change the Initial Sequence Number",
    box: /^renumber/,
    outcome: "MPTCP",
  },
  {
    because:
      "§3.3.3: this permits break-before-make scenarios where connectivity is lost on all subflows before a new one can be re-established",
    box: /^(rebind|inject RST)/,
    outcome: "MPTCP",
  },
  {
    because:
      "§3.7: the receiver of an MP_FAIL MUST also respond with an MP_FAIL in the reverse direction and entirely revert to a regular TCP session",
    box: /^rewrite payload/,
    places: ["only"],
    outcome: "TCP, altered",
  },
  {
    because:
      "§3.7: failed data MUST NOT be DATA_ACKed and so will be retransmitted on other subflows",
    box: /^rewrite payload/,
    outcome: "MPTCP",
  },
  {
    because:
      "§3.3.1: an implementation SHOULD treat the first data that is received for the data sequence space as the data that should be delivered",
    box: /^alter/,
    outcome: "MPTCP",
  },
  {
    because:
      "§3.7: the handshake SHOULD fall back to regular TCP if either of the SYN messages does not have the MPTCP options",
    box: /^(remove all options|drop SYNs|TCP proxy|SYN proxy)/,
    places: OWN,
    outcome: "TCP",
  },
  {
    because:
      "§3.7: if the MPTCP options do not get through on the SYNs, the subflow will be closed according to the MP_JOIN logic",
    box: /^(remove all options|drop SYNs|TCP proxy|SYN proxy)/,
    outcome: "MPTCP",
  },
  {
    because:
      "§2.1: tokens and address IDs tell connections and addresses where a NAT has changed the headers",
    box: /^translate addresses/,
    outcome: "MPTCP",
  },
  {
    because: "§3.3.6: what is not acknowledged is sent again on another subflow",
    box: /^forget and drop/,
    outcome: "MPTCP",
  },
  {
    because: "§3.3.1: mappings are of the payload; headers below and beside them are TCP's own",
    box: /^(bleach ECN|rewrite MSS|window scale|remove window scale|reorder options)/,
    outcome: "MPTCP",
  },
  {
    because:
      "§3.3.1: an implementation SHOULD treat the first data that is received for the data sequence space as the data that should be delivered",
    box: /^repeat segments/,
    outcome: "MPTCP",
  },
  { because: "nothing is touched", box: /^untouched/, outcome: "MPTCP" },
];

/** The rule for a cell. */
export function ruleOf({ box, place, sender }: Cell): Rule {
  const rule = RULES.find((each) =>
    each.box.test(box) && (each.places?.includes(place) ?? true) &&
    (each.senders?.includes(sender) ?? true)
  );
  if (rule === undefined) throw new Error(`No rule explains ${box}, ${place}, ${sender}`);
  return rule;
}

/** What became of a transfer. */
interface Outcome {
  /** Seconds from the SYN to the end of both ends. */
  readonly seconds: number;
  /** In a few words. */
  readonly text: string;
  /** Both ends have all bytes; in which mode. */
  readonly mode: "MPTCP" | "TCP" | "TCP, altered" | null;
  /** What led to an error at client and server, where there was one; a code where no reason is known. */
  readonly reasons: readonly (string | null)[];
}

/** Longest that anything may take. */
const LIMIT = 200;
/** Longest until an error (seconds). */
const ERROR_WITHIN = 30;
/** Then nothing of either connection is left: TIME-WAIT, and FINs that are lost. */
const LINGERING = 1200;

function pathsOf({ up, down }: Box, place: Place | "other"): Record<string, PathShape> {
  const boxed = (shape: PathShape): PathShape => ({
    ...shape,
    ...(up && { up }),
    ...(down && { down }),
  });
  switch (place) {
    case "only":
      return { wifi: boxed(WIFI) };
    case "other":
      return { lte: boxed(LTE) };
    case "first":
      return { wifi: boxed(WIFI), lte: LTE };
    case "joined":
      return { wifi: WIFI, lte: boxed(LTE) };
  }
}

/** The mode of a connection that has ended: TCP when one end fell back, unless the ends differ in more than when they knew. */
export function modeOf(client: End, server: End): "MPTCP" | "TCP" | null {
  const [a, b] = [client.socket, server.socket];
  if (a.fallback === b.fallback) return a.fallback ? "TCP" : "MPTCP";
  return (a.fallback ? b : a).finished ? "TCP" : null;
}

/** Transfers behind a box. */
function transfer(
  box: Box,
  place: Place | "other",
  sender: Sender,
  bytes: number,
  options: { readonly checksum?: boolean; readonly mptcp?: boolean },
  tcp?: Partial<TcpSettings>,
): Outcome {
  const t = new Topology({
    paths: pathsOf(box, place),
    links: { checksums: true },
    client: options,
    ...(tcp && { tcp }),
  });
  const script = (mine: boolean) => ({ bytes: mine ? bytes : 0 });
  const pair = t.connect(script(sender !== "server"), script(sender !== "client"));
  const ends = (): readonly (End | undefined)[] => [pair.client, pair.server()];
  const over = (end: End | undefined): boolean =>
    end !== undefined && (end.done || (end.code ?? null) !== null);
  const failure = (text: string): Outcome => ({
    seconds: t.seconds,
    text,
    mode: null,
    reasons: [],
  });
  /** Ends it; what is wrong with what was read. */
  const closed = (): Outcome | null => {
    try {
      t[Symbol.dispose]();
      return null;
    } catch (error) {
      return failure(String(error));
    }
  };
  try {
    t.runUntil(() => ends().every(over), LIMIT);
  } catch {
    const [client, server] = ends();
    const hangs = failure(`hangs: ${client!.received} and ${server?.received ?? 0} bytes read`);
    return closed() ?? hangs;
  }
  const { seconds } = t;
  const [client, server] = ends() as [End, End];
  const reasons = [client, server].map(({ code, reason }) => reason ?? code ?? null);
  const failed = reasons.some((reason) => reason !== null);
  const mode = failed ? null : modeOf(client, server);
  t.runTo(seconds + LINGERING);
  // What plain TCP cannot tell it does not tell.
  const altered = mode === "TCP" && [client, server].some(({ wrong }) => wrong !== null);
  const left = [t.client, t.server].some((stack) => stack.usage().connections > 0);
  const wrong = closed();
  if (left) return failure("stays open");
  if (altered) return { seconds, text: "TCP, altered", mode: "TCP, altered", reasons };
  if (wrong !== null) return wrong;
  const text = failed ? reasons.join(" / ") : mode ?? "two modes";
  return { seconds, text, mode, reasons };
}

/** A cell that was run. */
export interface Result {
  readonly cell: Cell;
  /** What became of it. */
  readonly text: string;
  readonly seconds: number;
  /** What is wrong with that; null when nothing is. */
  readonly wrong: string | null;
}

/** Runs cells, and plain TCP to compare them with. */
export class Matrix {
  readonly #bytes: number;
  readonly #plain = new Map<string, number>();

  /** @param bytes Bytes of each direction that has a sender. */
  constructor(bytes = BYTES) {
    this.#bytes = bytes;
  }

  /** Runs one. */
  run(cell: Cell): Result {
    const { place, sender, checksum } = cell;
    const kind = KINDS[cell.box]!;
    const only = Math.max(kind.bytes ?? 0, Math.min(kind.most ?? Infinity, this.#bytes));
    const bytes = place === "only" ? only : this.#bytes;
    const { seconds, text, mode, reasons } = transfer(
      kind.make(place === "joined" ? 2 : 1),
      place,
      sender,
      bytes,
      { checksum },
      kind.tcp,
    );
    const { outcome } = ruleOf(cell);
    let wrong: string | null = null;
    if (typeof outcome === "string") {
      const limit = this.#limit(cell, kind, bytes);
      if (mode !== outcome) wrong = `${outcome} is expected`;
      else if (seconds > limit) wrong = `${limit.toFixed(2)} s are allowed`;
    } else {
      const [found, told] = cell.box.endsWith("up") ? [1, 0] : [0, 1];
      if (reasons[found] !== outcome[0] || reasons[told] !== outcome[1]) {
        wrong = `${outcome.join(", and at the other end ")} is expected`;
      } else if (seconds > ERROR_WITHIN) wrong = `${ERROR_WITHIN} s are allowed`;
    }
    return { cell, text, seconds, wrong };
  }

  /** Seconds that a transfer may take. */
  #limit({ box, place, sender }: Cell, kind: Kind, bytes: number): number {
    const more = 3 + (kind.patience ?? 0);
    if (place === "joined") return 2 * this.#tcp("", "only", sender, bytes) + more;
    if (place === "first") return 2 * this.#tcp("", "other", sender, bytes) + more;
    const tcp = this.#tcp(kind.fatal ? "" : box, "only", sender, bytes);
    return kind.bytes === undefined ? 2 * tcp + more : 3 * tcp;
  }

  /** Seconds that plain TCP takes on one path, behind a box or none. */
  #tcp(box: string, place: "only" | "other", sender: Sender, bytes: number): number {
    const key = `${box} ${place} ${sender} ${bytes}`;
    let seconds = this.#plain.get(key);
    if (seconds === undefined) {
      const kind = KINDS[box];
      const made = kind?.make(1) ?? {};
      seconds = transfer(made, place, sender, bytes, { mptcp: false }, kind?.tcp).seconds;
      this.#plain.set(key, seconds);
    }
    return seconds;
  }
}

/** All cells, or those whose box holds a word of `words`; `every`: also those that tell nothing new. */
export function* cells(words: readonly string[] = [], every = false): Generator<Cell> {
  for (const [box, kind] of Object.entries(KINDS)) {
    const { checksums = [false, true], places = PLACES } = kind;
    const senders = every || kind.senders === undefined ? SENDERS : kind.senders;
    if (words.length > 0 && !words.some((word) => box.includes(word))) continue;
    for (const place of places) {
      for (const sender of senders) {
        for (const checksum of checksums) yield { box, place, sender, checksum };
      }
    }
  }
}

/** What becomes of connections behind each box, as the rules say, in each place: the table of docs/middleboxes.md. */
export function outcomes(): string[][] {
  const rows = Map.groupBy(cells(), ({ box }) => box);
  return [...rows].map(([box, of]) => [
    box,
    KINDS[box]!.element ?? "",
    ...(["only", "first", "joined"] as const).map((place) => {
      const here = of.filter((cell) => cell.place === place);
      const by = Map.groupBy(here, (cell) => String(ruleOf(cell).outcome));
      const senders = (some: readonly Cell[]): string =>
        [...new Set(some.map(({ sender }) => sender))].join(", ");
      return [...by].map(([outcome, some]) =>
        by.size === 1 ? outcome : `${outcome} (${senders(some)})`
      ).join("; ");
    }),
  ]);
}

/** The table: a line for each box and place, a column for each sender, DSS checksums off and on. */
export function print(results: readonly Result[]): string {
  const lines = [
    "box and place | sender: client, server, both; each without and with DSS checksums",
  ];
  const rows = Map.groupBy(results, ({ cell }) => `${cell.box} | ${cell.place}`);
  for (const [name, row] of rows) {
    const columns = row.map(({ text, seconds, wrong }) =>
      `${text} ${seconds.toFixed(2)}${wrong === null ? "" : ` (${wrong})`}`
    );
    lines.push(`${name} | ${columns.join(" | ")}`);
  }
  return lines.join("\n");
}

if (import.meta.main) {
  const args = parseArgs(Deno.args, { string: ["bytes"], boolean: ["outcomes"] });
  if (args.outcomes) {
    const lines = outcomes().map((row) => `| ${row.join(" | ")} |\n`);
    await Deno.stdout.write(new TextEncoder().encode(lines.join("")));
    Deno.exit();
  }
  const matrix = new Matrix(Number(args.bytes ?? BYTES));
  const results = [...cells(args._.map(String))].map((cell) => matrix.run(cell));
  const rules = RULES.map(({ because, box, places = PLACES, senders = SENDERS, outcome }) =>
    `${box.source} | ${places.join(", ")} | ${senders.join(", ")} | ${outcome} | ${because}`
  );
  const wrong = results.filter((result) => result.wrong !== null).length;
  const text = `${rules.join("\n")}\n\n${
    print(results)
  }\n\n${results.length} cells, ${wrong} wrong\n`;
  await Deno.stdout.write(new TextEncoder().encode(text));
  Deno.exitCode = wrong === 0 ? 0 : 1;
}
