/**
 * Which path a connection of ours begins on: RFC 8305's idea, carried from the addresses of a name to pairs of addresses. Where the first SYN is not answered in
 * its time, another address of this host (or of the name) tries, too; the first that is answered is the connection, and the others are forgotten before their
 * third ACK, so that the peer, which gets a RST for its SYN/ACK, never counts them as connections. All are first subflows of one meta-socket: they have one
 * key, one send queue and one application, and nothing written can travel twice.
 */

import { few } from "../guard/few.ts";
import type { Micros } from "../plugin.ts";
import type { LeaveReason, PathTrouble } from "../subflow/shared.ts";
import type { Subflow } from "../subflow/subflow.ts";
import { RST_UNSPECIFIED } from "../wire/mptcp.ts";
import { TIMER_RACE } from "./data_timer.ts";
import type { Way } from "./host.ts";
import type { MetaSocket } from "./meta_socket.ts";

/** How a way to begin went: it is the connection's, another was faster, or there is none. */
export type TryOutcome = "answered" | "late" | "none" | LeaveReason;

/** A way that was tried. */
export interface FirstTry extends Way {
  /** What came of it; null: nothing yet. */
  readonly outcome: TryOutcome | null;
  /** What a router told of it. */
  readonly trouble: PathTrouble | null;
}

/** Of those that have begun; nothing is ever put into it. */
const NONE_WAITS: Way[] = [];

/** The ways of one connection of ours. */
export class Race {
  /** Those that are still to be tried, best first. */
  #waiting: Way[];
  readonly #delay: Micros;
  readonly #eager: boolean;
  readonly #tries: FirstTry[] = few();
  #last: Way;

  /**
   * @param first What is tried at once.
   * @param waiting The others, best first.
   * @param delay How long one that nothing is known of has before the next tries; Infinity: until it has failed.
   * @param eager Where nothing is known of either, all are as good, and the next tries as soon as it may.
   */
  constructor(first: Way, waiting: readonly Way[], delay: Micros, eager: boolean) {
    this.#last = first;
    this.#waiting = [...waiting];
    this.#delay = delay;
    this.#eager = eager;
    this.#try(first);
  }

  /** What was tried, in that order. */
  get tries(): readonly FirstTry[] {
    return this.#tries;
  }

  /** Whether there is another way. */
  get open(): boolean {
    return this.#waiting.length > 0;
  }

  /** When the next is due; Infinity: there is none. */
  due({ host }: MetaSocket, now: Micros): Micros {
    const next = this.#waiting[0];
    if (next === undefined || this.#delay === Infinity) return Infinity;
    return now + host.firstPaths.wait(this.#last, next, this.#delay, this.#eager, now);
  }

  /** The next way, which is tried now; null: there is none. */
  take(): Way | null {
    const next = this.#waiting.shift() ?? null;
    if (next !== null) {
      this.#last = next;
      this.#try(next);
    }
    return next;
  }

  /** No other way is tried. */
  stop(): void {
    this.#waiting = NONE_WAITS;
  }

  /** None to `address` is tried any more. */
  drop(address: string): void {
    for (let i = this.#waiting.length - 1; i >= 0; i--) {
      if (this.#waiting[i]!.remote.address === address) this.#waiting.splice(i, 1);
    }
  }

  /** What came of the try from `local` to `remote`. */
  settle({ local, remote }: Way, outcome: TryOutcome, trouble: PathTrouble | null = null): void {
    const at = this.#tries.findIndex((each) =>
      each.local.address === local.address && each.remote.address === remote.address
    );
    this.#tries[at] = { ...this.#tries[at]!, outcome, trouble };
  }

  #try({ local, remote }: Way): void {
    this.#tries.push({ local, remote, outcome: null, trouble: null });
  }
}

/** The SYN of `subflow` is answered: it is the connection, and the others end before the peer could take them for one. */
export function won(meta: MetaSocket, subflow: Subflow, now: Micros): void {
  const { race, host } = meta;
  if (race === null || meta.established) return;
  race.stop();
  race.settle(subflow, "answered");
  meta.deadlines.set(TIMER_RACE, Infinity);
  const rtt = now - subflow.handshakeBegunAt;
  for (const other of rivals(meta, subflow)) {
    // Of what had no more time than the other took for half its round trip nothing can be said.
    if (now - other.handshakeBegunAt >= rtt / 2) host.firstPaths.late(other, now);
    race.settle(other, "late");
    forget(meta, other, now);
  }
  if (race.tries[0]!.outcome !== "answered") host.count("ConnectRaceWonByLater");
  meta.beginsAt(subflow);
  if (race.tries.length === 1) meta.wonAlone();
}

/**
 * What `subflow`, which is or was established, tells connections that begin later. A join tells of the destination that the connection has begun at, whichever
 * of the peer's addresses it goes to: as a rule the link of its own end makes it fast or slow.
 */
export function remember(
  { host, remoteEndpoint }: MetaSocket,
  subflow: Subflow,
  now: Micros,
): void {
  const { local, sender, handshakeBegunAt, ended } = subflow;
  const way = { local, remote: remoteEndpoint };
  if (ended === "timeout") host.firstPaths.silent(way, now);
  else if (sender.rtt.known) host.firstPaths.answered(way, subflow.minRtt, now);
  else if (ended === null) host.firstPaths.answered(way, now - handshakeBegunAt, now);
}

/** The others whose SYN is out. */
export function rivals(meta: MetaSocket, subflow: Subflow): Subflow[] {
  return meta.attempts.filter((other) => other !== subflow && !other.join);
}

/** Before its third ACK nothing need be said: what the peer still sends belongs to no flow, and gets a RST (RFC 9293 §3.10.7.1). */
export function forget(meta: MetaSocket, subflow: Subflow, now: Micros): void {
  meta.host.count("ConnectRaceResets");
  subflow.reset(RST_UNSPECIFIED, now);
  meta.bury(subflow);
}
