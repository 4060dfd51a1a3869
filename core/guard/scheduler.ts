/** The guard around a scheduler: what it is shown, and the one place where its answers are judged. */

import type {
  Answer,
  Choice,
  Chunk,
  Micros,
  PathIndex,
  Scheduler,
  SchedulerPlugin,
  SubflowChange,
  SubflowView,
} from "../plugin.ts";
import { few } from "./few.ts";
import {
  aim,
  ChunkFace,
  FaceList,
  Faces,
  type GuardedConnection,
  type SubflowFace,
  subflowOf,
} from "./faces.ts";
import {
  answered,
  type Breach,
  type Cast,
  cast,
  type Drawing,
  type FaultRule,
  Faults,
  type GuardHost,
  isPromise,
  misshapen,
  show,
  thrown,
} from "./faults.ts";

/** A scheduler behind its guard: what a connection gets, and the only thing it asks. */
export interface GuardedSchedulerPlugin {
  /** Tells the kinds apart. */
  readonly kind: "scheduler";
  /** The plugin's. */
  readonly name: string;
  /** What the plugin asks for. */
  readonly wishes: Wishes;
  /** Called once a connection; never throws. */
  create<S extends SubflowView>(connection: GuardedConnection<S>): GuardedScheduler<S>;
}

/** `plugin` behind a guard; `fallback` decides where it fails. */
export function guardScheduler(
  plugin: SchedulerPlugin,
  fallback: SchedulerPlugin,
  host: GuardHost,
): GuardedSchedulerPlugin {
  const wishes = wishesOf(plugin);
  const shared = { ...cast(plugin, fallback, STREAM, host), wishes, others: wishesOf(fallback) };
  return {
    kind: "scheduler",
    name: plugin.name,
    wishes,
    create: (connection) => new GuardedScheduler(shared, connection),
  };
}

/** What all connections of a scheduler share. */
interface SchedulerCast extends Cast<SchedulerPlugin> {
  readonly wishes: Wishes;
  /** Of what stands in for it. */
  readonly others: Wishes;
}

/** What a plugin asks of the connection that asks it. */
export interface Wishes {
  /** Most bytes that one of its answers binds, where it is a number above 0. */
  readonly quantum: number | undefined;
  /** Bytes that it binds to a subflow beyond its room, where it is a number above 0; else 0. */
  readonly lookAhead: number;
  /** Whether it asks for relief of head-of-line blocking: where it is true. */
  readonly relief: boolean;
}

function wishesOf(plugin: SchedulerPlugin): Wishes {
  return {
    quantum: quantumOf(plugin),
    lookAhead: lookAheadOf(plugin),
    relief: reliefOf(plugin),
  };
}

/** What it names, where that is a number above 0: those who take plugins refuse others, and a connection does without. */
function quantumOf(plugin: SchedulerPlugin): number | undefined {
  try {
    const { quantum } = plugin;
    if (typeof quantum === "number" && quantum > 0) return quantum;
    isPromise(quantum);
  } catch {
    // As good as none.
  }
  return undefined;
}

/** How far it looks ahead, where that is a number above 0; a connection pulls where it is none. */
function lookAheadOf(plugin: SchedulerPlugin): number {
  try {
    const { lookAhead } = plugin;
    if (typeof lookAhead === "number" && lookAhead > 0) return lookAhead;
    isPromise(lookAhead);
  } catch {
    // As good as none.
  }
  return 0;
}

/** Whether it asks for relief of head-of-line blocking. */
function reliefOf(plugin: SchedulerPlugin): boolean {
  try {
    const { relief } = plugin;
    if (relief === true) return true;
    isPromise(relief);
  } catch {
    // As good as none.
  }
  return false;
}

/** Random numbers of a scheduler are those of this stream and its name. */
const STREAM = "plugin";
/** New data are on no subflow. */
const NOBODY: readonly SubflowFace[] = Object.freeze([]);
/** No look-ahead. */
const NONE: readonly never[] = Object.freeze([]);
/** More than any chunk; a small integer, as it is read for every answer. */
const UNBOUNDED = 2 ** 30;

/** What a scheduler is told that waited too long. */
const IDLE = "sent nothing for two timeouts, with data, window and room";
/** Before a first one. */
const NO_BREACH: Breach = Object.freeze({ callback: "", rule: "sane-answer", what: "" });

