/**
 * `mptcp ss`, `nstat`, `monitor`, `endpoint`, `limits`: what running hosts have open, count and do, as the kernel's tools show it of the kernel's, and what
 * their path managers have to go by.
 */

import type { ControlEvent, HostConnection } from "../mod.ts";
import type { EndpointEntry } from "../pm/mod.ts";
import { type Command, type Given, UsageError } from "./arguments.ts";
import { ask, findControls, NoAnswer, runDir } from "./control.ts";
import { print, report } from "./output.ts";
import { onInterrupt } from "./signals.ts";

/** `HostConnection` as it comes through JSON. */
export type Shown = Omit<HostConnection, "mptcp"> & {
  readonly mptcp: Readonly<Record<keyof HostConnection["mptcp"], number | string>>;
};

const OPTIONS = {
  control: {
    value: "PATH",
    help: "Control socket of one host. Default: those of all running hosts",
  },
  json: { help: "JSON, one line a host, or an event" },
} as const;

/** Whom they look at, for their helps. */
export const WHERE =
  `The hosts are those of running commands of the same user (serve, get, put, proxy, relay, gateway),
the kernel of mptcp lab, and those of programs that call serveControl(); their sockets, which their
owner alone may use, are in $MPTCP_RUN_DIR, else in /run/mptcp (root) or $XDG_RUNTIME_DIR/mptcp.`;

/** Refuses words where a command takes none. */
function onlyOptions(args: Given): void {
  if (args.positional.length > 0) {
    throw new UsageError(`Unexpected ${args.positional[0]}: options are all there is`);
  }
}

async function controls(args: Given): Promise<string[]> {
  const chosen = args.value("control");
  const found = chosen === undefined ? await findControls(runDir()) : [chosen];
  if (found.length > 0) return found;
  throw new Error(
    `Cannot find a running host: ${
      runDir() ?? "the folder of control sockets"
    } has no control socket`,
  );
}

/** Milliseconds that a host has for an answer: one that is stopped has its socket, too. */
const PATIENCE = 3000;

/**
 * The answer of a control socket to a command that has one.
 *
 * @throws {NoAnswer} None comes.
 */
export async function first(
  path: string,
  command: string,
  words: readonly string[] = [],
): Promise<unknown> {
  const patience = new AbortController();
  const timer = setTimeout(() => patience.abort(), PATIENCE);
  try {
    for await (const answer of ask(path, command, patience.signal, words)) {
      const { ok, error } = answer as { ok?: unknown; error?: string };
      if (error !== undefined) throw new Error(error);
      return ok;
    }
  } finally {
    clearTimeout(timer);
  }
  throw new NoAnswer(
    patience.signal.aborted
      ? `${path} does not answer: its host is stopped, or very busy`
      : `Cannot ask ${path} as it closes without an answer`,
  );
}

/** Answers of several hosts, with their sockets. Where none was named, those that do not answer are left out, which is said where they are still there. */
async function* answers(
  args: Given,
  paths: readonly string[],
  command: string,
  words: readonly string[] = [],
): AsyncGenerator<readonly [path: string, answer: unknown]> {
  for (const path of paths) {
    try {
      yield [path, await first(path, command, words)];
    } catch (error) {
      if (!(error instanceof NoAnswer) || args.value("control") !== undefined) throw error;
      if (error.cause === undefined) report(error.message);
    }
  }
}

function endpoint({ address, port }: { address: string; port: number }): string {
  return address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;
}

/** Names of TCP states by their numbers in Linux, as `ss` has them. */
export const STATES = [
  "",
  "ESTAB",
  "SYN-SENT",
  "SYN-RECV",
  "FIN-WAIT-1",
  "FIN-WAIT-2",
  "TIME-WAIT",
  "UNCONN",
  "CLOSE-WAIT",
  "LAST-ACK",
  "LISTEN",
  "CLOSING",
];

