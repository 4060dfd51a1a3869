/** Reads networks and traces that others have written. */

import type { Duration, Rate } from "../core/link/units.ts";
import type { Scenario, ScenarioEvent, ScenarioLink } from "./scenario.ts";

/** A line of a file that cannot be read. */
function wrong(what: string, line: number, why: string): TypeError {
  return new TypeError(`${what}, line ${line}: ${why}`);
}

/** The lines that say something, with their numbers. */
function linesOf(text: string): { readonly line: number; readonly text: string }[] {
  return text.split(/\r?\n/)
    .map((text, i) => ({ line: i + 1, text: text.replace(/#.*$/, "").trim() }))
    .filter(({ text }) => text !== "");
}

/**
 * Times of a Mahimahi trace (mm-link): a number of milliseconds a line, at each of which 1,500 bytes go.
 *
 * @example
 * ```ts
 * import { readMahimahi } from "@mptcp/mptcp/sim";
 *
 * console.assert(readMahimahi("1\n1\n4\n").join() === "1,1,4");
 * ```
 *
 * @throws {TypeError} A line holds none.
 */
export function readMahimahi(text: string): number[] {
  const times = linesOf(text).map(({ line, text }) => {
    if (!/^\d+$/.test(text)) {
      throw wrong("a Mahimahi trace", line, `"${text}" is no whole number of ms`);
    }
    return Number(text);
  });
  if (times.length === 0) throw new TypeError("a Mahimahi trace: it is empty");
  return times;
}

/** How a link changes with time. */
export interface Profile {
  /** How it is at the beginning. */
  readonly first: { readonly rate?: Rate; readonly delay?: Duration; readonly loss?: number };
  /** What changes when; `link` is empty. */
  readonly events: readonly Extract<ScenarioEvent, { do: "set" }>[];
}

const COLUMNS = ["time_s", "rate_mbit", "delay_ms", "loss"];

/**
 * Reads a CSV of how a link changes: the first line names the columns, `time_s`, and of `rate_mbit`, `delay_ms` (one way) and `loss` (0 to 1) those that
 * there are. An empty field leaves a value as it is. The first row is at time 0.
 *
 * @example
 * ```ts
 * import { readProfile } from "@mptcp/mptcp/sim";
 *
 * const { first, events } = readProfile("time_s,rate_mbit,delay_ms\n0,20,15\n2.5,5,\n");
 * console.assert(first.rate === "20 Mbit/s" && events[0]!.at === "2.5 s" && events[0]!.delay === undefined);
 * ```
 *
 * @throws {TypeError} A column or a field is none of these.
 */
export function readProfile(text: string): Profile {
  const what = "a profile of a link";
  const [head, ...rows] = linesOf(text);
  const names = head?.text.split(",").map((name) => name.trim()) ?? [];
  if (names[0] !== "time_s" || names.some((name) => !COLUMNS.includes(name))) {
    throw wrong(
      what,
      head?.line ?? 1,
      `the first line must be of ${COLUMNS.join(",")}, time_s first`,
    );
  }
  let before = -1;
  const read = rows.map(({ line, text }) => {
    const fields = text.split(",").map((field) => field.trim());
    if (fields.length !== names.length) {
      throw wrong(what, line, `it must have ${names.length} fields: it has ${fields.length}`);
    }
    const values: Record<string, number> = {};
    names.forEach((name, i) => {
      const field = fields[i]!;
      if (field === "") return;
      const value = Number(field);
      if (!(value >= 0 && value < Infinity)) {
        throw wrong(what, line, `${name} is "${field}", no number from 0`);
      }
      values[name] = value;
    });
    const { time_s: time, rate_mbit: rate, delay_ms: delay, loss } = values;
    if (time === undefined || time <= before) {
      throw wrong(what, line, "times must be there, and grow");
    }
    before = time;
    if (rate === 0) throw wrong(what, line, "a rate of 0 is a cut: give it as an event");
    return {
      at: `${time} s` as Duration,
      time,
      change: {
        ...(rate !== undefined && { rate: `${rate} Mbit/s` as Rate }),
        ...(delay !== undefined && { delay: `${delay} ms` as Duration }),
        ...(loss !== undefined && { loss }),
      },
    };
  });
  const [first] = read;
  if (first === undefined || first.time !== 0) {
    throw new TypeError(`${what}: its first row must be at time 0`);
  }
  const events = read.slice(1).map(({ at, change }) => ({
    at,
    do: "set" as const,
    link: "",
    ...change,
  }));
  return { first: first.change, events };
}

/**
 * Reads what `tc qdisc add … netem …` says: rate, delay with jitter, loss, limit, duplicate, corrupt. The rest of the line is skipped; what follows `netem` and is
 * none of these is refused.
 *
 * @example
 * ```ts
 * import { readNetem } from "@mptcp/mptcp/sim";
 *
 * const link = readNetem("tc qdisc add dev eth0 root netem delay 20ms 5ms loss 1% rate 10mbit limit 100");
 * console.assert(link.rate === "10 Mbit/s" && link.jitter === "10 ms" && link.loss === 0.01);
 * ```
 *
 * @throws {TypeError} It has no netem, or one of another kind.
 */
export function readNetem(text: string): Omit<ScenarioLink, "between"> {
  const words = text.trim().split(/\s+/);
  const at = words.indexOf("netem");
  const what = "a line of tc";
  if (at < 0) throw new TypeError(`${what}: it has no "netem"`);
  const left = words.slice(at + 1);
  const link: Record<string, unknown> = {};
  const share = (word: string | undefined): number => {
    const match = /^(\d+\.?\d*)%$/.exec(word ?? "");
    if (match === null) throw new TypeError(`${what}: "${word}" is no percentage such as 1%`);
    return Number(match[1]) / 100;
  };
  const time = (word: string | undefined): number | null => {
    const match = /^(\d+\.?\d*)(us|ms|s|usecs?|msecs?|secs?)$/.exec(word ?? "");
    if (match === null) return null;
    return Number(match[1]) * ({ u: 1e-3, m: 1, s: 1e3 }[match[2]![0]!] ?? NaN);
  };
  const RATES: Readonly<Record<string, string>> = {
    "": "bit/s",
    k: "kbit/s",
    m: "Mbit/s",
    g: "Gbit/s",
  };
  while (left.length > 0) {
    const name = left.shift()!;
    if (name === "delay" || name === "latency") {
      const delay = time(left.shift());
      if (delay === null) throw new TypeError(`${what}: "delay" needs a time such as 20ms`);
      const jitter = time(left[0]);
      if (jitter !== null) {
        left.shift();
        // netem spreads evenly around the delay; an element here only adds.
        link.jitter = `${2 * jitter} ms`;
        link.delay = `${Math.max(0, delay - jitter)} ms`;
      } else link.delay = `${delay} ms`;
    } else if (name === "loss") {
      if (left[0] === "random") left.shift();
      link.loss = share(left.shift());
    } else if (name === "duplicate" || name === "corrupt") {
      link[name] = share(left.shift());
    } else if (name === "limit") {
      const limit = Number(left.shift());
      if (!(limit >= 1)) throw new TypeError(`${what}: "limit" needs a number of packets`);
      link.queue = limit;
    } else if (name === "rate") {
      const word = left.shift();
      const match = /^(\d+\.?\d*)([kmg]?)bit$/i.exec(word ?? "");
      if (match === null) throw new TypeError(`${what}: "${word}" is no rate such as 10mbit`);
      link.rate = `${match[1]} ${RATES[match[2]!.toLowerCase()]}`;
    } else {
      throw new TypeError(
        `${what}: "${name}" is none of delay, loss, duplicate, corrupt, rate, limit`,
      );
    }
  }
  // netem's limit holds what is delayed, too, and is nothing to wait in without a rate.
  if (link.rate === undefined) delete link.queue;
  return link as Omit<ScenarioLink, "between">;
}

/**
 * Reads a topology of minitopo: lines `path_NAME:DELAY,QUEUE,RATE` or `path_NAME:DELAY,QUEUE,RATE,LOSS`, with one-way delay in ms, packets, Mbit/s and a
 * percentage. It has a host "Client" with one link a path, and a host "Server" behind a router; paths are named as in the file.
 *
 * @example
 * ```ts
 * import { readMinitopo } from "@mptcp/mptcp/sim";
 *
 * const { links } = readMinitopo("leftSubnet:10.0.\npath_0:20,400,100\npath_1:40,800,100,1.5\n");
 * console.assert(links!["path_1"]!.loss === 0.015 && links!["path_0"]!.queue === 400);
 * ```
 *
 * @throws {TypeError} A path is of another form, or there is none.
 */
export function readMinitopo(text: string): Pick<Scenario, "hosts" | "routers" | "links"> {
  const what = "a topology of minitopo";
  const links: Record<string, ScenarioLink> = {
    Server: { between: ["Server", "Router"] },
  };
  for (const { line, text: content } of linesOf(text)) {
    const match = /^(path\w*)\s*:\s*(.*)$/.exec(content);
    if (match === null) continue;
    const fields = match[2]!.split(",").map((field) => Number(field.trim()));
    const [delay, queue, rate, loss = 0] = fields;
    if (
      fields.length < 3 || fields.length > 4 || fields.some((field) => !(field >= 0)) || rate === 0
    ) {
      throw wrong(what, line, "a path must be DELAY_MS,QUEUE_PACKETS,RATE_MBIT[,LOSS_PERCENT]");
    }
    const name = links[match[1]!] === undefined
      ? match[1]!
      : `${match[1]}_${Object.keys(links).length - 1}`;
    links[name] = {
      between: ["Client", "Router"],
      delay: `${delay!} ms`,
      queue: Math.max(1, queue!),
      rate: `${rate!} Mbit/s`,
      ...(loss > 0 && { loss: loss / 100 }),
    };
  }
  if (Object.keys(links).length === 1) throw new TypeError(`${what}: it has no path`);
  return { hosts: { Client: {}, Server: {} }, routers: ["Router"], links };
}