/** A scheduler, the plugin or its stand-in, with what it is shown. */
class Seat {
  readonly scheduler: Scheduler;
  readonly faces: Faces;
  /** Optional members that it was made with: who asks saves itself the work for those that it lacks. */
  readonly repeats: boolean;
  readonly acks: boolean;
  readonly changes: boolean;
  readonly losses: boolean;
  readonly timeouts: boolean;
  readonly blocks: boolean;
  // Made when something is first to be shown in them.
  #ready: FaceList | null = null;
  #chunk: ChunkFace | null = null;
  #sentOn: FaceList | null = null;

  /** @param scheduler Of the right shape. @param faces What it was made for. */
  constructor(scheduler: Scheduler, faces: Faces) {
    this.scheduler = scheduler;
    this.faces = faces;
    this.repeats = scheduler.repeat !== undefined;
    this.acks = scheduler.onAck !== undefined;
    this.changes = scheduler.onSubflow !== undefined;
    this.losses = scheduler.onLoss !== undefined;
    this.timeouts = scheduler.onTimeout !== undefined;
    this.blocks = scheduler.onBlocked !== undefined;
  }

  /** Brings all that it may have kept up to date; the face of `chunk`. */
  show(chunk: Chunk): ChunkFace {
    this.faces.renew();
    const face = this.#chunk ??= new ChunkFace(chunk, NOBODY);
    aim(face, chunk, chunk.sentOn.length === 0 ? NOBODY : this.#carriers(chunk.sentOn));
    return face;
  }

  #carriers(sentOn: readonly SubflowView[]): readonly SubflowFace[] {
    return (this.#sentOn = this.#shown(this.#sentOn, sentOn)).array;
  }

  /** What `pick` gets. */
  offer(ready: readonly SubflowView[]): readonly SubflowFace[] {
    const list = this.#ready;
    if (list !== null && list.holds(ready)) return list.array;
    return (this.#ready = this.#shown(list, ready)).array;
  }

  /** `subflow` has left. */
  forget(subflow: SubflowView): void {
    this.faces.forget(subflow);
  }

  /** `list` with the faces of `subflows`, another where the plugin has frozen it. */
  #shown(list: FaceList | null, subflows: readonly SubflowView[]): FaceList {
    if (list !== null && list.show(this.faces, subflows)) return list;
    const other = new FaceList();
    other.show(this.faces, subflows);
    return other;
  }
}

/**
 * A scheduler as a connection asks it. Its answers need no second look: nothing here throws, and each answer is one of the subflows that the
 * connection itself passed in, several of them, or a wait that will end.
 */
export class GuardedScheduler<S extends SubflowView = SubflowView> implements Scheduler {
  readonly #cast: SchedulerCast;
  /** Null before the first. */
  #faults: Faults | null = null;
  readonly #connection: GuardedConnection<S>;
  #seat: Seat;
  #fallback: Seat | null = null;
  /** An answer of several, refilled each time, and the paths that it named. Made with the first. */
  #several: S[] | null = null;
  #named: PathIndex[] | null = null;
  /** Who may be named beside those that are ready. */
  #beyond: readonly S[] = NONE;
  /** When a wait was or is no answer. */
  #insisted: Micros | null = null;
  /** Most bytes that the last answer wants to be bound. */
  #bytes = UNBOUNDED;
  /** The peer's window has been told to be in the way. */
  #blocked = false;
  /** Nothing is asked or told any more. */
  #closed = false;
  /** What was wrong with the last answer that was none. */
  #breach: Breach = NO_BREACH;

  /** Makes the plugin's scheduler, its stand-in if that fails. */
  constructor(shared: SchedulerCast, connection: GuardedConnection<S>) {
    this.#cast = shared;
    this.#connection = connection;
    const seat = this.#make(shared.own);
    if (seat === null) this.#counted().end(this.#breach);
    this.#seat = seat ?? this.#standIn();
  }

  #counted(): Faults {
    return this.#faults ??= new Faults(this.#cast.own.plugin, this.#cast.host);
  }