/** Connections in lines, each with its paths below it. */
export function formatConnections(connections: readonly Shown[]): string[] {
  const lines: string[] = [];
  for (const { local, remote, mptcp, skmem, subflows } of connections) {
    const fallback = (Number(mptcp.flags) & 1) !== 0;
    lines.push(
      `${fallback ? "tcp  " : "mptcp"} ${endpoint(local)} ${endpoint(remote)} ` +
        `token:${
          Number(mptcp.token).toString(16).padStart(8, "0")
        } flags:${mptcp.flags} subflows:${mptcp.subflows} ` +
        `bytes_sent:${mptcp.bytes_sent} bytes_acked:${mptcp.bytes_acked} bytes_received:${mptcp.bytes_received} ` +
        `skmem:(r${skmem.rmem_alloc},rb${skmem.rcvbuf},w${skmem.wmem_queued},tb${skmem.sndbuf})`,
    );
    for (const { id, local, remote, backup, stale, tcp } of subflows) {
      const marks = `${backup ? " backup" : ""}${stale ? " stale" : ""}`;
      lines.push(
        `  ${STATES[tcp.state]} id:${id} ${endpoint(local)} ${endpoint(remote)}${marks} ` +
          `rtt:${(tcp.rtt / 1000).toFixed(3)}/${
            (tcp.rttvar / 1000).toFixed(3)
          } mss:${tcp.snd_mss} cwnd:${tcp.snd_cwnd} ` +
          `bytes_sent:${tcp.bytes_sent} bytes_retrans:${tcp.bytes_retrans} unacked:${tcp.unacked} lost:${tcp.lost}`,
      );
    }
  }
  return lines;
}

/** An event as `ip mptcp monitor` prints it. */
export function formatEvent(event: ControlEvent): string {
  const { saddr, daddr } = event;
  const family = (address: string): string => address.includes(":") ? "6" : "4";
  return [
    `[${event.event.padStart(14)}]`,
    ...event.token === undefined ? [] : [`token=${event.token.toString(16).padStart(8, "0")}`],
    ...event.remid === undefined ? [] : [`remid=${event.remid}`],
    ...event.locid === undefined ? [] : [`locid=${event.locid}`],
    ...saddr === undefined ? [] : [`saddr${family(saddr)}=${saddr}`],
    ...daddr === undefined ? [] : [`daddr${family(daddr)}=${daddr}`],
    ...event.sport === undefined ? [] : [`sport=${event.sport}`],
    ...event.dport === undefined ? [] : [`dport=${event.dport}`],
    ...event.backup === undefined ? [] : [`backup=${event.backup ? 1 : 0}`],
    ...event.error === undefined ? [] : [`error=${event.error}`],
    ...event.flags === undefined ? [] : [`flags=${event.flags.toString(16)}`],
    ...event.reset_reason === undefined ? [] : [`reset_reason=${event.reset_reason}`],
    ...event.reset_flags === undefined ? [] : [`reset_flags=0x${event.reset_flags}`],
  ].join(" ");
}

/** Endpoints as `ip mptcp endpoint show` prints them. */
export function formatEndpoint(entry: EndpointEntry): string {
  const { address, port, id, dev } = entry;
  const flags = ["signal", "subflow", "backup", "fullmesh", "implicit", "laminar"] as const;
  return [
    address,
    ...port === 0 ? [] : [`port ${port}`],
    `id ${id}`,
    ...flags.filter((flag) => entry[flag]),
    ...dev === "" ? [] : [`dev ${dev}`],
  ].join(" ");
}

/** The same for JSON, in which `ip -j mptcp endpoint show` leaves out what is not set. */
function jsonEndpoint(entry: EndpointEntry): object {
  return Object.fromEntries(
    Object.entries(entry).filter(([name, value]) => name === "id" || Boolean(value)),
  );
}

/** The hosts that words act on: what changes something acts on one. */
async function targets(args: Given, changes: boolean): Promise<string[]> {
  const found = await controls(args);
  if (!changes || found.length === 1) return found;
  throw new UsageError(
    `Choose one of the ${found.length} running hosts: --control ${found.join(" or ")}`,
  );
}

/** Asks hosts for `object`, and shows what they answer. */
async function configure(
  args: Given,
  object: "endpoint" | "limits",
  show: (answer: unknown) => { json: object; lines: readonly string[] } | null,
): Promise<number> {
  const words = args.positional;
  const shows = words.length === 0 || words[0] === "show" || words[0] === "list";
  const paths = await targets(args, !shows);
  for await (const [control, answer] of answers(args, paths, object, words)) {
    const shown = show(answer);
    if (args.has("json")) print(JSON.stringify({ control, ...shown?.json }));
    else {
      if (shows && paths.length > 1) print(`#${control}`);
      for (const text of shown?.lines ?? []) print(text);
    }
  }
  return 0;
}

const ONE = {
  control: { value: "PATH", help: "Control socket of the host. Default: that of the only one" },
  json: { help: "JSON, one line a host" },
} as const;

