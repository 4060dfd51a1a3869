/** What each connection of a scenario carried on which path, and how long its bytes took: read off the hosts' probes. */

import type { Micros } from "../core/plugin.ts";
import type { Probe } from "../core/subflow/probe.ts";
import type { Scenario } from "./scenario.ts";
import type { Stage } from "./stage.ts";
import type { Spread, Tally } from "./stats.ts";

/** Segments that are read when they are forgotten: long runs send millions. */
const READ = 128;

/** What a path has carried. */
interface PathLoad {
  readonly label: string;
  /** Payload, repeats included. */
  bytes: number;
}

/** What one end of a connection has sent. */
export class EndMeter {
  /** Bytes of payload in all, repeats included. */
  payload = 0;
  /** Most bytes of payload in one segment. */
  segment = 0;
  /** By the number of the path; several may have the same label. */
  readonly #paths = new Map<number, PathLoad>();
  /** Ends of what was sent for the first time, and when. */
  // Of those that are not read yet, and a few.
  readonly #ends: number[] = [];
  readonly #times: Micros[] = [];
  #next = 0;
  #highest = 0;
  /** What was asked for last: it is asked for with every packet. */
  #lastPath = -1;
  #lastLoad: PathLoad | null = null;

  /** A subflow begins on a path. */
  opened(path: number, label: string): void {
    if (!this.#paths.has(path)) this.#paths.set(path, { label, bytes: 0 });
  }

  /** What a path is called. */
  labelOf(path: number): string {
    return this.#load(path).label;
  }

  #load(path: number): PathLoad {
    if (path === this.#lastPath && this.#lastLoad !== null) return this.#lastLoad;
    let load = this.#paths.get(path);
    if (load === undefined) this.#paths.set(path, load = { label: `path ${path}`, bytes: 0 });
    this.#lastPath = path;
    return this.#lastLoad = load;
  }

  /** Payload leaves: `end` is the position behind it in the data. Gives whether some of it leaves for the first time. */
  sent(now: Micros, path: number, length: number, end: number, segment: number): boolean {
    this.#load(path).bytes += length;
    this.payload += length;
    if (segment > this.segment) this.segment = segment;
    if (end <= this.#highest) return false;
    this.#highest = end;
    this.#ends.push(end);
    this.#times.push(now);
    return true;
  }

  /** The other end has read up to `end`: `delays` takes how long bytes took from when they first left until then. */
  read(end: number, now: Micros, delays: Tally): void {
    for (; (this.#ends[this.#next] ?? Infinity) <= end; this.#next++) {
      delays.add(now - this.#times[this.#next]!);
    }
    if (this.#next < READ) return;
    this.#ends.splice(0, this.#next);
    this.#times.splice(0, this.#next);
    this.#next = 0;
  }

  /** Bytes of payload by path, repeats included. */
  get paths(): Iterable<Readonly<PathLoad>> {
    return this.#paths.values();
  }

  /** Bytes that left again. */
  get repeated(): number {
    return this.payload - this.#highest;
  }

  /** Numbers that are stored. */
  get stored(): number {
    return this.#ends.length + this.#times.length + this.#paths.size;
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

/** What many ends have sent, all servers or all clients. */
export class SideLoad {
  /** How long bytes took. */
  readonly delays: Tally;
  #payload = 0;
  #repeated = 0;
  #segment = 0;
  readonly #paths = new Map<string, number>();

  /** Nothing yet; `delays` takes how long bytes took. */
  constructor(delays: Tally) {
    this.delays = delays;
  }

  /** As much, to which more can be added; the delays are the same. */
  copy(): SideLoad {
    const copy = new SideLoad(this.delays);
    copy.#payload = this.#payload;
    copy.#repeated = this.#repeated;
    copy.#segment = this.#segment;
    for (const [name, bytes] of this.#paths) copy.#paths.set(name, bytes);
    return copy;
  }

  /** Adds what an end has sent. */
  add(end: EndMeter): void {
    this.#payload += end.payload;
    this.#repeated += end.repeated;
    this.#segment = Math.max(this.#segment, end.segment);
    for (const { label, bytes } of end.paths) {
      this.#paths.set(label, (this.#paths.get(label) ?? 0) + bytes);
    }
  }

  /** This one, of servers, and that of their clients, summed up. */
  with(up: SideLoad): Carried {
    const paths = new Map(this.#paths);
    for (const [name, bytes] of up.#paths) paths.set(name, (paths.get(name) ?? 0) + bytes);
    return {
      paths: [...paths].map(([name, bytes]) => ({ name, bytes })),
      repeated: this.#repeated + up.#repeated,
      segment: Math.max(this.#segment, up.#segment),
      delivery: (this.#payload >= up.#payload ? this : up).delays.spread,
    };
  }
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
  /** The end that was asked for last: it is asked for with every packet. */
  #lastConnection = -1;
  #lastEnd: EndMeter | null = null;

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
    if (connection === this.#lastConnection && this.#lastEnd !== null) return this.#lastEnd;
    let end = this.#ends.get(connection);
    if (end === undefined) this.#ends.set(connection, end = new EndMeter());
    this.#lastConnection = connection;
    return this.#lastEnd = end;
  }

  /** Forgets a connection that is over. */
  forget(connection: number): void {
    this.#ends.delete(connection);
    this.#lastEnd = null;
    this.#roles.delete(connection);
    this.#ports.delete(connection);
  }

  /** Numbers that are stored. */
  get stored(): number {
    let stored = this.#roles.size + this.#ports.size;
    for (const end of this.#ends.values()) stored += end.stored;
    return stored;
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
