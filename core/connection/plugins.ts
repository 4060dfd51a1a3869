/**
 * The plugins of one connection: which are chosen, what they have made, and how others take their place while it lives. The path manager stays the one that it
 * has begun with, and belongs to the path side (paths.ts).
 */

import type { GuardedCongestionControl } from "../guard/congestion.ts";
import type { GuardedPolicies } from "../guard/policies.ts";
import type { GuardedScheduler, Wishes } from "../guard/scheduler.ts";
import type { CongestionControlPlugin, SchedulerPlugin } from "../plugin.ts";
import type { Subflow } from "../subflow/subflow.ts";
import { takeAllBack } from "./look_ahead.ts";
import type { MetaSocket } from "./meta_socket.ts";

/** Plugins that one after the other put another in their place: the last of so many stays. */
const MOST_SWAPS = 16;

/** One of these is being made, learns of the subflows, or ends, as bits: what it puts in its own place waits until that is over. */
const SWAPS = { scheduler: 1, congestionControl: 2 } as const;

/** Who decides for one connection: scheduler and congestion control, from the first data that are to leave until its end. */
export class Plugins {
  readonly #meta: MetaSocket;
  #chosen: GuardedPolicies;
  #scheduler: GuardedScheduler<Subflow> | null = null;
  #congestion: GuardedCongestionControl | null = null;
  #swaps = 0;
  /** `lookAhead` in the last pass. */
  #lookedAhead = 0;

  /** Of `meta`, as they were chosen for it. */
  constructor(meta: MetaSocket, chosen: GuardedPolicies) {
    this.#meta = meta;
    this.#chosen = chosen;
  }

  /** Those that decide, or will. */
  get chosen(): GuardedPolicies {
    return this.#chosen;
  }

  /** The scheduler at work; null: there was nothing to schedule yet. */
  get scheduler(): GuardedScheduler<Subflow> | null {
    return this.#scheduler;
  }

