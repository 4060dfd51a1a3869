/** Figures as rows: what CSV files and tables are made of. */

import type { Measurement } from "./measure.ts";

/** One figure of a run. */
export interface Row {
  /** "traffic NAME", "link NAME forward", "run". */
  readonly of: string;
  /** Which figure, with its unit: "goodput_bytes_per_s", "delays_p99_us". */
  readonly metric: string;
  /** How much. */
  readonly value: number;
}

/** Units of figures by their names; none: a count, or a share. */
const UNITS: Readonly<Record<string, string>> = {
  goodput: "bytes_per_s",
  throughput: "bytes_per_s",
  bitrate: "bytes_per_s",
  down: "bytes",
  up: "bytes",
  repeated: "bytes",
  segment: "bytes",
  bytes: "bytes",
  deliveredBytes: "bytes",
  start: "us",
  end: "us",
  time: "us",
  startup: "us",
  stall: "us",
  stalled: "us",
};

function snake(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

function named(name: string): string {
  const unit = UNITS[name];
  const text = snake(name);
  return unit === undefined || text.endsWith(`_${unit}`) || text === unit
    ? text
    : `${text}_${unit}`;
}

function* figures(value: object, of: string, prefix = ""): Iterable<Row> {
  for (const [name, part] of Object.entries(value)) {
    if (typeof part === "boolean") {
      yield { of, metric: `${prefix}${snake(name)}`, value: Number(part) };
    } else if (typeof part === "number") {
      yield { of, metric: `${prefix}${named(name)}`, value: part };
    } else if (name === "delays" || name === "delivery") {
      for (const [which, time] of Object.entries(part as Record<string, number>)) {
        yield { of, metric: `${name}_${which}${which === "count" ? "" : "_us"}`, value: time };
      }
    } else if (name === "paths") {
      for (const path of part as { name: string; bytes: number }[]) {
        yield { of, metric: `path_${path.name}_bytes`, value: path.bytes };
      }
    } else if (typeof part === "object" && part !== null) {
      yield* figures(part, of, `${prefix}${snake(name)}_`);
    }
  }
}

/** All figures of a run, in the same order each time. */
export function rowsOf(result: Measurement): Row[] {
  const rows: Row[] = [
    { of: "run", metric: "time_us", value: result.time },
    { of: "run", metric: "done", value: Number(result.done) },
    { of: "run", metric: "faults", value: result.faults.length },
  ];
  for (const [name, traffic] of Object.entries(result.traffic)) {
    rows.push(...figures(traffic, `traffic ${name}`));
  }
  for (const [name, link] of Object.entries(result.links)) {
    for (const side of ["forward", "backward"] as const) {
      rows.push(...figures(link[side], `link ${name} ${side}`));
    }
  }
  return rows;
}

/** A field of a CSV (RFC 4180). */
export function csvField(value: string | number): string {
  const text = String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** A line of a CSV. */
export function csvLine(fields: readonly (string | number)[]): string {
  return `${fields.map(csvField).join(",")}\r\n`;
}