/** `mptcp endpoint`. */
export const ENDPOINT: Command = {
  name: "endpoint",
  positional: "[WORDS]",
  summary: "endpoints of a running host, as ip mptcp endpoint",
  text:
    `Shows and changes the endpoints of a host whose path manager is endpoints (--pm endpoints): what
it announces and opens paths from. Connections that there are follow at once. The words are those of
ip mptcp endpoint:
  add ADDRESS [dev NAME] [id ID] [port NR] [signal] [subflow] [backup] [fullmesh] [laminar]
  delete id ID [ADDRESS]
  change [id ID] [ADDRESS] [port NR] backup|nobackup|fullmesh|nofullmesh
  show [id ID]
  flush
${WHERE}`,
  examples: [
    ["mptcp endpoint", "all of them"],
    ["mptcp endpoint add 10.77.2.2 subflow backup", "one more: its id is printed"],
    ["mptcp endpoint change id 1 nobackup", "its paths are used like the others (MP_PRIO)"],
    ["mptcp endpoint delete id 1", "its paths end (REMOVE_ADDR)"],
  ],
  options: ONE,
  run: (args) =>
    configure(args, "endpoint", (answer) => {
      if (answer === null) return null;
      if (!Array.isArray(answer)) {
        const { id } = answer as { id: number };
        return { json: { id }, lines: [`id ${id}`] };
      }
      const endpoints = answer as EndpointEntry[];
      return {
        json: { endpoints: endpoints.map(jsonEndpoint) },
        lines: endpoints.map(formatEndpoint),
      };
    }),
};

/** `mptcp limits`. */
export const LIMITS: Command = {
  name: "limits",
  positional: "[WORDS]",
  summary: "limits of a running host, as ip mptcp limits",
  text:
    `Shows and changes the limits of a host whose path manager is endpoints (--pm endpoints), for the
connections that there are, too. The words are those of ip mptcp limits:
  set [subflows NR] [add_addr_accepted NR]
  show
${WHERE}`,
  examples: [
    ["mptcp limits", "both"],
    ["mptcp limits set subflows 4 add_addr_accepted 4", "more of both"],
  ],
  options: ONE,
  run: (args) =>
    configure(args, "limits", (answer) => {
      const limits = answer as { add_addr_accepted: number; subflows: number };
      const { add_addr_accepted, subflows } = limits;
      return {
        json: { limits },
        lines: [`add_addr_accepted ${add_addr_accepted} subflows ${subflows}`],
      };
    }),
};

/** `mptcp ss`. */
export const SS: Command = {
  name: "ss",
  summary: "the connections of running hosts, and their paths",
  text: `Shows what running hosts have open, with the figures of the connection and of each path.
${WHERE}`,
  examples: [
    ["mptcp ss", "of all running commands"],
    ["mptcp ss --json", "with every figure of conn.info()"],
  ],
  options: OPTIONS,
  async run(args) {
    onlyOptions(args);
    for await (const [path, answer] of answers(args, await controls(args), "ss")) {
      const connections = answer as Shown[];
      if (args.has("json")) print(JSON.stringify({ control: path, connections }));
      else for (const text of formatConnections(connections)) print(text);
    }
    return 0;
  },
};

/** `mptcp nstat`. */
export const NSTAT: Command = {
  name: "nstat",
  summary: "the counters of running hosts",
  text:
    `Shows the counters of running hosts under the names of Linux's MIBs, without their prefixes.
${WHERE}`,
  examples: [["mptcp nstat", "all that are not 0"]],
  options: OPTIONS,
  async run(args) {
    onlyOptions(args);
    for await (const [path, answer] of answers(args, await controls(args), "nstat")) {
      const counters = answer as Record<string, number>;
      if (args.has("json")) print(JSON.stringify({ control: path, counters }));
      else {
        print(`#${path}`);
        for (const [name, value] of Object.entries(counters)) {
          print(`${name.padEnd(32)}${value}`);
        }
      }
    }
    return 0;
  },
};

/** `mptcp monitor`. */
export const MONITOR: Command = {
  name: "monitor",
  summary: "what happens to connections and paths of running hosts",
  text:
    `Prints events as they happen, until Ctrl-C or the end of the hosts: connections and subflows that
come and go, also those that were there before it, addresses that the peer announces and takes back,
priorities that the peer asks for, listeners.
${WHERE}`,
  examples: [[
    "mptcp monitor",
    "of all running commands, as ip mptcp monitor prints those of the kernel",
  ]],
  options: OPTIONS,
  async run(args) {
    onlyOptions(args);
    const controller = new AbortController();
    using _signals = onInterrupt(() => controller.abort());
    await Promise.all((await controls(args)).map(async (path) => {
      try {
        for await (const answer of ask(path, "monitor", controller.signal)) {
          if ((answer as { ok?: string }).ok !== undefined) continue;
          print(args.has("json") ? JSON.stringify(answer) : formatEvent(answer as ControlEvent));
        }
      } catch (error) {
        if (!(error instanceof NoAnswer) || args.value("control") !== undefined) throw error;
      }
    }));
    return 0;
  },
};
