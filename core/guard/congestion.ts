/** The guard around a congestion control: what it is shown, and the one place where its values are judged. */

import type {
  AckSample,
  CongestionControl,
  CongestionController,
  CongestionControlPlugin,
  Micros,
  SubflowView,
} from "../plugin.ts";
import { few } from "./few.ts";
import { type AckCopy, copyAck, Faces, type GuardedConnection } from "./faces.ts";
import {
  answered,
  type Breach,
  type Cast,
  cast,
  type Drawing,
  Faults,
  type GuardHost,
  isPromise,
  misshapen,
  show,
  thrown,
} from "./faults.ts";

/** A congestion control behind its guard: what a connection gets, and the only thing it asks. */
export interface GuardedCongestionControlPlugin {
  /** Tells the kinds apart. */
  readonly kind: "congestion-control";
  /** The plugin's. */
  readonly name: string;
  /** Called once a connection; never throws. */
  create(connection: GuardedConnection): GuardedCongestionControl;
}

/** `plugin` behind a guard; `fallback` decides where it fails. */
export function guardCongestionControl(
  plugin: CongestionControlPlugin,
  fallback: CongestionControlPlugin,
  host: GuardHost,
): GuardedCongestionControlPlugin {
  const shared = { ...cast(plugin, fallback, STREAM, host), shown: new ShownAck() };
  return {
    kind: "congestion-control",
    name: plugin.name,
    create: (connection) => new GuardedCongestionControl(shared, connection),
  };
}

/** What all connections of a congestion control share. */
interface CongestionCast extends Cast<CongestionControlPlugin> {
  readonly shown: ShownAck;
}

/** Not the stream of a scheduler of the same name. */
const STREAM = "plugin congestion-control";

/** What a plugin is shown of an acknowledgement: one object for all of them, on all connections. */
class ShownAck {
  /** Null before the first. */
  #ack: AckCopy | null = null;

  /** Of `ack`. */
  of(ack: AckSample): AckSample {
    return this.#ack = copyAck(this.#ack, ack);
  }
}

/** A congestion control, the plugin or its stand-in, with what it is shown. */
interface Seat {
  readonly group: CongestionControl;
  readonly faces: Faces;
}

/** The controllers of one connection. Nothing here throws. */
export class GuardedCongestionControl implements CongestionControl {
  readonly #cast: CongestionCast;
  /** Null before the first. */
  #faults: Faults | null = null;
  readonly #connection: GuardedConnection;
  readonly #members: GuardedController[] = few();
  /** The plugin's; null when it has failed for good. */
  #seat: Seat | null = null;
  #fallback: Seat | null = null;

  /** Makes the plugin's congestion control, its stand-in if that fails. */
  constructor(shared: CongestionCast, connection: GuardedConnection) {
    this.#cast = shared;
    this.#connection = connection;
    const faces = this.facesFor(shared.own);
    let breach: Breach;
    try {
      const group = shared.own.plugin.create(faces.connection);
      const wrong = misshapen(group, "create", "a congestion control", ["join"], ["leave"]);
      if (wrong === null) {
        this.#seat = { group, faces };
        return;
      }
      breach = wrong;
    } catch (error) {
      breach = thrown("create", error);
    }
    this.engage();
    this.counted().end(breach);
  }

  private counted(): Faults {
    return this.#faults ??= new Faults(this.#cast.own.plugin, this.#cast.host);
  }

