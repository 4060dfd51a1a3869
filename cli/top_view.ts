/** What `mptcp top` shows: rates of connections and paths from two looks at their figures, and all of it as lines. */

import { formatBytes, formatRate, formatShare, formatTime } from "./output.ts";
import type { Shown } from "./watch.ts";
import { STATES } from "./watch.ts";
import { FALLBACK_WORDS, RESET_WORDS } from "./words.ts";

/** One path. Rates are bytes per second of payload, times microseconds. */
export interface TopPath {
  readonly id: number;
  /** Its link; of a kernel "". */
  readonly link: string;
  readonly local: string;
  readonly remote: string;
  /** ESTAB and the like; STALE, QUIET and BACKUP say more. */
  readonly state: string;
  readonly up: number;
  readonly down: number;
  readonly rtt: number;
  /** Share of the bytes sent that were sent again: since the look before, or else since it began; null: it has sent none. */
  readonly loss: number | null;
  /** Congestion window in bytes. */
  readonly cwnd: number;
}

/** One connection. */
export interface TopConnection {
  readonly token: string;
  readonly local: string;
  readonly remote: string;
  readonly scheduler: string;
  readonly congestion_control: string;
  readonly path_manager: string;
  /** Why it is plain TCP; null: it is not. */
  readonly fallback: string | null;
  /** The last reset of a path that told why. */
  readonly last_reset: Shown["last_reset"];
  readonly up: number;
  readonly down: number;
  readonly paths: readonly TopPath[];
}

/** One host. */
export interface TopHost {
  /** Its control socket. */
  readonly control: string;
  readonly connections: readonly TopConnection[];
}

/** What its control socket answered, and when: microseconds. */
export interface Look {
  readonly control: string;
  readonly at: number;
  readonly connections: readonly Shown[];
}

/** Retransmission timeouts without a packet after which a path is called quiet. */
const QUIET_TIMEOUTS = 4;

type Figures = Shown["subflows"][number]["tcp"];

/** Microseconds since a packet with data, or an answer, came on a path. */
function silence({ last_data_recv, last_ack_recv }: Figures): number {
  return Math.min(last_data_recv, last_ack_recv) * 1000;
}

/**
 * Nothing has come on a path for four timeouts, and on another of its connection something has, `heard` microseconds ago. Who only receives cannot tell a path
 * that is cut from one that the peer leaves idle: it has nothing to wait for.
 */
function quiet(tcp: Figures, heard: number): boolean {
  const least = QUIET_TIMEOUTS * tcp.rto;
  return STATES[tcp.state] === "ESTAB" && silence(tcp) >= least && heard < least;
}

interface Count {
  readonly at: number;
  readonly sent: number;
  readonly received: number;
  readonly repeated: number;
}

function end({ address, port }: { readonly address: string; readonly port: number }): string {
  return address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;
}

/** Makes rates of counters: what is looked at for the first time has none. */
export class TopRates {
  #before = new Map<string, Count>();

  /** Hosts as `looks` show them. */
  take(looks: readonly Look[]): TopHost[] {
    const counts = new Map<string, Count>();
    const hosts = looks.map(({ control, at, connections }) => ({
      control,
      connections: connections.map((shown) => this.#connection(control, at, shown, counts)),
    }));
    this.#before = counts;
    return hosts;
  }

  #connection(
    control: string,
    at: number,
    shown: Shown,
    counts: Map<string, Count>,
  ): TopConnection {
    const { local, remote, mptcp, plugins, fallback, last_reset, subflows } = shown;
    const token = Number(mptcp.token).toString(16).padStart(8, "0");
    const heard = Math.min(...subflows.map(({ tcp }) => silence(tcp)));
    const paths = subflows.map(({ id, link = "", local, remote, backup, stale, tcp }): TopPath => {
      const key = `${control} ${token} ${id} ${end(local)} ${end(remote)}`;
      const count = {
        at,
        sent: tcp.bytes_sent - tcp.bytes_retrans,
        received: tcp.bytes_received,
        repeated: tcp.bytes_retrans,
      };
      counts.set(key, count);
      const before = this.#before.get(key);
      const per = (name: "received" | "sent"): number =>
        before === undefined || at <= before.at
          ? 0
          : (count[name] - before[name]) / (at - before.at) * 1e6;
      const since = before !== undefined && count.sent > before.sent ? before : null;
      const sent = count.sent - (since?.sent ?? 0);
      return {
        id,
        link,
        local: local.address,
        remote: remote.address,
        state: stale
          ? "STALE"
          : backup
          ? "BACKUP"
          : quiet(tcp, heard)
          ? "QUIET"
          : STATES[tcp.state] ?? "",
        up: per("sent"),
        down: per("received"),
        rtt: tcp.rtt,
        loss: sent > 0 ? Math.min(1, (count.repeated - (since?.repeated ?? 0)) / sent) : null,
        cwnd: tcp.snd_cwnd * tcp.snd_mss,
      };
    });
    const total = (name: "down" | "up"): number => paths.reduce((sum, each) => sum + each[name], 0);
    return {
      token,
      local: end(local),
      remote: end(remote),
      scheduler: plugins?.scheduler ?? "kernel",
      congestion_control: plugins?.congestion_control ?? "kernel",
      path_manager: plugins?.path_manager ?? "kernel",
      fallback: fallback ?? ((Number(mptcp.flags) & 1) !== 0 ? "not-agreed" : null),
      last_reset: last_reset ?? null,
      up: total("up"),
      down: total("down"),
      paths,
    };
  }
}

