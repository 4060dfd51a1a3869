/** What a gateway tells of its connections: a line of text each, or of JSON. */

import type { MptcpConn } from "../../mod.ts";
import { bytesByName, PathFigures } from "../figures.ts";
import { formatBytes, formatTime, print } from "../output.ts";
import type { Progress } from "../progress.ts";
import type { Done } from "./relay_server.ts";
import { formatTarget } from "./target.ts";

/** Milliseconds between two looks at connections: what has ended has no figures. */
const LOOK = 500;
/** Most connections that are looked at each time: of thousands each has its turn, and the others' bytes are not held up by it. */
const MOST_LOOKED_AT = 64;

/** How a connection has gone over its paths. */
interface Way {
  /** Where the other end is, in words. */
  readonly where: string;
  readonly figures: PathFigures;
}

/** Watches the connections of a gateway. */
export class GatewayStatus {
  readonly #progress: Progress;
  readonly #json: boolean;
  readonly #ways = new Map<unknown, Way>();
  #timer: ReturnType<typeof setInterval> | null = null;
  /** Why the last one did not come about, which is said in full once. */
  #failure: string | null = null;

  /** @param json Lines of JSON go to the standard output. */
  constructor(progress: Progress, json: boolean) {
    this.#progress = progress;
    this.#json = json;
  }

  /** A connection of this stack carries bytes; what goes down to the program is `sent` or `received` here. */
  watch(conn: MptcpConn, where: string, down: "received" | "sent"): void {
    const figures = new PathFigures(conn, down, performance.now() * 1000);
    this.#ways.set(conn, { where, figures });
    if (this.#timer !== null) return;
    this.#timer = setInterval(() => this.#look(), LOOK);
    Deno.unrefTimer(this.#timer);
  }

  /** Looks at those that were looked at longest ago. */
  #look(): void {
    const now = performance.now() * 1000;
    for (const [conn, way] of [...this.#ways].slice(0, MOST_LOOKED_AT)) {
      way.figures.sample(now);
      this.#ways.delete(conn);
      this.#ways.set(conn, way);
    }
  }

  /** A connection is over. */
  tell(done: Done, stream: unknown): void {
    const way = this.#ways.get(stream);
    this.#ways.delete(stream);
    if (this.#ways.size === 0 && this.#timer !== null) {
      clearInterval(this.#timer);
      this.#timer = null;
    }
    way?.figures.sample(performance.now() * 1000);
    if (this.#json) return print(JSON.stringify(record(done, way)));
    const { outcome, error } = done;
    const same = error !== null && error === this.#failure;
    this.#failure = outcome === "connected" || outcome === "hostile" ? null : error;
    this.#progress.log(words(same ? { ...done, error: "as before" } : done, way));
  }
}

function record(done: Done, way: Way | undefined): Record<string, unknown> {
  const { target, seconds, ...rest } = done;
  return {
    target: target === null ? null : formatTarget(target),
    ...rest,
    seconds: Math.round(seconds * 1000) / 1000,
    ...(way !== undefined && {
      where: way.where,
      fallback: way.figures.fallback,
      paths: bytesByName(way.figures.bytes),
      pathsUp: bytesByName(way.figures.back),
    }),
  };
}

function words({ target, outcome, error, seconds, up, down }: Done, way: Way | undefined): string {
  const name = target === null ? "a connection" : formatTarget(target);
  if (outcome !== "connected") {
    if (outcome === "hostile") return `refused ${name}: ${error}`;
    // Some errors say all of it.
    const whole = error?.startsWith(`${name}: ${outcome}`) === true;
    return whole ? `${error}` : `${name}: ${outcome}: ${error}`;
  }
  const carried = `${formatBytes(up)} up, ${formatBytes(down)} down in ${
    formatTime(seconds * 1e6)
  }`;
  const how = way === undefined
    ? ""
    : way.figures.fallback
    ? `; plain TCP to ${way.where}, as MPTCP does not come through`
    : `; ${`${way.figures.sharesOfBoth} to ${way.where}`.trimStart()}`;
  return `${name}: ${carried}${how}${error === null ? "" : `; broken off: ${error}`}`;
}