  /** Data are to leave: who says by which way, and how much at once, is there from now on. */
  begin(): void {
    if (this.#scheduler === null) this.schedule();
    if (this.#congestion === null && !this.#meta.over) this.control();
  }

  /** Makes the scheduler, which hears of the subflows that there are. */
  private schedule(): GuardedScheduler<Subflow> {
    const meta = this.#meta;
    return this.#scheduler = this.make(
      "scheduler",
      (plugin, stays) => {
        const made = plugin.create(meta);
        for (const subflow of meta.subflows) {
          if (!meta.over && stays()) made.onSubflow(subflow, "joined");
        }
        // Where it has ended the connection, that knew the one before.
        if (meta.over) made.onClose();
        return made;
      },
      (made) => made.onClose(),
    );
  }

  /** Makes the congestion control, in which the subflows that there are join; those then leave `former`. */
  private control(former: GuardedCongestionControl | null = null): GuardedCongestionControl {
    const { subflows, host } = this.#meta;
    let left = former;
    return this.#congestion = this.make(
      "congestionControl",
      (plugin, stays) => {
        left?.handOn();
        const made = plugin.create(this.#meta);
        for (const subflow of subflows) {
          const control = stays() ? made.join(subflow) : null;
          if (control !== null && stays()) subflow.control(control, host.now);
        }
        if (left === null || !stays()) return made;
        for (const subflow of subflows) left.leave?.(subflow);
        left = null;
        return made;
      },
      (made) => {
        for (const subflow of subflows) made.leave?.(subflow);
      },
    );
  }

  /**
   * What the chosen plugin of `kind` makes by `begin`, which may put another in its place: then it `stays` no longer, what it has made is given to `end`, and
   * it is the other's turn.
   */
  private make<Kind extends keyof typeof SWAPS, Made>(
    kind: Kind,
    begin: (plugin: GuardedPolicies[Kind], stays: () => boolean) => Made,
    end: (made: Made) => void,
  ): Made {
    for (let swaps = 0;; swaps++) {
      const plugin = this.#chosen[kind];
      const stays = () => plugin === this.#chosen[kind] || swaps >= MOST_SWAPS;
      this.#swaps |= SWAPS[kind];
      const made = begin(plugin, stays);
      if (!stays()) end(made);
      this.#swaps &= ~SWAPS[kind];
      if (!stays() && !this.#meta.over) continue;
      this.choose(kind, plugin);
      return made;
    }
  }

  private choose<Kind extends keyof GuardedPolicies>(
    kind: Kind,
    plugin: GuardedPolicies[Kind],
  ): void {
    if (plugin !== this.#chosen[kind]) this.#chosen = { ...this.#chosen, [kind]: plugin };
  }

  /**
   * `subflow`, not one of the subflows yet, joins in the congestion control, or in what that puts in its place. `made`: there is to be one, whether or not
   * anything was to leave.
   */
  join(subflow: Subflow, made: boolean): void {
    if (made && this.#congestion === null) this.control();
    for (let swaps = 0; this.#congestion !== null; swaps++) {
      const congestion = this.#congestion;
      const control = congestion.join(subflow);
      if (congestion === this.#congestion || swaps >= MOST_SWAPS) {
        return subflow.control(control, this.#meta.host.now);
      }
      congestion.leave?.(subflow);
    }
  }

  /** `subflow` is none of the subflows any more. */
  leave(subflow: Subflow): void {
    this.#congestion?.leave?.(subflow);
  }

  /** What the scheduler asks of the connection; before it is made, the plugin. */
  get wishes(): Wishes {
    return this.#scheduler ?? this.#chosen.scheduler.wishes;
  }

  /**
   * A pass begins: bytes that the scheduler binds to a subflow beyond its room (draft SQ-8, ALT-5); 0: it pulls. What one that has failed has bound is bound
   * anew by one that pulls in its place.
   */
  looksAhead(): number {
    const { lookAhead } = this.wishes;
    if (lookAhead !== this.#lookedAhead) {
      this.#lookedAhead = lookAhead;
      if (lookAhead === 0) takeAllBack(this.#meta);
    }
    return lookAhead;
  }

  /** Has another scheduler decide from now on. */
  setScheduler(plugin: SchedulerPlugin): void {
    const meta = this.#meta;
    this.choose("scheduler", meta.host.guardScheduler(plugin));
    // Who makes, or ends, the one that there is asks for this one then.
    if ((this.#swaps & SWAPS.scheduler) !== 0) return;
    const former = this.#scheduler;
    if (former !== null) {
      this.#swaps |= SWAPS.scheduler;
      former.onClose();
      this.#swaps &= ~SWAPS.scheduler;
      // That may have ended the connection.
      if (meta.over) return;
    }
    for (const { sender } of meta.subflows) sender.takeLosses();
    if (former !== null) {
      takeAllBack(meta);
      this.schedule();
    }
    meta.dirty();
  }

  /** Has the scheduler change what may be changed while it runs; what it throws goes to the caller. */
  tuneScheduler(parameters: Readonly<Record<string, unknown>>): void {
    if ((this.#swaps & SWAPS.scheduler) !== 0) {
      throw new TypeError("Cannot tune a scheduler while one is being made, or ends: do so after");
    }
    (this.#scheduler ?? this.schedule()).tune(parameters);
    this.#meta.dirty();
  }

  /** Has another congestion control decide from now on: each subflow goes on from the window and threshold that it has. */
  setCongestionControl(plugin: CongestionControlPlugin): void {
    const meta = this.#meta;
    this.choose("congestionControl", meta.host.guardCongestionControl(plugin));
    if ((this.#swaps & SWAPS.congestionControl) !== 0) return;
    if (this.#congestion !== null) this.control(this.#congestion);
    meta.dirty();
  }

  /** The connection is over. */
  end(): void {
    this.#scheduler?.onClose();
  }
}
