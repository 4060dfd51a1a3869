/** Targets that speak MPTCP themselves, and need no relay. */

import type { Host, MptcpConn } from "../../mod.ts";
import { formatTarget, type Target } from "./target.ts";

/** How long one that does not is not asked again, in milliseconds, and most that are remembered. */
const FORGET = 600_000;
const MOST = 1024;
/** What a try may take. */
const TRY = "3 s";
/** MPTCP_INFO_FLAG_FALLBACK. */
const FALLBACK = 1;

/** Connects where MPTCP is spoken. */
export class DirectTargets {
  readonly #host: Pick<Host, "connect">;
  readonly #now: () => number;
  /** Until when each is left to the relay. */
  readonly #others = new Map<string, number>();

  /** @param host What connects. @param now Milliseconds. */
  constructor(host: Pick<Host, "connect">, now: () => number = () => performance.now()) {
    this.#host = host;
    this.#now = now;
  }

  /** A connection to `target` by MPTCP; null: there is none. */
  async connect(target: Target): Promise<MptcpConn | null> {
    const name = formatTarget(target);
    if ((this.#others.get(name) ?? -Infinity) > this.#now()) return null;
    this.#others.delete(name);
    try {
      const { host: hostname, port } = target;
      const conn = await this.#host.connect({ hostname, port, connectTimeout: TRY });
      if ((conn.info().mptcp.flags & FALLBACK) === 0) return conn;
      conn.abort();
    } catch {
      // The relay may reach it, or says why it cannot be reached.
    }
    this.#others.set(name, this.#now() + FORGET);
    if (this.#others.size > MOST) {
      for (const first of this.#others.keys()) {
        this.#others.delete(first);
        break;
      }
    }
    return null;
  }
}