function cut(text: string, width: number): string {
  return text.length <= width ? text : `${text.slice(0, Math.max(0, width - 1))}…`;
}

/** Columns beside the name of a path. */
const FIGURES = [8, 12, 12, 8, 6, 9] as const;
const BESIDE = FIGURES.reduce((sum, width) => sum + width, 0);

function row(name: string, figures: readonly string[], columns: number): string {
  const width = Math.max(12, columns - BESIDE);
  const [state = "", ...rest] = figures;
  return cut(
    cut(name, width - 1).padEnd(width) + state.padEnd(FIGURES[0]) +
      rest.map((figure, i) => figure.padStart(FIGURES[i + 1]!)).join(""),
    columns,
  );
}

/** What people call a host: the name of its socket. */
function nameOf(control: string): string {
  return control.replace(/^.*\//, "").replace(/\.sock$/, "");
}

function connectionLines(connection: TopConnection, columns: number): string[] {
  const { local, remote, scheduler, congestion_control, fallback, last_reset, paths } = connection;
  const speaks = fallback === null ? "MPTCP" : "TCP";
  const plugins = scheduler === congestion_control
    ? scheduler
    : `${scheduler}, ${congestion_control}`;
  return [
    cut(`  ${local} > ${remote}  ${speaks}, ${plugins}`, columns),
    ...fallback === null
      ? []
      : [cut(`    plain TCP: ${FALLBACK_WORDS[fallback as never] ?? fallback}`, columns)],
    ...last_reset === null ? [] : [cut(
      `    path ${last_reset.path} was reset by ${last_reset.by === "us" ? "us" : "the peer"}: ${
        RESET_WORDS[last_reset.reason] ?? last_reset.reason
      }`,
      columns,
    )],
    ...paths.map(({ id, link, local, remote, state, up, down, rtt, loss, cwnd }) =>
      row(
        `    ${
          link === ""
            ? `${local} > ${remote}`
            // Of a mesh several paths have one address of ours: the other end tells them apart.
            : paths.some((other) => other.id !== id && other.local === local && other.link === link)
            ? `${link} > ${remote}`
            : `${link} ${local}`
        }`,
        [
          state,
          formatRate(up),
          formatRate(down),
          rtt === 0 ? "-" : formatTime(rtt),
          loss === null ? "-" : formatShare(loss, 1),
          formatBytes(cwnd),
        ],
        columns,
      )
    ),
  ];
}

/**
 * A sample as lines of at most `columns` characters, `rows` of them at most: the last then says what is left out.
 *
 * @param heading Makes a heading of a line.
 */
export function formatTop(
  hosts: readonly TopHost[],
  columns: number,
  rows = Infinity,
  heading: (text: string) => string = (text) => text,
): string[] {
  const connections = hosts.flatMap((host) => host.connections);
  const total = (name: "down" | "up"): number =>
    connections.reduce((sum, each) => sum + each[name], 0);
  const count = (number: number, one: string): string =>
    `${number} ${one}${number === 1 ? "" : "s"}`;
  const paths = connections.reduce((sum, each) => sum + each.paths.length, 0);
  const lines = [
    heading(cut(
      `mptcp top: ${count(hosts.length, "host")}, ${count(connections.length, "connection")}, ${
        count(paths, "path")
      }; up ${formatRate(total("up"))}, down ${formatRate(total("down"))}`,
      columns,
    )),
    heading(row("PATH", ["STATE", "UP", "DOWN", "RTT", "LOSS", "CWND"], columns)),
  ];
  if (hosts.length === 0) lines.push(cut("No host is running.", columns));
  // Who moves most comes first.
  const busy = (a: TopConnection, b: TopConnection): number => b.up + b.down - a.up - a.down;
  for (const { control, connections } of hosts) {
    lines.push(cut(nameOf(control), columns));
    if (connections.length === 0) lines.push("  no connection");
    for (const each of connections.toSorted(busy)) lines.push(...connectionLines(each, columns));
  }
  if (lines.length <= rows) return lines;
  const left = lines.length - rows + 1;
  return [...lines.slice(0, rows - 1), cut(`… and ${left} lines more`, columns)];
}
