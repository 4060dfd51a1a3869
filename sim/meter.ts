/** What each connection of a scenario carried on which path, and how long its bytes took: read off the hosts' probes. */

import type { Micros } from "../core/plugin.ts";
import type { Probe } from "../core/subflow/probe.ts";
import type { Scenario } from "./scenario.ts";
import type { Stage } from "./stage.ts";
import { type Spread, spreadOf } from "./stats.ts";

/** Segments that are read when they are forgotten: long runs send millions. */
const READ = 4096;

/** What one end of a connection has sent. */
export class EndMeter {
  /** Bytes of payload by path, repeats included. */
  readonly paths = new Map<string, number>();
  /** Bytes of payload in all, repeats included. */
  payload = 0;
  /** Most bytes of payload in one segment. */
  segment = 0;
  readonly #labels = new Map<number, string>();
  /** Ends of what was sent for the first time, and when. */
  // Of those that are not read yet, and a few.
  readonly #ends: number[] = [];
  readonly #times: Micros[] = [];
  readonly #delays: Micros[] = [];
  #next = 0;
  #highest = 0;

  /** A subflow begins on a path. */
  opened(path: number, label: string): void {
    this.#labels.set(path, label);
    if (!this.paths.has(label)) this.paths.set(label, 0);
  }

  /** What a path is called. */
  labelOf(path: number): string {
    return this.#labels.get(path) ?? `path ${path}`;
  }

