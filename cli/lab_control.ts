/**
 * A lab's kernel behind a control socket, as if it were a host of ours: `mptcp ss`, `nstat`, `monitor`, `endpoint` and `limits` show and change it. What
 * iproute2 prints is read for that.
 */

import type { ControlTarget } from "../core/net/control.ts";
import type { ControlEvent } from "../mod.ts";
import type { EndpointEntry } from "../pm/mod.ts";
import type { Namespace } from "./namespace.ts";
import { STATES } from "./watch.ts";

/** `name:value` and bare words behind the addresses of a line of `ss`. */
function fieldsOf(words: readonly string[]): Map<string, string> {
  return new Map(words.map((word) => {
    const at = word.indexOf(":");
    return at < 0 ? [word, ""] : [word.slice(0, at), word.slice(at + 1)];
  }));
}

function endOf(text = ""): { address: string; port: number } {
  const at = text.lastIndexOf(":");
  const address = text.slice(0, at).replace(/[[\]]|%\w+/g, "").replace(/^::ffff:/, "");
  return { address, port: Number(text.slice(at + 1)) };
}

function numberOf(fields: ReadonlyMap<string, string>, name: string): number {
  return Number(fields.get(name) ?? 0);
}

/** Of `skmem:(r0,rb131072,…)`. */
function memoryOf(text: string, name: string): number {
  return Number(text.match(new RegExp(`[(,]${name}(\\d+)`))?.[1] ?? 0);
}

/** One subflow, by the token of its connection. */
function subflowOf(line: string, id: number) {
  const [state = "", , , local, remote, ...words] = line.split(/\s+/);
  const fields = fieldsOf(words);
  const [rtt = 0, rttvar = 0] = (fields.get("rtt") ?? "").split("/").map(Number);
  const count = (name: string): number => numberOf(fields, name);
  return {
    token: /token:\w+\(id:\d+\)\/(\w+)/.exec(line)?.[1] ?? "",
    id,
    local: endOf(local),
    remote: endOf(remote),
    backup: /tcp-ulp-mptcp flags:\w*[Bb]/.test(line),
    stale: false,
    tcp: {
      state: Math.max(0, STATES.indexOf(state)),
      rtt: rtt * 1000,
      rttvar: rttvar * 1000,
      snd_mss: count("mss"),
      snd_cwnd: count("cwnd"),
      bytes_sent: count("bytes_sent"),
      bytes_acked: count("bytes_acked"),
      bytes_received: count("bytes_received"),
      bytes_retrans: count("bytes_retrans"),
      unacked: count("unacked"),
      lost: count("lost"),
    },
  };
}

/** What `ss -M` and `ss -t` tell, under the names of `host.info()`. */
export function readConnections(connections: string, subflows: string): object[] {
  const lines = (text: string): string[] => text.split("\n").filter((line) => line.trim() !== "");
  const flows = lines(subflows).filter((line) => line.includes("tcp-ulp-mptcp"))
    .map((line, i) => subflowOf(line, i + 1));
  return lines(connections).map((line) => {
    const [, , , local, remote, ...words] = line.split(/\s+/);
    const fields = fieldsOf(words);
    const token = fields.get("token") ?? "";
    const memory = fields.get("skmem") ?? "";
    const own = flows.filter((each) => parseInt(each.token, 16) === parseInt(token, 16));
    const total = (name: "bytes_sent" | "bytes_acked" | "bytes_received" | "bytes_retrans") =>
      own.reduce((sum, { tcp }) => sum + tcp[name], 0);
    return {
      local: endOf(local),
      remote: endOf(remote),
      mptcp: {
        token: parseInt(token, 16),
        flags: (fields.has("fallback") ? 1 : 0) | (fields.has("remote_key") ? 2 : 0),
        subflows: numberOf(fields, "subflows"),
        bytes_sent: total("bytes_sent") - total("bytes_retrans"),
        bytes_acked: total("bytes_acked"),
        bytes_received: total("bytes_received"),
      },
      skmem: {
        rmem_alloc: memoryOf(memory, "r"),
        rcvbuf: memoryOf(memory, "rb"),
        wmem_queued: memoryOf(memory, "w"),
        sndbuf: memoryOf(memory, "tb"),
      },
      subflows: own.map(({ token: _, ...each }, i) => ({ ...each, id: i + 1 })),
    };
  });
}

