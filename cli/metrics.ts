/** What `--metrics` gives to Prometheus: figures of a host, under names as OpenMetrics wants them. */

import { createServer } from "node:http";
import type { Host, Micros, Probe } from "../mod.ts";
import { exposition, type Family } from "./open_metrics.ts";
import { formatTarget, type Target } from "./gateway/target.ts";

/** Sums by labels. */
class Sums {
  readonly #sums = new Map<string, { readonly labels: Record<string, string>; value: number }>();

  add(labels: Record<string, string>, by = 1): void {
    const key = JSON.stringify(labels);
    const sum = this.#sums.get(key);
    if (sum === undefined) this.#sums.set(key, { labels, value: by });
    else sum.value += by;
  }

  get all(): readonly { readonly labels: Record<string, string>; readonly value: number }[] {
    return [...this.#sums.values()];
  }
}

/** Names, and what is told of each, of what only ever grows. */
const COUNTERS = {
  connections_opened: "Connections that have begun, by who has begun them.",
  connections_ended: "Connections that are over, by how they ended.",
  fallbacks: "Connections that have gone on as plain TCP, by reason.",
  path_sent_bytes: "Payload handed to a path, repeated bytes included.",
  path_received_bytes: "Payload that came by a path, repeated bytes included.",
  path_retransmitted_bytes: "Payload sent again on the same path.",
  path_lost_bytes: "Payload that a path is taken to have lost.",
  path_timeouts: "Retransmission timeouts of a path.",
  path_subflows_opened: "Subflows that were established on a path.",
  path_subflows_ended: "Established subflows of a path that have ended, by reason.",
  path_resets: "Resets that told their reason, by who has sent them.",
} as const;

/** Counts what a host does for as long as it runs: connections that have ended go on counting. */
export class Totals implements Probe {
  readonly #host: Pick<Host, "living">;
  readonly #linkOf: (address: string) => string | undefined;
  readonly #sums = Object.fromEntries(
    Object.keys(COUNTERS).map((name) => [name, new Sums()]),
  ) as Record<keyof typeof COUNTERS, Sums>;
  /** Path labels, by connection and path. */
  readonly #paths = new Map<number, Map<number, { readonly path: string; joined: boolean }>>();

  /** @param linkOf The link of an address of the host, which paths are called by. */
  constructor(host: Pick<Host, "living">, linkOf: (address: string) => string | undefined) {
    this.#host = host;
    this.#linkOf = linkOf;
  }

  /** All of them. */
  get families(): Family[] {
    return Object.entries(COUNTERS).map(([name, help]) => ({
      name: `mptcp_${name}`,
      type: "counter",
      help,
      ...(name.endsWith("_bytes") && { unit: "bytes" }),
      samples: this.#sums[name as keyof typeof COUNTERS].all,
    }));
  }

  connectionOpened(_now: Micros, id: number, role: string): void {
    this.#paths.set(id, new Map());
    this.#sums.connections_opened.add({ role });
  }

  connectionClosed(_now: Micros, id: number, code: string | null, reason: string | null): void {
    this.#paths.delete(id);
    this.#sums.connections_ended.add({ outcome: code ?? "in order", reason: reason ?? "" });
  }

  modeChanged(_now: Micros, id: number, mode: string): void {
    if (mode === "mptcp") return;
    for (const { id: other, fallbackReason } of this.#host.living) {
      if (other === id) this.#sums.fallbacks.add({ reason: fallbackReason ?? "" });
    }
  }

  subflowOpened(_now: Micros, id: number, path: number, _join: boolean, local: string): void {
    this.#paths.get(id)?.set(path, { path: this.#linkOf(local) ?? local, joined: false });
  }

  subflowChanged(_now: Micros, id: number, path: number, change: string, reason: string | null) {
    const found = this.#paths.get(id)?.get(path);
    if (found === undefined) return;
    if (change === "joined") {
      found.joined = true;
      this.#sums.path_subflows_opened.add({ path: found.path });
    } else if (change === "left") {
      this.#paths.get(id)?.delete(path);
      if (!found.joined) return;
      this.#sums.path_subflows_ended.add({ path: found.path, reason: reason ?? "" });
    }
  }

  subflowReset(_now: Micros, id: number, path: number, by: string, reason: number): void {
    this.#add("path_resets", id, path, 1, { by, reason: `${reason}` });
  }

  segmentSent(_now: Micros, id: number, path: number, _seq: number, length: number): void {
    if (length > 0) this.#add("path_sent_bytes", id, path, length);
  }

  segmentReceived(_now: Micros, id: number, path: number, _seq: number, length: number): void {
    if (length > 0) this.#add("path_received_bytes", id, path, length);
  }