  /** Payload leaves: `end` is the position behind it in the data. Gives whether some of it leaves for the first time. */
  sent(now: Micros, path: number, length: number, end: number, segment: number): boolean {
    const label = this.labelOf(path);
    this.paths.set(label, (this.paths.get(label) ?? 0) + length);
    this.payload += length;
    if (segment > this.segment) this.segment = segment;
    if (end <= this.#highest) return false;
    this.#highest = end;
    this.#ends.push(end);
    this.#times.push(now);
    return true;
  }

  /** The other end has read up to `end`. */
  read(end: number, now: Micros): void {
    for (; (this.#ends[this.#next] ?? Infinity) <= end; this.#next++) {
      this.#delays.push(now - this.#times[this.#next]!);
    }
    if (this.#next < READ) return;
    this.#ends.splice(0, this.#next);
    this.#times.splice(0, this.#next);
    this.#next = 0;
  }

  /** How long bytes took from when they first left until they were read. */
  get delays(): readonly Micros[] {
    return this.#delays;
  }

  /** Bytes that left again. */
  get repeated(): number {
    return this.payload - this.#highest;
  }
}

/** What both ends of many connections have sent. */
export interface Carried {
  /** Bytes of payload by path, repeats included. */
  readonly paths: readonly { readonly name: string; readonly bytes: number }[];
  /** Bytes that were sent again, on any path. */
  readonly repeated: number;
  /** Most bytes of payload in one segment. */
  readonly segment: number;
  /** How long bytes took from when they first left until they could be read, in microseconds: of the direction that carried more. */
  readonly delivery: Spread;
}

/** Sums up ends; `down` and `up` are those of servers and of clients. */
export function carriedBy(down: readonly EndMeter[], up: readonly EndMeter[]): Carried {
  const paths = new Map<string, number>();
  let repeated = 0;
  for (const end of [...down, ...up]) {
    repeated += end.repeated;
    for (const [name, bytes] of end.paths) paths.set(name, (paths.get(name) ?? 0) + bytes);
  }
  const sum = (ends: readonly EndMeter[]): number =>
    ends.reduce((total, { payload }) => total + payload, 0);
  const most = sum(down) >= sum(up) ? down : up;
  return {
    paths: [...paths].map(([name, bytes]) => ({ name, bytes })),
    repeated,
    segment: Math.max(0, ...[...down, ...up].map(({ segment }) => segment)),
    delivery: spreadOf(most.flatMap(({ delays }) => [...delays])),
  };
}

/** Names paths by the links that addresses are on. */
export class PathNames {
  readonly #links = new Map<string, { readonly host: string; readonly link: string }>();
  readonly #counts = new Map<string, number>();

  /** Of the hosts of a stage, and of the addresses that they get later. */
  constructor(stage: Stage, scenario: Scenario) {
    for (const { name, attachments } of stage.hosts.values()) {
      this.#counts.set(name, attachments.length);
      for (const { address, link } of attachments) {
        this.#links.set(address, { host: name, link: link.name });
      }
    }
    for (const event of scenario.events ?? []) {
      if (event.do !== "add-address") continue;
      const address = event.address.replace(/\/.*$/, "");
      this.#links.set(address, { host: event.host, link: event.link });
    }
  }

  /** The link of an address. */
  linkOf(address: string): string {
    return this.#links.get(address)?.link ?? address;
  }

  /** What a path is called: after the client's link, the server's if that has several, or both if they differ. */
  of(client: string, server: string): string {
    const several = (address: string): boolean =>
      (this.#counts.get(this.#links.get(address)?.host ?? "") ?? 2) > 1;
    if (!several(server)) return this.linkOf(client);
    if (!several(client)) return this.linkOf(server);
    const [from, to] = [this.linkOf(client), this.linkOf(server)];
    return from === to ? from : `${from}-${to}`;
  }
}

/** Payload that leaves a host. */
export interface SentSeen {
  /** When. */
  readonly at: Micros;
  /** Port of the server. */
  readonly port: number;
  /** Which end sends it. */
  readonly side: "client" | "server";
  /** What its path is called. */
  readonly path: string;
  /** Position of its first byte in the data. */
  readonly offset: number;
  /** How much it is. */
  readonly bytes: number;
  /** All of it has left before. */
  readonly again: boolean;
}

/** The connections of one host, as its probe tells of them. */
export class HostMeter {
  readonly #ends = new Map<number, EndMeter>();
  readonly #roles = new Map<number, "client" | "server">();
  readonly #ports = new Map<number, number>();
  readonly #onSent: ((sent: SentSeen) => void) | undefined;
  #names: PathNames | null = null;

  /** `onSent` is told of all payload. */
  constructor(onSent?: (sent: SentSeen) => void) {
    this.#onSent = onSent;
  }

  /** Names paths from now on. */
  name(names: PathNames): void {
    this.#names = names;
  }

  /** The end of a connection, by its number at this host. */
  end(connection: number): EndMeter {
    let end = this.#ends.get(connection);
    if (end === undefined) this.#ends.set(connection, end = new EndMeter());
    return end;
  }

  /** Watches the host. */
  readonly probe: Probe = {
    connectionOpened: (
      _now,
      connection,
      role,
      _token,
      _local,
      localPort,
      _remote,
      remotePort,
    ) => {
      this.#roles.set(connection, role);
      if (this.#onSent !== undefined) {
        this.#ports.set(connection, role === "client" ? remotePort : localPort);
      }
    },
    subflowOpened: (_now, connection, path, _join, local, _localPort, remote) => {
      const client = this.#roles.get(connection) === "client";
      const [from, to] = client ? [local, remote] : [remote, local];
      this.end(connection).opened(path, this.#names?.of(from, to) ?? `path ${path}`);
    },
    segmentSent: (now, connection, path, seq, length, _flags, _ack, _window, dsn, segment) => {
      if (length === 0) return;
      const end = (dsn < 0 ? seq : dsn) - 1 + length;
      const meter = this.end(connection);
      const fresh = meter.sent(now, path, length, end, segment === 0 ? length : segment);
      this.#onSent?.({
        at: now,
        port: this.#ports.get(connection)!,
        side: this.#roles.get(connection)!,
        path: meter.labelOf(path),
        offset: end - length,
        bytes: length,
        again: !fresh,
      });
    },
  };
}