  /** Of the one that decides: the plugin, or for good what stands in for it. */
  #asking(): Wishes {
    return this.#seat === this.#fallback ? this.#cast.others : this.#cast.wishes;
  }

  /** Most bytes that one of its answers binds; undefined: it names none. */
  get quantum(): number | undefined {
    return this.#asking().quantum;
  }

  /** Bytes that it binds to a subflow beyond its room; 0: it pulls. */
  get lookAhead(): number {
    return this.#asking().lookAhead;
  }

  /** It asks for relief of head-of-line blocking. */
  get relief(): boolean {
    return this.#asking().relief;
  }

  /** Whether {@linkcode GuardedScheduler.repeat} may ever say yes. */
  get repeats(): boolean {
    return this.#seat.repeats;
  }

  /** Whether it wants to hear of losses. */
  get hearsLosses(): boolean {
    return this.#seat.losses;
  }

  /** Whether it wants to hear that the peer's window is in the way. */
  get hearsBlocks(): boolean {
    return this.#seat.blocks;
  }

  /** Most bytes that its last answer wants to be bound; 2^30 where it does not say. */
  get bytes(): number {
    return this.#bytes;
  }

  /**
   * Which of `ready`, none of them twice, carries the next bytes. Nobody else's view must be in it. It may be empty where there is somebody in `beyond`:
   * those that have no room, and take something all the same, as the plugin looks ahead.
   *
   * @returns one of the elements of either; several of them, in an array that holds until the next call; or null: to wait, which something in
   * flight or a wake that is due will end.
   */
  pick(ready: readonly S[], chunk: Chunk, beyond: readonly S[] = NONE): S | readonly S[] | null {
    this.#beyond = beyond;
    this.#bytes = UNBOUNDED;
    // Something may leave again.
    if (chunk.sentOn.length === 0) this.#blocked = false;
    const choice = this.#ask(this.#seat, ready, chunk);
    return choice === undefined ? this.#askOther(ready, chunk) : choice;
  }

  /** The scheduler has failed. */
  #askOther(ready: readonly S[], chunk: Chunk): S | readonly S[] | null {
    const other = this.#fault();
    if (other !== null) {
      const instead = this.#ask(other, ready, chunk);
      if (instead !== undefined) return instead;
    }
    return ready[0] ?? null;
  }

  /** At `now` a wait is no answer: for two timeouts nothing was sent, though it could have been. Who waits all the same is replaced for good. */
  insist(now: Micros): void {
    this.#insisted = now;
  }

  /** Whether `subflow` shall also carry `chunk`, which others carry; "skip": ask for the next. */
  repeat(subflow: S, chunk: Chunk): boolean | "skip" {
    const seat = this.#seat;
    if (!seat.repeats) return false;
    const yes = this.#askRepeat(seat, subflow, chunk);
    if (yes !== undefined) return yes;
    const other = this.#fault();
    if (other === null || !other.repeats) return false;
    return this.#askRepeat(other, subflow, chunk) ?? false;
  }

  /** `bytes` were acknowledged on `subflow`. */
  onAck(subflow: S, bytes: number): void {
    const { acks, scheduler, faces } = this.#seat;
    if (!acks) return;
    try {
      faces.renew();
      const said: unknown = scheduler.onAck?.(faces.of(subflow), bytes);
      if (said === undefined || !isPromise(said)) return;
      this.#wrong(answered("onAck", said));
    } catch (error) {
      this.#wrong(thrown("onAck", error));
    }
    this.#fault();
  }

  /** `bytes` were taken for lost on `subflow`. */
  onLoss(subflow: S, bytes: number): void {
    if (this.#seat.losses) this.#notify("onLoss", subflow, bytes);
  }

  /** The timeout of `subflow` has passed. */
  onTimeout(subflow: S): void {
    if (this.#seat.timeouts) this.#notify("onTimeout", subflow, 0);
  }

  /** The peer's window keeps back what those of `ready` have room for; nobody: it does not. Told when it comes to that. */
  onBlocked(ready: readonly S[]): void {
    const before = this.#blocked;
    this.#blocked = ready.length > 0;
    const seat = this.#seat;
    if (before || !this.#blocked || !seat.blocks) return;
    try {
      seat.faces.renew();
      const said: unknown = seat.scheduler.onBlocked?.(seat.offer(ready));
      if (said === undefined || !isPromise(said)) return;
      this.#wrong(answered("onBlocked", said));
    } catch (error) {
      this.#wrong(thrown("onBlocked", error));
    }
    this.#fault();
  }

  /** It is over; told once. */
  onClose(): void {
    if (this.#closed) return;
    this.#closed = true;
    const { scheduler, faces } = this.#seat;
    try {
      faces.renew();
      const said: unknown = scheduler.onClose?.();
      if (said === undefined || !isPromise(said)) return;
      this.#wrong(answered("onClose", said));
    } catch (error) {
      this.#wrong(thrown("onClose", error));
    }
    this.#fault();
  }

  /**
   * Changes what may be changed while it runs. What the scheduler throws goes to who asks for it, and is no fault.
   *
   * @throws {TypeError} When it has nothing to tune, or has failed.
   */
  tune(parameters: Readonly<Record<string, unknown>>): void {
    const { scheduler, faces } = this.#seat;
    const { name } = this.#cast.own.plugin;
    if (this.#faults?.replaced) {
      throw new TypeError(
        `Cannot tune ${name} as it has failed, and the default decides: setScheduler() puts another in its place`,
      );
    }
    if (scheduler.tune === undefined) {
      throw new TypeError(
        `Cannot tune ${name} as it has nothing to tune: setScheduler() puts another in its place`,
      );
    }
    faces.renew();
    const said: unknown = scheduler.tune(Object.freeze({ ...parameters }));
    if (said === undefined || !isPromise(said)) return;
    this.#wrong(answered("tune", said));
    this.#fault();
  }

  #notify(what: "onLoss" | "onTimeout", subflow: S, bytes: number): void {
    const { scheduler, faces } = this.#seat;
    try {
      faces.renew();
      const said: unknown = what === "onLoss"
        ? scheduler.onLoss?.(faces.of(subflow), bytes)
        : scheduler.onTimeout?.(faces.of(subflow));
      if (said === undefined || !isPromise(said)) return;
      this.#wrong(answered(what, said));
    } catch (error) {
      this.#wrong(thrown(what, error));
    }
    this.#fault();
  }

  /** A subflow changed. */
  onSubflow(subflow: S, change: SubflowChange): void {
    if (!this.#closed) this.#tellAll(subflow, change);
    if (change !== "left") return;
    this.#seat.forget(subflow);
    this.#fallback?.forget(subflow);
  }

  #tellAll(subflow: S, change: SubflowChange): void {
    const seat = this.#seat;
    const fallback = this.#fallback;
    if (fallback !== null) this.#tell(fallback, subflow, change);
    if (seat !== fallback && !this.#tell(seat, subflow, change)) this.#fault();
  }

  /** False when it went wrong. */
  #tell({ changes, scheduler, faces }: Seat, subflow: SubflowView, change: SubflowChange): boolean {
    if (!changes) return true;
    try {
      faces.renew();
      const said: unknown = scheduler.onSubflow?.(faces.of(subflow), change);
      if (said === undefined || !isPromise(said)) return true;
      this.#wrong(answered("onSubflow", said));
    } catch (error) {
      this.#wrong(thrown("onSubflow", error));
    }
    return false;
  }

  /** Asks and judges; undefined when the answer was none. */
  #ask(seat: Seat, ready: readonly S[], chunk: Chunk): S | readonly S[] | null | undefined {
    try {
      const choice = seat.scheduler.pick(seat.offer(ready), seat.show(chunk));
      // Most answer with what they were shown: no member of theirs need be read.
      const own = subflowOf(choice);
      if (own !== null) {
        for (let i = 0; i < ready.length; i++) if (ready[i] === own) return ready[i];
      }
      return this.#judge(seat, choice, ready);
    } catch (error) {
      return this.#wrong(thrown("pick", error));
    }
  }

  #judge(seat: Seat, choice: Choice, ready: readonly S[]): S | readonly S[] | null | undefined {
    if (choice === null) return this.#wait(seat, ready);
    if (typeof choice !== "object") return this.#wrong(answered("pick", choice));
    if (isList(choice)) return this.#list(seat, choice, ready);
    const { path } = choice;
    if (!this.#takeBytes(choice)) return undefined;
    for (let i = 0; i < ready.length; i++) if (ready[i]!.path === path) return ready[i];
    const further = this.#further(path);
    if (further !== null) return further;
    if (this.#inUse(path)) return this.#wait(seat, ready);
    if (isPromise(choice)) return this.#wrong(answered("pick", choice));
    return this.#unknown(path);
  }

  /** Judges an answer of several. Those that are in use and have no room are passed over; it is a wait when nobody else is named. */
  #list(
    seat: Seat,
    choice: readonly Answer[],
    ready: readonly S[],
  ): readonly S[] | null | undefined {
    const several = this.#several ??= few();
    const named = this.#named ??= few();
    const { length } = choice;
    let count = 0;
    for (let i = 0; i < length; i++) {
      const answer = choice[i];
      const path = answer?.path;
      if (answer === undefined || path === undefined) {
        for (let j = i; j < length; j++) isPromise(choice[j]);
        return this.#unknown(path);
      }
      if (!this.#takeBytes(answer)) return undefined;
      for (let j = 0; j < i; j++) {
        if (named[j] === path) return this.#chose("known-path", `named path ${path} twice`);
      }
      named[i] = path;
      let at = 0;
      while (at < ready.length && ready[at]!.path !== path) at++;
      const further = at < ready.length ? null : this.#further(path);
      if (at < ready.length) several[count++] = ready[at]!;
      else if (further !== null) several[count++] = further;
      else if (!this.#inUse(path)) return this.#unknown(path);
    }
    if (count === 0) return this.#wait(seat, ready);
    if (several.length !== count) several.length = count;
    return several;
  }

  /** The one of those beyond that `path` names; null when none does. */
  #further(path: PathIndex): S | null {
    const beyond = this.#beyond;
    for (let i = 0; i < beyond.length; i++) if (beyond[i]!.path === path) return beyond[i]!;
    return null;
  }

  /** How much it wants to be bound; false when that is no number of bytes. */
  #takeBytes({ bytes }: Answer): boolean {
    if (bytes === undefined) return true;
    if (typeof bytes === "number" && bytes >= 1) {
      if (bytes < this.#bytes) this.#bytes = Math.floor(bytes);
      return true;
    }
    isPromise(bytes);
    this.#bytes = UNBOUNDED;
    this.#chose("sane-answer", `answered ${show(bytes)} bytes in pick`);
    return false;
  }

  #inUse(path: PathIndex): boolean {
    const { subflows } = this.#connection;
    for (let i = 0; i < subflows.length; i++) if (subflows[i]!.path === path) return true;
    return false;
  }

  /** A wait must have an end: something in flight that will be acknowledged or time out, a subflow that is held back for a time, or a wake that is due. */
  #wait({ faces }: Seat, ready: readonly S[]): null | undefined {
    if (ready.length === 0) return null;
    if (this.#insisted === this.#connection.now) return this.#chose("makes-progress", IDLE);
    if (faces.waking) return null;
    const { subflows } = this.#connection;
    for (let i = 0; i < subflows.length; i++) {
      const subflow = subflows[i]!;
      if (subflow.inFlight > 0 || subflow.held === true) return null;
    }
    return this.#chose("waits-end", "waits with nothing in flight and no wake due");
  }

  #unknown(path: unknown): undefined {
    isPromise(path);
    return this.#chose("known-path", `named path ${show(path)}, which is not in use`);
  }

  #askRepeat(seat: Seat, subflow: S, chunk: Chunk): boolean | "skip" | undefined {
    try {
      const face = seat.faces.of(subflow);
      const yes: unknown = seat.scheduler.repeat?.(face, seat.show(chunk));
      if (yes === true || yes === false || yes === "skip") return yes;
      return this.#wrong(answered("repeat", yes));
    } catch (error) {
      return this.#wrong(thrown("repeat", error));
    }
  }

  #chose(rule: FaultRule, what: string): undefined {
    this.#breach = { callback: "pick", rule, what };
  }

  #wrong(breach: Breach): undefined {
    this.#breach = breach;
  }

  /** Counts what went wrong. The default that decides in its place; null when it is the default that went wrong. */
  #fault(): Seat | null {
    const breach = this.#breach;
    this.#breach = NO_BREACH;
    if (this.#seat === this.#fallback) return null;
    const over = breach.rule === "makes-progress"
      ? this.#counted().end(breach)
      : this.#counted().add(breach);
    if (over) this.#seat = this.#standIn();
    return this.#standIn();
  }

  /** The default, made when it is first needed; it learns of the subflows as after a live swap. */
  #standIn(): Seat {
    if (this.#fallback !== null) return this.#fallback;
    const { other } = this.#cast;
    const seat = this.#make(other);
    if (seat === null) {
      throw new TypeError(`Cannot use ${other.plugin.name} as it ${this.#breach.what}`);
    }
    this.#fallback = seat;
    const { subflows } = this.#connection;
    for (let i = 0; i < subflows.length; i++) this.#tell(seat, subflows[i]!, "joined");
    return seat;
  }

  /** A scheduler of `plugin`, or null. */
  #make({ plugin, random }: Drawing<SchedulerPlugin>): Seat | null {
    const faces = new Faces(this.#connection, random, true);
    try {
      const made = plugin.create(faces.connection);
      const wrong = misshapen(made, "create", "a scheduler", ["pick"], OPTIONAL);
      if (wrong === null) return new Seat(made, faces);
      this.#wrong(wrong);
    } catch (error) {
      this.#wrong(thrown("create", error));
    }
    return null;
  }
}

const OPTIONAL = [
  "repeat",
  "onAck",
  "onLoss",
  "onTimeout",
  "onBlocked",
  "onSubflow",
  "tune",
  "onClose",
] as const;

/** Narrows to an array, which `Array.isArray` does not do for those that are only read. */
function isList(choice: NonNullable<Choice>): choice is readonly Answer[] {
  return Array.isArray(choice);
}