  segmentRetransmitted(_now: Micros, id: number, path: number, from: number, to: number): void {
    this.#add("path_retransmitted_bytes", id, path, to - from);
  }

  segmentLost(_now: Micros, id: number, path: number, from: number, to: number): void {
    this.#add("path_lost_bytes", id, path, to - from);
  }

  timedOut(_now: Micros, id: number, path: number): void {
    this.#add("path_timeouts", id, path, 1);
  }

  #add(
    name: keyof typeof COUNTERS,
    id: number,
    path: number,
    by: number,
    more: Record<string, string> = {},
  ): void {
    const found = this.#paths.get(id)?.get(path);
    if (found !== undefined) this.#sums[name].add({ path: found.path, ...more }, by);
  }
}

/** What a host is doing now. */
export function gauges(
  host: Pick<Host, "counters" | "info">,
  linkOf: (address: string) => string | undefined,
): Family[] {
  const modes = new Sums();
  for (const mode of ["mptcp", "tcp"]) modes.add({ mode }, 0);
  const [subflows, stale, window, rtt] = [new Sums(), new Sums(), new Sums(), new Sums()];
  const measured = new Map<string, number>();
  for (const { fallback, subflows: own } of host.info()) {
    modes.add({ mode: fallback === null ? "mptcp" : "tcp" });
    for (const { local, stale: isStale, tcp } of own) {
      // By its address, as what is counted: an answer may leave by another link.
      const path = linkOf(local.address) ?? local.address;
      subflows.add({ path });
      stale.add({ path }, isStale ? 1 : 0);
      window.add({ path }, tcp.snd_cwnd * tcp.snd_mss);
      if (tcp.rtt === 0) continue;
      rtt.add({ path }, tcp.rtt / 1e6);
      measured.set(path, (measured.get(path) ?? 0) + 1);
    }
  }
  const gauge = (name: string, help: string, sums: Sums, unit?: string): Family => ({
    name: `mptcp_${name}`,
    type: "gauge",
    help,
    ...(unit !== undefined && { unit }),
    samples: sums.all,
  });
  const means = new Sums();
  for (const { labels, value } of rtt.all) {
    means.add(labels, value / (measured.get(labels["path"]!) ?? 1));
  }
  const events = Object.entries(host.counters).map(([counter, value]) => ({
    labels: { counter },
    value,
  }));
  return [
    gauge("connections", "Connections that are open, by what they speak.", modes),
    gauge("path_subflows", "Subflows of open connections on a path.", subflows),
    gauge("path_stale_subflows", "Those on which nothing is acknowledged.", stale),
    gauge("path_window_bytes", "Congestion windows on a path, together.", window, "bytes"),
    gauge("path_rtt_seconds", "Mean smoothed round-trip time on a path.", means, "seconds"),
    {
      name: "mptcp_mib_events",
      type: "counter",
      help: "Counters of the stack under the names of the kernel's MIBs, as nstat has them.",
      samples: events,
    },
  ];
}

/** A server of figures. */
export interface MetricsServer extends Disposable {
  /** Where they are. */
  readonly url: string;
}

/** Serves the figures of `host` at `end`, on a socket of the kernel; it keeps no program running. */
export function serveMetrics(
  host: Host,
  linkOf: (address: string) => string | undefined,
  end: Target,
): Promise<MetricsServer> {
  const totals = new Totals(host, linkOf);
  const unwatch = host.watch(totals);
  const server = createServer((request, response) => {
    // What is asked for need not be a URL, nor one relative to ours: "//" is neither.
    const [path] = (request.url ?? "/").split("?");
    const say = (status: number, type: string, text: string): void => {
      response.writeHead(status, { "content-type": type });
      response.end(request.method === "HEAD" ? "" : text);
    };
    if (request.method !== "GET" && request.method !== "HEAD") {
      return say(405, "text/plain", "GET /metrics is all there is\n");
    }
    if (path !== "/metrics") return say(404, "text/plain", "The figures are at /metrics\n");
    const { type, text } = exposition(
      [...gauges(host, linkOf), ...totals.families],
      request.headers.accept ?? "",
    );
    say(200, type, text);
  });
  return new Promise((resolve, reject) => {
    server.once("error", (error) => {
      unwatch();
      reject(
        new Error(`Cannot give figures at ${formatTarget(end)}: ${(error as Error).message}`),
      );
    });
    server.listen({ host: end.host, port: end.port }, () => {
      server.unref();
      const { address, port } = server.address() as { address: string; port: number };
      resolve({
        url: `http://${formatTarget({ host: address, port })}/metrics`,
        [Symbol.dispose]: () => {
          unwatch();
          server.close();
          server.closeAllConnections();
        },
      });
    });
  });
}
