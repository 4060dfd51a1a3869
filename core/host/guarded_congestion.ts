/** The guard around a congestion control. */

import type {
  AckSample,
  CongestionControl,
  CongestionController,
  CongestionControlPlugin,
  ConnectionView,
  Micros,
  SubflowView,
} from "../plugin.ts";
import { type FaultReport, Faults } from "./plugin_faults.ts";

/** `plugin` behind a guard; `fallback` decides where it fails. */
export function guardCongestionControl(
  plugin: CongestionControlPlugin,
  fallback: CongestionControlPlugin,
  report: FaultReport,
): CongestionControlPlugin {
  return {
    kind: "congestion-control",
    name: plugin.name,
    create: (connection) => new GuardedGroup(plugin, fallback, report, connection),
  };
}

class GuardedGroup implements CongestionControl {
  readonly faults: Faults;
  readonly #connection: ConnectionView;
  readonly #fallbackPlugin: CongestionControlPlugin;
  readonly #members: GuardedController[] = [];
  #group: CongestionControl | null = null;
  #fallback: CongestionControl | null = null;

  constructor(
    plugin: CongestionControlPlugin,
    fallback: CongestionControlPlugin,
    report: FaultReport,
    connection: ConnectionView,
  ) {
    this.faults = new Faults(plugin, report);
    this.#connection = connection;
    this.#fallbackPlugin = fallback;
    try {
      this.#group = plugin.create(connection);
    } catch (error) {
      this.faults.replaced = true;
      this.faults.add("threw in create", error);
      this.engage();
    }
  }

  join(subflow: SubflowView): CongestionController {
    let controller: CongestionController | null = null;
    if (!this.faults.replaced) {
      try {
        controller = this.#group!.join(subflow);
        const wrong = judgeController(controller);
        if (wrong !== null) {
          this.fault(wrong, undefined);
          controller = null;
        }
      } catch (error) {
        this.fault("threw in join", error);
        controller = null;
      }
    }
    const member = new GuardedController(this, subflow, controller);
    this.#members.push(member);
    if (this.#fallback !== null) member.shadow(this.#fallback);
    if (controller === null) this.engage();
    member.adopt();
    return member;
  }

  leave(subflow: SubflowView): void {
    const at = this.#members.findIndex((member) => member.subflow === subflow);
    if (at >= 0) this.#members.splice(at, 1);
    this.#fallback?.leave?.(subflow);
    try {
      this.#group?.leave?.(subflow);
    } catch (error) {
      this.fault("threw in leave", error);
    }
  }

  fault(what: string, error: unknown): void {
    this.engage();
    if (!this.faults.add(what, error)) return;
    this.#group = null;
    for (const member of this.#members) member.replace();
  }

  /** From the first fault on, the default goes along on all subflows, so that a coupled one knows its siblings. */
  engage(): void {
    if (this.#fallback === null) this.#fallback = this.#fallbackPlugin.create(this.#connection);
    for (const member of this.#members) member.shadow(this.#fallback);
  }
}

/** What is wrong with a controller's values; null when nothing is. */
function judgeController(controller: CongestionController): string | null {
  const { cwnd, ssthresh, pacingRate } = controller;
  if (!(cwnd > 0 && cwnd < Infinity)) return `set cwnd to ${cwnd}`;
  if (!(ssthresh > 0)) return `set ssthresh to ${ssthresh}`;
  if (pacingRate !== undefined && !(pacingRate > 0)) return `set pacingRate to ${pacingRate}`;
  return null;
}

class GuardedController implements CongestionController {
  readonly subflow: SubflowView;
  cwnd: number;
  ssthresh = Infinity;
  pacingRate?: number;
  ownsRecovery?: boolean;
  readonly #group: GuardedGroup;
  /** The plugin's; null once it has failed for good. */
  #controller: CongestionController | null;
  #shadow: CongestionController | null = null;

  constructor(group: GuardedGroup, subflow: SubflowView, controller: CongestionController | null) {
    this.#group = group;
    this.subflow = subflow;
    this.#controller = controller;
    this.cwnd = subflow.cwnd;
  }

  onAck(ack: AckSample): void {
    this.#shadow?.onAck(ack);
    try {
      this.#controller?.onAck(ack);
    } catch (error) {
      this.#group.fault("threw in onAck", error);
      this.#read(this.#shadow!);
      return;
    }
    this.adopt();
  }

  onCongestion(cause: "loss" | "ecn" | "timeout" | "penalty", flightSize: number): void {
    this.#shadow?.onCongestion(cause, flightSize);
    try {
      this.#controller?.onCongestion(cause, flightSize);
    } catch (error) {
      const known = this.#shadow !== null;
      this.#group.fault("threw in onCongestion", error);
      // A default that has just been called in has missed the cause.
      if (!known) this.#shadow!.onCongestion(cause, flightSize);
      this.#read(this.#shadow!);
      return;
    }
    this.adopt();
  }

  onUndo(): void {
    this.#shadow?.onUndo?.();
    try {
      this.#controller?.onUndo?.();
    } catch (error) {
      this.#group.fault("threw in onUndo", error);
    }
    this.adopt();
  }

  onRestart(idle: Micros): void {
    this.#shadow?.onRestart?.(idle);
    try {
      this.#controller?.onRestart?.(idle);
    } catch (error) {
      this.#group.fault("threw in onRestart", error);
    }
    this.adopt();
  }

  /** Lets the default go along, from the values that hold now. */
  shadow(group: CongestionControl): void {
    if (this.#shadow !== null) return;
    const { cwnd, ssthresh } = this;
    this.#shadow = group.join(this.subflow);
    // Congestion avoidance goes on where it is: a default in slow start would double the window.
    if (cwnd >= ssthresh) this.#shadow.onCongestion("loss", 2 * cwnd);
  }

  /** The default decides from now on. */
  replace(): void {
    this.#controller = null;
    this.#read(this.#shadow!);
  }

  /** Takes over the plugin's values, the default's where they are wrong. */
  adopt(): void {
    const controller = this.#controller;
    if (controller === null) return this.#read(this.#shadow!);
    const wrong = judgeController(controller);
    if (wrong === null) return this.#read(controller);
    this.#group.fault(wrong, undefined);
    this.#read(this.#shadow!);
  }

  #read(controller: CongestionController): void {
    this.cwnd = controller.cwnd;
    this.ssthresh = controller.ssthresh;
    const { pacingRate, ownsRecovery } = controller;
    if (pacingRate !== undefined) this.pacingRate = pacingRate;
    else if (this.pacingRate !== undefined) delete this.pacingRate;
    if (ownsRecovery !== undefined) this.ownsRecovery = ownsRecovery;
    else if (this.ownsRecovery !== undefined) delete this.ownsRecovery;
  }
}