/** Before its version 6.5 iproute2 has numbers for names of these, and says nothing of where. */
const UNNAMED: Readonly<Record<string, string>> = {
  "UNKNOWN 15": "LISTENER_CREATED",
  "UNKNOWN 16": "LISTENER_CLOSED",
};

/** A line of `ip mptcp monitor`; null: it is none of an event. */
export function readEvent(line: string): ControlEvent | null {
  const match = /^\[\s*([A-Z_]+(?: \d+)?)\]\s*(.*)$/.exec(line.trim());
  if (match === null) return null;
  const [, name = "", rest = ""] = match;
  const fields = new Map(
    rest.split(" ").filter((word) => word !== "").map((word) =>
      word.split("=", 2) as [string, string]
    ),
  );
  const number = (from: string, to: keyof ControlEvent, base = 10): object =>
    fields.has(from) ? { [to]: parseInt(fields.get(from)!.replace(/^0x/, ""), base) } : {};
  const address = (name: "saddr" | "daddr"): object => {
    const found = fields.get(`${name}4`) ?? fields.get(`${name}6`);
    return found === undefined ? {} : { [name]: found };
  };
  return {
    event: UNNAMED[name] ?? name,
    ...number("token", "token", 16),
    ...number("remid", "remid"),
    ...number("locid", "locid"),
    ...address("saddr"),
    ...number("sport", "sport"),
    ...address("daddr"),
    ...number("dport", "dport"),
    ...(fields.has("backup") ? { backup: fields.get("backup") === "1" } : {}),
    ...number("error", "error"),
    ...number("flags", "flags", 16),
    ...number("reset_reason", "reset_reason"),
    ...number("reset_flags", "reset_flags", 16),
  };
}

type Listed = Partial<Omit<EndpointEntry, "id">> & { readonly id: number };

/** The kernel of a namespace. */
export function kernelTarget(namespace: Namespace): ControlTarget {
  const ip = async (...words: string[]): Promise<string> =>
    (await namespace.exec(["ip", ...words])).stdout;
  const list = async (...words: string[]): Promise<Listed[]> =>
    JSON.parse(await ip("-j", "mptcp", "endpoint", "show", ...words) || "[]");
  const endpoint = async (words: readonly string[]): Promise<unknown> => {
    const [verb = "show", ...rest] = words;
    if (verb === "show" || verb === "list") {
      return (await list(...rest)).map((each) => ({ port: 0, dev: "", ...each }));
    }
    const before = new Set((await list()).map(({ id }) => id));
    await ip("mptcp", "endpoint", ...words);
    if (verb !== "add") return null;
    return { id: (await list()).find(({ id }) => !before.has(id))?.id };
  };
  const limits = async (words: readonly string[]): Promise<unknown> => {
    const [verb = "show"] = words;
    if (verb !== "show" && verb !== "list") await ip("mptcp", "limits", ...words);
    const text = await ip("mptcp", "limits", "show");
    const value = (name: string): number =>
      Number(text.match(new RegExp(`${name} (\\d+)`))?.[1] ?? 0);
    return { add_addr_accepted: value("add_addr_accepted"), subflows: value("subflows") };
  };
  return {
    ss: async () =>
      readConnections(
        await namespace.ss(["-M", "-n", "-i", "-m", "-H", "-O"]),
        await namespace.ss(["-t", "-n", "-i", "-H", "-O"]),
      ),
    nstat: async () => ({ ...await namespace.nstat("TcpExt"), ...await namespace.nstat() }),
    configure: (object, words) => object === "endpoint" ? endpoint(words) : limits(words),
    watch(tell) {
      const child = namespace.spawn(["stdbuf", "-oL", "ip", "mptcp", "monitor"], {
        stdin: "null",
        stdout: "piped",
        stderr: "null",
      });
      (async () => {
        let text = "";
        for await (const piece of child.stdout.pipeThrough(new TextDecoderStream())) {
          const lines = `${text}${piece}`.split("\n");
          text = lines.pop()!;
          for (const event of lines.map(readEvent)) {
            if (event !== null) tell(event);
          }
        }
      })().catch(() => {});
      return () => {
        try {
          child.kill("SIGKILL");
        } catch {
          // It has ended with its namespace.
        }
      };
    },
  };
}
