/**
 * A toy of a connection, for schedulers: paths with a rate, a round trip and a fixed window, bytes that are numbers only, acknowledgements at both
 * levels, timeouts and reinjections. What it asks of a scheduler, and when, is what the stack asks.
 */

import type {
  Answer,
  Choice,
  Chunk,
  ConnectionView,
  Scheduler,
  SchedulerPlugin,
  SubflowView,
} from "../../core/plugin.ts";
import { Fingerprint, seeded } from "./random.ts";
import { Breaches, textOf } from "./rule.ts";
import { ToyEvents } from "./toy_events.ts";
import {
  BURST,
  MSS,
  ToyChunk,
  type ToyResult,
  type ToyScenario,
  ToySubflow,
} from "./toy_subflow.ts";

/** Lowest round trip: decides until a swap, and where the plugin under test fails. */
function lowest(ready: readonly SubflowView[], chunk: Chunk): SubflowView | null {
  const fresh = ready.filter((subflow) => !chunk.sentOn.includes(subflow));
  const from = fresh.length > 0 ? fresh : ready;
  return from.reduce<SubflowView | null>(
    (best, subflow) => best === null || subflow.srtt < best.srtt ? subflow : best,
    null,
  );
}

/** Runs a scheduler through a scenario of at most `limit` microseconds. */
export function runToy(plugin: SchedulerPlugin, scenario: ToyScenario, limit = 300e6): ToyResult {
  return new ToyConnection(plugin, scenario).run(limit);
}

class ToyConnection implements ConnectionView {
  readonly role = "client";
  readonly receiveBuffer = 4e6;
  readonly receiveWindow = 4e6;
  readonly readable = 0;
  readonly tag = 0;
  readonly subflows: ToySubflow[] = [];
  acked = 0;
  repeated = 0;
  readonly random: () => number;
  readonly #all: ToySubflow[] = [];
  readonly #events = new ToyEvents();
  readonly #breaches = new Breaches();
  readonly #decisions = new Fingerprint();
  readonly #plugin: SchedulerPlugin;
  readonly #scenario: ToyScenario;
  readonly #quantum: number;
  #scheduler: Scheduler | null = null;
  #written = 0;
  #next = 0;
  /** Sent and not DATA_ACKed, by offset. */
  #unacked: ToyChunk[] = [];
  /** To be sent again, on whichever subflow. */
  #reinject: ToyChunk[] = [];
  #wakeAt = -Infinity;
  #wakeDue = Infinity;
  /** The first wait in a row with somebody ready. */
  #waitsSince = Infinity;
  #received = 0;
  #done = Infinity;
  /** Bytes that the last answer wants to be bound at most, in whole segments. */
  #most = Infinity;
  /** The peer's window was told to be in the way. */
  #blocked = false;

  constructor(plugin: SchedulerPlugin, scenario: ToyScenario) {
    this.#plugin = plugin;
    this.#scenario = scenario;
    this.random = seeded(scenario.seed ?? 1);
    const { quantum = 65535 } = plugin;
    if (!(quantum >= 1)) this.#breaches.note("sane-options", `quantum is ${quantum}`);
    this.#quantum = quantum > 0 ? quantum : 65535;
    const { lookAhead = 0 } = plugin;
    if (!(lookAhead >= 0)) this.#breaches.note("sane-options", `lookAhead is ${lookAhead}`);
  }

  get now(): number {
    return this.#events.now;
  }

  get unsent(): number {
    return this.#written - this.#next;
  }

  get left(): number {
    return this.unsent;
  }

  get unacked(): number {
    return this.#next - this.acked;
  }

  get window(): number {
    return Math.max(0, this.mostWindow - (this.#next - this.acked));
  }

  get mostWindow(): number {
    return this.#scenario.window ?? 4e6;
  }

  wake(at: number): void {
    if (!(at > this.now && at < Infinity)) {
      this.#breaches.note("wakes-ahead", `asks to be woken at ${at}, now is ${this.now}`);
      return;
    }
    this.#wakeAt = Math.max(this.#wakeAt, at);
    // As in the stack the nearest counts: each would ask for the next, and they would be more and more.
    if (at >= this.#wakeDue) return;
    this.#wakeDue = at;
    this.#events.at(at, () => {
      if (this.now !== this.#wakeDue) return;
      this.#wakeDue = Infinity;
      this.#pass();
    });
  }

  run(limit: number): ToyResult {
    const { paths, writes, swapAt } = this.#scenario;
    const total = writes.reduce((sum, { bytes }) => sum + bytes, 0);
    paths.forEach((spec, i) => {
      const subflow = new ToySubflow(i + 1, spec);
      this.#all.push(subflow);
      this.#events.at(spec.from ?? 0, () => this.#join(subflow));
      if (spec.until !== undefined) this.#events.at(spec.until, () => this.#leave(subflow));
      if (spec.dead) this.#events.at(spec.dead[1] + spec.rtt, () => this.#revive(subflow));
    });
    this.#events.at(swapAt ?? 0, () => this.#adopt());
    for (const { at, bytes } of writes) {
      this.#events.at(at, () => {
        this.#written += bytes;
        this.#pass();
      });
    }
    this.#events.run(limit, () => this.#received >= total);
    this.#try(() => this.#scheduler?.onClose?.());
    if (this.#received < total) {
      this.#breaches.note("delivers", `${this.#received} of ${total} bytes arrived`);
    }
    return {
      done: this.#done,
      carried: this.#all.map(({ carried }) => carried),
      breaches: this.#breaches,
      fingerprint: this.#decisions.value,
    };
  }

