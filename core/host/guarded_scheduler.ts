/** The guard around a scheduler. */

import type {
  Choice,
  Chunk,
  ConnectionView,
  Micros,
  Scheduler,
  SchedulerPlugin,
  SubflowChange,
  SubflowView,
} from "../plugin.ts";
import { type FaultReport, Faults } from "./plugin_faults.ts";

/** `plugin` behind a guard; `fallback` decides where it fails. */
export function guardScheduler(
  plugin: SchedulerPlugin,
  fallback: SchedulerPlugin,
  report: FaultReport,
): SchedulerPlugin {
  const { quantum, lookAhead } = plugin;
  return {
    kind: "scheduler",
    name: plugin.name,
    ...(quantum !== undefined && quantum > 0 ? { quantum } : {}),
    ...(lookAhead !== undefined && lookAhead > 0 ? { lookAhead } : {}),
    create: (connection) => new GuardedScheduler(plugin, fallback, report, connection),
  };
}

class GuardedScheduler implements Scheduler {
  repeat?: (subflow: SubflowView, chunk: Chunk) => boolean;
  onAck?: (subflow: SubflowView, bytes: number) => void;
  readonly #faults: Faults;
  readonly #connection: GuardedConnection;
  readonly #fallbackPlugin: SchedulerPlugin;
  readonly #mayBind: boolean;
  #scheduler: Scheduler;
  #fallback: Scheduler | null = null;

  constructor(
    plugin: SchedulerPlugin,
    fallback: SchedulerPlugin,
    report: FaultReport,
    connection: ConnectionView,
  ) {
    this.#faults = new Faults(plugin, report);
    this.#connection = new GuardedConnection(connection);
    this.#fallbackPlugin = fallback;
    this.#mayBind = (plugin.lookAhead ?? 0) > 0;
    let scheduler: Scheduler;
    try {
      scheduler = plugin.create(this.#connection);
    } catch (error) {
      this.#faults.replaced = true;
      this.#faults.add("threw in create", error);
      scheduler = this.#other();
    }
    this.#scheduler = scheduler;
    this.#adopt();
  }

  pick(ready: readonly SubflowView[], chunk: Chunk): Choice {
    if (this.#faults.replaced) return this.#scheduler.pick(ready, chunk);
    let what: string;
    let error: unknown;
    try {
      const choice = this.#scheduler.pick(ready, chunk);
      const wrong = this.#judge(choice, ready);
      if (wrong === null) return choice;
      what = wrong;
    } catch (thrown) {
      what = "threw in pick";
      error = thrown;
    }
    this.#fault(what, error);
    return this.#other().pick(ready, chunk);
  }

  onSubflow(subflow: SubflowView, change: SubflowChange): void {
    this.#fallback?.onSubflow?.(subflow, change);
    if (this.#scheduler === this.#fallback) return;
    try {
      this.#scheduler.onSubflow?.(subflow, change);
    } catch (error) {
      this.#fault("threw in onSubflow", error);
    }
  }

  /** What is wrong with an answer; null when nothing is. */
  #judge(choice: Choice, ready: readonly SubflowView[]): string | null {
    if (choice === null) return this.#judgeWait(ready);
    if (typeof choice !== "object") return `answered ${String(choice)} in pick`;
    if (!Array.isArray(choice)) return this.#judgePath((choice as SubflowView).path, ready);
    if (choice.length === 0) return this.#judgeWait(ready);
    for (let i = 0; i < choice.length; i++) {
      const wrong = this.#judgePath(choice[i]?.path, ready);
      if (wrong !== null) return wrong;
      for (let j = 0; j < i; j++) {
        if (choice[j].path === choice[i].path) return `named path ${choice[i].path} twice`;
      }
    }
    return null;
  }

  #judgePath(path: number, ready: readonly SubflowView[]): string | null {
    for (let i = 0; i < ready.length; i++) if (ready[i]!.path === path) return null;
    const { subflows } = this.#connection;
    for (let i = 0; i < subflows.length; i++) {
      if (subflows[i]!.path === path) return this.#mayBind ? null : this.#judgeWait(ready);
    }
    return `named path ${path}, which is not in use`;
  }

  /** A wait must have an end: something in flight that will be acknowledged or time out, or a wake that is due. */
  #judgeWait(ready: readonly SubflowView[]): string | null {
    if (ready.length === 0 || this.#connection.waking) return null;
    const { subflows } = this.#connection;
    for (let i = 0; i < subflows.length; i++) if (subflows[i]!.inFlight > 0) return null;
    return "waits with nothing in flight and no wake due";
  }

  #fault(what: string, error: unknown): void {
    if (!this.#faults.add(what, error)) return;
    this.#scheduler = this.#other();
    this.#adopt();
  }

  /** The default, made when it is first needed; it learns of the subflows as after a live swap. */
  #other(): Scheduler {
    if (this.#fallback === null) {
      this.#fallback = this.#fallbackPlugin.create(this.#connection);
      for (const subflow of this.#connection.subflows) {
        this.#fallback.onSubflow?.(subflow, "joined");
      }
    }
    return this.#fallback;
  }

  /** Offers the optional members that the scheduler in force has: who asks may save itself the work. */
  #adopt(): void {
    if (this.repeat !== undefined) delete this.repeat;
    if (this.onAck !== undefined) delete this.onAck;
    const scheduler = this.#scheduler;
    if (scheduler.repeat) {
      this.repeat = (subflow, chunk) => {
        try {
          return scheduler.repeat!(subflow, chunk);
        } catch (error) {
          this.#fault("threw in repeat", error);
          return this.#other().repeat?.(subflow, chunk) ?? false;
        }
      };
    }
    if (scheduler.onAck) {
      this.onAck = (subflow, bytes) => {
        try {
          scheduler.onAck!(subflow, bytes);
        } catch (error) {
          this.#fault("threw in onAck", error);
        }
      };
    }
  }
}

/** A connection as a guarded scheduler sees it. Hands everything through; knows whether a wake is due. */
class GuardedConnection implements ConnectionView {
  readonly #connection: ConnectionView;
  #wakeAt: Micros = -Infinity;

  /** A view of `connection`. */
  constructor(connection: ConnectionView) {
    this.#connection = connection;
  }

  /** A wake that was asked for is still to come. */
  get waking(): boolean {
    return this.#wakeAt > this.#connection.now;
  }

  /** Asks for a wake; it must lie ahead, or the host would never come to an end with the present. */
  wake(at: Micros): void {
    const { now } = this.#connection;
    if (!(at > now && at < Infinity)) {
      throw new RangeError(
        `Cannot wake a scheduler as the time must be after ${now}: current value is ${at}`,
      );
    }
    if (at > this.#wakeAt) this.#wakeAt = at;
    this.#connection.wake(at);
  }

  /** As the connection's. */
  random(): number {
    return this.#connection.random();
  }

  /** As the connection's. */
  get role(): "client" | "server" {
    return this.#connection.role;
  }

  /** As the connection's. */
  get subflows(): readonly SubflowView[] {
    return this.#connection.subflows;
  }

  /** As the connection's. */
  get unsent(): number {
    return this.#connection.unsent;
  }

  /** As the connection's. */
  get unacked(): number {
    return this.#connection.unacked;
  }

  /** As the connection's. */
  get window(): number {
    return this.#connection.window;
  }

  /** As the connection's. */
  get acked(): number {
    return this.#connection.acked;
  }

  /** As the connection's. */
  get repeated(): number {
    return this.#connection.repeated;
  }

  /** As the connection's. */
  get now(): Micros {
    return this.#connection.now;
  }
}