  /** Another one takes all subflows over: it finds the thresholds that are left to it. */
  handOn(): void {
    this.renew();
    for (const member of this.#members) member.handOn();
  }

  /** A subflow is established. */
  join(subflow: SubflowView): GuardedController {
    this.renew();
    const controller = this.#seat === null ? null : this.joinIn(this.#seat, subflow);
    const member = new GuardedController(this, subflow, controller);
    this.#members.push(member);
    if (this.#fallback !== null) member.shadow(this.#fallback);
    member.adopt("join");
    return member;
  }

  /** It is gone. */
  leave(subflow: SubflowView): void {
    const members = this.#members;
    for (let i = 0; i < members.length; i++) {
      if (members[i]!.subflow === subflow) members.splice(i--, 1);
    }
    this.renew();
    this.left(subflow);
  }

  /** Tells all that it is gone. */
  private left(subflow: SubflowView): void {
    const fallback = this.#fallback;
    if (fallback !== null) {
      fallback.group.leave?.(fallback.faces.of(subflow));
      fallback.faces.forget(subflow);
    }
    const seat = this.#seat;
    if (seat === null) return;
    try {
      const said: unknown = seat.group.leave?.(seat.faces.of(subflow));
      if (isPromise(said)) this.fault(answered("leave", said));
    } catch (error) {
      this.fault(thrown("leave", error));
    }
    seat.faces.forget(subflow);
  }

  /** `member` begins again: it leaves, and another one of the same kind joins. */
  joinAgain(member: GuardedController): void {
    const { subflow } = member;
    const members = this.#members;
    // Meanwhile it is none: a default that a fault calls in here would have it join twice, and one that rules from here on would bring its old window back.
    const at = members.indexOf(member);
    members.splice(at, 1);
    this.renew();
    this.left(subflow);
    member.begin(this.#seat === null ? null : this.joinIn(this.#seat, subflow));
    members.splice(at, 0, member);
    if (this.#fallback !== null) member.shadow(this.#fallback);
    member.adopt("join");
  }

  /** Counts a fault; `last` ends the plugin's part at once. */
  fault(breach: Breach, last = false): void {
    this.engage();
    const over = last ? this.counted().end(breach) : this.counted().add(breach);
    if (!over) return;
    this.#seat = null;
    for (const member of this.#members) member.replace();
  }

  /** From the first fault on, the default goes along on all subflows, so that a coupled one knows its siblings. */
  engage(): void {
    let fallback = this.#fallback;
    if (fallback === null) {
      const { other } = this.#cast;
      const faces = this.facesFor(other);
      fallback = { group: other.plugin.create(faces.connection), faces };
      this.#fallback = fallback;
    }
    for (const member of this.#members) member.shadow(fallback);
  }

  /** Brings all that plugins may have kept up to date, before each call of one. */
  renew(): void {
    this.#fallback?.faces.renew();
    this.#seat?.faces.renew();
  }

  /** What the plugin is shown of `ack`. */
  show(ack: AckSample): AckSample {
    return this.#cast.shown.of(ack);
  }

  private facesFor({ random }: Drawing<CongestionControlPlugin>): Faces {
    return new Faces(this.#connection, random, false);
  }

  /** The plugin's controller of `subflow`; null when it gives none that can be used. */
  private joinIn({ group, faces }: Seat, subflow: SubflowView): CongestionController | null {
    try {
      const controller = group.join(faces.of(subflow));
      const wrong = misshapen(controller, "join", "a controller", MUST, MAY);
      if (wrong === null) return controller;
      this.fault(wrong);
    } catch (error) {
      this.fault(thrown("join", error));
    }
    return null;
  }
}

/** No peer offers more (RFC 7323 §2.3). */
const LARGEST_WINDOW = 2 ** 30;
const MUST = ["onAck", "onCongestion"] as const;
const MAY = ["onUndo", "onRestart"] as const;

/** A number of bytes per second that can be. */
function isRate(value: unknown): boolean {
  return typeof value === "number" && value > 0 && value < Infinity;
}

/** A controller as a subflow reads it: its values are numbers that can be used, whatever the plugin's are. */
export class GuardedController implements CongestionController {
  /** Whose it is. */
  readonly subflow: SubflowView;
  /** Whole bytes: no less than a segment unless that has grown, 2^30 at most. */
  cwnd: number;
  /** The same; null: Infinity. */
  #ssthresh: number | null = null;
  /** Finite and above 0; undefined: not paced. */
  pacingRate: number | undefined = undefined;
  /** In place of PRR. */
  ownsRecovery = false;
  /** CE is echoed as it comes. */
  accurateEcn = false;
  readonly #group: GuardedCongestionControl;
  /** The plugin's; null once it has failed for good. */
  #controller: CongestionController | null;
  #shadow: CongestionController | null = null;
  /** Whose values hold, the plugin's or the default's; null: neither has set any. */
  #source: CongestionController | null = null;

  /** @param controller The plugin's, of the right shape; null when there is none. */
  constructor(
    group: GuardedCongestionControl,
    subflow: SubflowView,
    controller: CongestionController | null,
  ) {
    this.#group = group;
    this.subflow = subflow;
    this.#controller = controller;
    this.cwnd = subflow.cwnd;
  }

  /** Above 0. */
  get ssthresh(): number {
    return this.#ssthresh ?? Infinity;
  }

  /** Something was acknowledged. */
  onAck(ack: AckSample): void {
    this.#group.renew();
    this.#shadow?.onAck(ack);
    try {
      const said: unknown = this.#controller?.onAck(this.#group.show(ack));
      if (said !== undefined) this.refuse(said, "onAck");
    } catch (error) {
      this.#group.fault(thrown("onAck", error));
      return this.follow();
    }
    this.adopt("onAck");
  }

  /** A loss, or a timeout. */
  onCongestion(cause: "loss" | "ecn" | "timeout" | "penalty", flightSize: number): void {
    const alone = this.#shadow === null;
    this.#group.renew();
    this.#shadow?.onCongestion(cause, flightSize);
    let threw = false;
    try {
      const said: unknown = this.#controller?.onCongestion(cause, flightSize);
      if (said !== undefined) this.refuse(said, "onCongestion");
    } catch (error) {
      this.#group.fault(thrown("onCongestion", error));
      threw = true;
    }
    const held = !threw && this.adopt("onCongestion");
    // A default that has just been called in has missed the cause.
    if (alone) this.#shadow?.onCongestion(cause, flightSize);
    if (!held) this.follow();
  }

  /** The last loss or timeout was none. */
  onUndo(): void {
    this.#group.renew();
    this.#shadow?.onUndo?.();
    try {
      this.refuse(this.#controller?.onUndo?.(), "onUndo");
    } catch (error) {
      this.#group.fault(thrown("onUndo", error));
    }
    this.adopt("onUndo");
  }

  /**
   * The last loss or timeout was none, and who was told of it rules no longer. This one was not: it begins again from the window and the threshold that there
   * were, unless it has more by now, or brings no window back.
   */
  beginAgain(cwnd: number, ssthresh: number): void {
    if (cwnd <= this.cwnd || !this.undoes()) return;
    this.cwnd = Math.max(cwnd, this.subflow.mss);
    if (ssthresh > this.ssthresh) this.#ssthresh = ssthresh === Infinity ? null : ssthresh;
    this.#group.joinAgain(this);
  }

  private undoes(): boolean {
    try {
      return (this.#controller ?? this.#shadow)?.onUndo !== undefined;
    } catch (error) {
      this.#group.fault(thrown("onUndo", error));
      return false;
    }
  }

  /** `controller` takes the plugin's part; null: it has none any more. */
  begin(controller: CongestionController | null): void {
    this.#controller = controller;
    this.#shadow = this.#source = null;
  }

  /** Sending starts again. */
  onRestart(idle: Micros, timeout: Micros): void {
    this.#group.renew();
    this.#shadow?.onRestart?.(idle, timeout);
    try {
      this.refuse(this.#controller?.onRestart?.(idle, timeout), "onRestart");
    } catch (error) {
      this.#group.fault(thrown("onRestart", error));
    }
    this.adopt("onRestart");
  }

  /** Lets the default go along, from the values that hold now. */
  shadow({ group, faces }: Seat): void {
    if (this.#shadow !== null) return;
    const { cwnd } = this;
    const holds = this.#ssthresh;
    this.handOn();
    this.#shadow = group.join(faces.of(this.subflow));
    // Congestion avoidance goes on where it is: a default in slow start would double the window.
    if (this.cwnd >= this.ssthresh) this.#shadow.onCongestion("loss", 2 * this.cwnd);
    this.cwnd = cwnd;
    this.#ssthresh = holds;
  }

  /**
   * Shows the window and the threshold that are left to whoever takes the subflow over; those that hold where there are none, but a segment at least: one that
   * a segment has outgrown is not the other's doing.
   */
  handOn(): void {
    const { mss } = this.subflow;
    try {
      const left: unknown = this.#source?.ssthreshLeft;
      if (!isPromise(left) && typeof left === "number" && left >= mss) {
        this.#ssthresh = left === Infinity ? null : Math.floor(left);
      }
      const cwnd: unknown = this.#source?.cwndLeft;
      if (!isPromise(cwnd) && typeof cwnd === "number" && cwnd >= mss && cwnd < this.cwnd) {
        this.cwnd = Math.floor(cwnd);
      }
    } catch (error) {
      // Its part is over; were this a promise, nobody else would take its rejection.
      isPromise(error);
    }
    if (this.ssthresh < mss) this.#ssthresh = mss;
  }

  /** The default decides from now on. */
  replace(): void {
    this.#controller = null;
    this.follow();
  }

  /** Takes over the plugin's values as they are after `callback`, and says so; the default's where they are wrong. */
  adopt(callback: string): boolean {
    const controller = this.#controller;
    if (controller !== null && this.take(controller, callback)) return true;
    this.follow();
    return false;
  }

  /** Reads the plugin's values, once, and takes them over if each can be used. */
  private take(controller: CongestionController, callback: string): boolean {
    let what: string;
    try {
      const { cwnd, ssthresh, pacingRate, ownsRecovery = false, accurateEcn = false } = controller;
      const { mss } = this.subflow;
      if (!(typeof cwnd === "number" && cwnd > 0 && cwnd < Infinity)) {
        what = `set cwnd to ${show(cwnd)}`;
      } else if (cwnd > LARGEST_WINDOW) {
        what = `set cwnd to ${cwnd}, more than any window`;
      } else if (cwnd < mss && cwnd < this.cwnd) {
        // A window that stays below a segment that has grown is not its doing.
        what = `set cwnd to ${cwnd}, less than a segment`;
      } else if (!(typeof ssthresh === "number" && ssthresh > 0)) {
        what = `set ssthresh to ${show(ssthresh)}`;
      } else if (ssthresh < mss && ssthresh < this.ssthresh) {
        // RFC 5681 §3.1 eq. 4: recovery would let nothing out.
        what = `set ssthresh to ${ssthresh}, less than a segment`;
      } else if (pacingRate !== undefined && !isRate(pacingRate)) {
        what = `set pacingRate to ${show(pacingRate)}`;
      } else if (pacingRate !== undefined && pacingRate < mss / 60) {
        // Slower than any timeout: to those who wait it would be an end.
        what = `set pacingRate to ${pacingRate}, less than a segment a minute`;
      } else if (typeof ownsRecovery !== "boolean") {
        what = `set ownsRecovery to ${show(ownsRecovery)}`;
      } else if (typeof accurateEcn !== "boolean") {
        what = `set accurateEcn to ${show(accurateEcn)}`;
      } else {
        // Whole bytes: a part of one cannot be sent.
        this.#source = controller;
        this.cwnd = Math.floor(cwnd);
        this.#ssthresh = ssthresh === Infinity ? null : Math.floor(ssthresh);
        this.pacingRate = pacingRate;
        this.ownsRecovery = ownsRecovery;
        this.accurateEcn = accurateEcn;
        return true;
      }
      for (const value of [cwnd, ssthresh, pacingRate, ownsRecovery, accurateEcn]) isPromise(value);
    } catch (error) {
      this.#group.fault({ ...thrown(callback, error), what: "threw when its values were read" });
      return false;
    }
    this.#group.fault({ callback, rule: "sane-window", what });
    return false;
  }

  /** Takes over the default's values. */
  private follow(): void {
    if (this.#shadow === null) return;
    this.#source = this.#shadow;
    const { cwnd, ssthresh, pacingRate, ownsRecovery, accurateEcn } = this.#shadow;
    this.cwnd = cwnd;
    this.#ssthresh = ssthresh === Infinity ? null : ssthresh;
    this.pacingRate = pacingRate;
    this.ownsRecovery = ownsRecovery === true;
    this.accurateEcn = accurateEcn === true;
  }

  /** What a callback answers counts for nothing, but a promise is a fault: what it does later is not seen. */
  private refuse(said: unknown, callback: string): void {
    if (isPromise(said)) this.#group.fault(answered(callback, said));
  }
}