  /** The plugin takes over, at once or as a live swap. */
  #adopt(): void {
    try {
      this.#scheduler = this.#plugin.create(this);
      for (const subflow of this.subflows) this.#scheduler.onSubflow?.(subflow, "joined");
    } catch (error) {
      this.#breaches.note("never-throws", textOf(error));
    }
    this.#pass();
  }

  #tell(subflow: ToySubflow, change: "joined" | "left" | "stale" | "revived"): void {
    this.#try(() => this.#scheduler?.onSubflow?.(subflow, change));
  }

  #try(work: () => void): void {
    try {
      work();
    } catch (error) {
      this.#breaches.note("never-throws", textOf(error));
    }
  }

  #join(subflow: ToySubflow): void {
    this.subflows.push(subflow);
    this.subflows.sort((a, b) => a.path - b.path);
    this.#tell(subflow, "joined");
    this.#pass();
  }

  #leave(subflow: ToySubflow): void {
    this.subflows.splice(this.subflows.indexOf(subflow), 1);
    this.#giveUp(subflow);
    this.#tell(subflow, "left");
    this.#pass();
  }

  #revive(subflow: ToySubflow): void {
    if (!this.subflows.includes(subflow)) return;
    if (subflow.inRecovery) {
      subflow.inRecovery = false;
      subflow.inFlight = 0;
      this.#pass();
    }
    if (!subflow.stale) return;
    subflow.stale = false;
    this.#tell(subflow, "revived");
    this.#pass();
  }

  /** What is in flight on it will not be acknowledged there. */
  #giveUp(subflow: ToySubflow): void {
    subflow.epoch++;
    subflow.inFlight = 0;
    subflow.inRecovery = false;
    subflow.queued = 0;
    for (const chunk of [...subflow.outstanding, ...subflow.bound]) {
      if (!chunk.acked && !this.#reinject.includes(chunk)) this.#reinject.push(chunk);
    }
    this.#reinject.sort((a, b) => a.offset - b.offset);
    subflow.outstanding = [];
    subflow.times = [];
    subflow.bound = [];
  }

  /** RFC 6298 in short: nothing came back for long. */
  #timeout(subflow: ToySubflow, epoch: number): void {
    if (subflow.epoch !== epoch || subflow.outstanding.length === 0) return;
    const due = subflow.progress + Math.max(200e3, 3 * subflow.srtt);
    if (this.now < due) {
      this.#events.at(due, () => this.#timeout(subflow, epoch));
      return;
    }
    const lost = subflow.inFlight;
    this.#giveUp(subflow);
    subflow.lost += lost;
    this.#try(() => this.#scheduler?.onLoss?.(subflow, lost));
    this.#timedOut(subflow, 1);
  }

  /** The `count`-th timeout in a row: the path is stale, or one segment leaves again, and has twice the time. */
  #timedOut(subflow: ToySubflow, count: number): void {
    const { staleLossCount = 1 } = this.#scenario;
    subflow.timeouts++;
    this.#try(() => this.#scheduler?.onTimeout?.(subflow));
    const stale = count >= staleLossCount || subflow.stale;
    subflow.inRecovery = !stale;
    subflow.inFlight = stale ? 0 : MSS;
    if (!stale) {
      const { epoch } = subflow;
      this.#events.at(this.now + 2 ** count * Math.max(200e3, 3 * subflow.srtt), () => {
        if (subflow.epoch === epoch && subflow.inRecovery) this.#timedOut(subflow, count + 1);
      });
    } else if (!subflow.stale) {
      subflow.stale = true;
      this.#tell(subflow, "stale");
    }
    if (!subflow.swallows(this.now)) {
      this.#events.at(this.now + subflow.srtt, () => this.#revive(subflow));
    }
    this.#pass();
  }

  #send(subflow: ToySubflow, chunk: ToyChunk): void {
    if (chunk.sentOn.length === 0) chunk.sentAt = this.now;
    if (!chunk.sentOn.includes(subflow)) chunk.sentOn.push(subflow);
    if (subflow.outstanding.length === 0) {
      subflow.progress = this.now;
      const { epoch } = subflow;
      this.#events.at(
        this.now + Math.max(200e3, 3 * subflow.srtt),
        () => this.#timeout(subflow, epoch),
      );
    }
    subflow.outstanding.push(chunk);
    subflow.times.push(this.now);
    subflow.inFlight += chunk.length;
    subflow.carried += chunk.length;
    const sent = this.now;
    subflow.busyUntil = Math.max(sent, subflow.busyUntil) + chunk.length * 1e6 / subflow.spec.rate;
    if (subflow.swallows(subflow.busyUntil)) return;
    const { epoch } = subflow;
    this.#events.at(subflow.busyUntil + subflow.spec.rtt / 2, () => {
      this.#receive(chunk);
      const dataAck = this.#received;
      this.#events.at(
        this.now + subflow.spec.rtt / 2,
        () => this.#ack(subflow, chunk, epoch, sent, dataAck),
      );
    });
  }

  #receive(chunk: ToyChunk): void {
    chunk.received = true;
    for (const { offset, length, received } of this.#unacked) {
      if (offset > this.#received || !received) break;
      this.#received = Math.max(this.#received, offset + length);
    }
    if (this.unsent === 0 && this.#received === this.#written) this.#done = this.now;
  }

  #ack(subflow: ToySubflow, chunk: ToyChunk, epoch: number, sent: number, dataAck: number): void {
    this.acked = Math.max(this.acked, dataAck);
    while (this.#unacked[0] && this.#unacked[0].offset + this.#unacked[0].length <= this.acked) {
      this.#unacked.shift()!.acked = true;
    }
    this.#reinject = this.#reinject.filter((other) => !other.acked);
    this.#revive(subflow);
    if (subflow.epoch === epoch) {
      const at = subflow.outstanding.indexOf(chunk);
      subflow.outstanding.splice(at, 1);
      subflow.times.splice(at, 1);
      subflow.inFlight -= chunk.length;
      subflow.delivered += chunk.length;
      subflow.lastAck = this.now;
      subflow.progress = this.now;
      subflow.srtt += (this.now - sent - subflow.srtt) / 8;
      this.#try(() => this.#scheduler?.onAck?.(subflow, chunk.length));
    }
    this.#pass();
  }

  /** Usable: a backup only if no other works, a stale one only if all are. */
  #usable(subflow: ToySubflow): boolean {
    const working = this.subflows.filter(({ stale }) => !stale);
    if (working.length === 0) return true;
    return !subflow.stale && (!subflow.backup || working.every(({ backup }) => backup));
  }

  /** One send pass. */
  #pass(): void {
    for (const subflow of this.subflows) this.#drain(subflow);
    this.#repeat();
    this.#tellBlocked();
    for (;;) {
      const again = this.#reinject[0];
      const length = again?.length ?? this.#newLength();
      if (length === 0) return;
      const ready = this.subflows.filter((s) => this.#usable(s) && s.room >= MSS);
      if (ready.length === 0 && !this.#mayBind()) return;
      const chunk = again ?? new ToyChunk(this.#next, length);
      const chosen = this.#ask(Object.freeze([...ready]), chunk);
      if (chosen.length === 0) return;
      this.#blocked = false;
      this.#waitsSince = Infinity;
      if (again) this.#reinject.shift();
      this.#carry(chosen, chunk, ready, again !== undefined);
      this.#repeat();
    }
  }

  /** The peer's window is in the way of what others have room for: told when it comes to that. */
  #tellBlocked(): void {
    const least = Math.min(MSS, this.unsent);
    if (least === 0 || this.window >= least || this.#blocked) return;
    const ready = this.subflows.filter((s) => this.#usable(s) && s.room >= MSS);
    if (ready.length === 0) return;
    this.#blocked = true;
    this.#try(() => this.#scheduler?.onBlocked?.(Object.freeze(ready)));
  }

  /** Bytes of new data that one decision may send. */
  #newLength(): number {
    const most = Math.min(this.unsent, this.window, this.#quantum, BURST);
    if (most >= MSS) return most - most % MSS;
    return most === this.unsent ? most : 0;
  }

  #mayBind(): boolean {
    const { lookAhead = 0 } = this.#plugin;
    return lookAhead > 0 &&
      this.subflows.some((s) => this.#usable(s) && s.queued + BURST <= lookAhead);
  }

  #carry(
    chosen: readonly ToySubflow[],
    wanted: ToyChunk,
    ready: readonly ToySubflow[],
    again: boolean,
  ): void {
    let chunk = wanted;
    if (!again) {
      const room = Math.min(
        ...chosen.map((s) => ready.includes(s) ? s.room - s.room % MSS : BURST),
      );
      const least = Math.min(room, this.#most);
      if (least < chunk.length) chunk = new ToyChunk(chunk.offset, least);
      this.#next += chunk.length;
      this.#unacked.push(chunk);
    }
    chosen.forEach((subflow, i) => {
      if (again || i > 0) this.repeated += chunk.length;
      if (ready.includes(subflow)) return this.#send(subflow, chunk);
      subflow.bound.push(chunk);
      subflow.queued += chunk.length;
    });
  }

  /** Sends what was bound to a subflow before it had room. */
  #drain(subflow: ToySubflow): void {
    while (subflow.bound.length > 0 && subflow.room >= subflow.bound[0]!.length) {
      const chunk = subflow.bound.shift()!;
      subflow.queued -= chunk.length;
      this.#send(subflow, chunk);
    }
  }

  /** Offers each subflow with room what others carry. */
  #repeat(): void {
    const scheduler = this.#scheduler;
    if (!scheduler?.repeat) return;
    for (const subflow of this.subflows) {
      for (const chunk of this.#unacked) {
        if (subflow.room < chunk.length || !this.#usable(subflow)) break;
        if (chunk.sentOn.length === 0 || chunk.sentOn.includes(subflow)) continue;
        let answer: boolean | "skip" = false;
        this.#try(() => answer = scheduler.repeat!(subflow, chunk));
        if ((answer as unknown) === "skip") continue;
        if (!answer) break;
        this.#decisions.add(-subflow.path);
        this.repeated += chunk.length;
        this.#send(subflow, chunk);
      }
    }
  }

  /** Asks the scheduler, and judges its answer: the subflows that shall carry the chunk, none to wait. */
  #ask(ready: readonly ToySubflow[], chunk: ToyChunk): ToySubflow[] {
    const fallback = lowest(ready, chunk) as ToySubflow | null;
    const other = fallback === null ? [] : [fallback];
    if (this.#scheduler === null) return other;
    let choice: Choice;
    try {
      choice = this.#scheduler.pick(ready, chunk);
    } catch (error) {
      this.#breaches.note("never-throws", textOf(error));
      return other;
    }
    if (choice === undefined) {
      this.#breaches.note("known-path", "pick answered undefined; null means to wait");
      return other;
    }
    const named: readonly Answer[] = choice === null
      ? []
      : Array.isArray(choice)
      ? choice
      : [choice];
    const chosen: ToySubflow[] = [];
    this.#most = Infinity;
    for (const { path, bytes } of named) {
      this.#decisions.add(path);
      if (bytes !== undefined) {
        if (!(bytes >= 1)) this.#breaches.note("sane-answer", `pick wants ${bytes} bytes bound`);
        else this.#most = Math.min(this.#most, Math.max(MSS, bytes - bytes % MSS));
      }
      const subflow = this.subflows.find((s) => s.path === path);
      if (subflow === undefined) {
        this.#breaches.note("known-path", `path ${path} was named and is not in use`);
        return other;
      }
      if (chosen.includes(subflow)) {
        this.#breaches.note("known-path", `path ${path} was named twice in one answer`);
        return other;
      }
      if (subflow.backup && !this.#usable(subflow) && !subflow.stale) {
        this.#breaches.note("backup-last", `path ${path} is a backup, and another works`);
        return other;
      }
      chosen.push(subflow);
    }
    this.#decisions.add(0);
    const { lookAhead = 0 } = this.#plugin;
    const able = chosen.filter((s) =>
      ready.includes(s) || (this.#usable(s) && s.queued + chunk.length <= lookAhead)
    );
    if (able.length > 0) return able;
    if (ready.length === 0) return [];
    const waits = this.subflows.some((s) => s.inFlight > 0) || this.#wakeAt > this.now;
    if (!waits) {
      this.#breaches.note("waits-end", "it waits with nothing in flight and no wake due");
      return other;
    }
    this.#waitsSince = Math.min(this.#waitsSince, this.now);
    const waited = this.now - this.#waitsSince;
    if (waited < this.#patience()) return [];
    this.#breaches.note("makes-progress", `it waits for ${Math.round(waited / 1e3)} ms`);
    return other;
  }

  /** The stack's two timeouts, of which the second is backed off. */
  #patience(): number {
    const working = this.subflows.filter(({ stale }) => !stale);
    const slowest = Math.max(...(working.length > 0 ? working : this.subflows).map((s) => s.srtt));
    return 4 * Math.max(200e3, 3 * slowest);
  }
}
