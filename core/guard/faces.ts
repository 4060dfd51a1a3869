/**
 * What plugins see of the stack: faces, which have getters only and are frozen, and arrays of the guard's own. Writing to a face throws inside the
 * plugin; an array of the guard's is filled before each call, so emptying it spoils that one call of the plugin's and nothing else. A face is made
 * once for what it stands for, so a plugin may compare faces and keep them. Nothing is built for a decision.
 */

import type { AckSample, Chunk, ConnectionView, Endpoint, Micros, SubflowView } from "../plugin.ts";
import { few } from "./few.ts";
import { LATEST, show } from "./faults.ts";

/** A wake comes no sooner: each may ask for the next, and time would stand still. */
const LEAST_WAKE: Micros = 10;

/** What guards read of a connection. Random numbers are the host's to give, as each plugin has a stream of its own. */
export interface GuardedConnection<S extends SubflowView = SubflowView>
  extends Omit<ConnectionView, "random" | "subflows"> {
  /** As in {@linkcode ConnectionView}; what is read of them is the stack's own. */
  readonly subflows: readonly (S & Unseen)[];
}

/** What plugins do not see of a subflow. */
export interface Unseen {
  /** False: it takes nothing new, as it is being closed. */
  readonly usable?: boolean;
  /** It takes nothing now, and will in time, whether something is in flight or not. */
  readonly held?: boolean;
}

/** Copies by what they were made of: the same one is shown each time. Few plugins ask for them. */
const endpoints = new WeakMap<Endpoint, Endpoint>();

/** A copy that nobody can write to. */
export function frozenEndpoint(endpoint: Endpoint): Endpoint {
  let copy = endpoints.get(endpoint);
  if (copy === undefined) {
    const { address, port } = endpoint;
    endpoints.set(endpoint, copy = Object.freeze({ address, port }));
  }
  return copy;
}

/** What `answer` is the face of; null when it is none. */
export let subflowOf: (answer: unknown) => SubflowView | null;

/** Whether `face`, or what a plugin has put in its place, is the face of `subflow`. */
let shows: (face: SubflowFace, subflow: SubflowView) => boolean;

/** The face of `subflow` in the list that begins with `face`; null: there is none. */
let find: (face: SubflowFace | null, subflow: SubflowView) => SubflowFace | null;

/** The list that begins with `first`, without the face of `subflow`. */
let without: (first: SubflowFace | null, subflow: SubflowView) => SubflowFace | null;

/** A subflow as plugins see it. */
export class SubflowFace implements SubflowView {
  static {
    subflowOf = (answer) =>
      typeof answer === "object" && answer !== null && #subflow in answer ? answer.#subflow : null;
    shows = (face, subflow) =>
      typeof face === "object" && face !== null && #subflow in face && face.#subflow === subflow;
    find = (face, subflow) => {
      while (face !== null && face.#subflow !== subflow) face = face.#next;
      return face;
    };
    without = (first, subflow) => {
      if (first === null || first.#subflow === subflow) return first === null ? null : first.#next;
      for (let face = first; face.#next !== null; face = face.#next) {
        if (face.#next.#subflow !== subflow) continue;
        face.#next = face.#next.#next;
        break;
      }
      return first;
    };
  }

  readonly #subflow: SubflowView;
  #next: SubflowFace | null;

  /** The face of `subflow`, before `next` in the list of one plugin's. */
  constructor(subflow: SubflowView, next: SubflowFace | null = null) {
    this.#subflow = subflow;
    this.#next = next;
    Object.freeze(this);
  }

  /** As the subflow's. */
  get path(): number {
    return this.#subflow.path;
  }

  /** A copy of the subflow's. */
  get local(): Endpoint {
    return frozenEndpoint(this.#subflow.local);
  }

  /** A copy of the subflow's. */
  get remote(): Endpoint {
    return frozenEndpoint(this.#subflow.remote);
  }

  /** As the subflow's. */
  get backup(): boolean {
    return this.#subflow.backup;
  }

  /** As the subflow's. */
  get stale(): boolean {
    return this.#subflow.stale;
  }

  /** As the subflow's. */
  get srtt(): Micros {
    return this.#subflow.srtt;
  }

  /** As the subflow's. */
  get mss(): number {
    return this.#subflow.mss;
  }

  /** As the subflow's. */
  get cwnd(): number {
    return this.#subflow.cwnd;
  }

  /** As the subflow's. */
  get ssthresh(): number {
    return this.#subflow.ssthresh;
  }

  /** As the subflow's. */
  get inFlight(): number {
    return this.#subflow.inFlight;
  }

  /** As the subflow's. */
  get room(): number {
    return this.#subflow.room;
  }

  /** As the subflow's. */
  get queued(): number {
    return this.#subflow.queued;
  }

  /** As the subflow's. */
  get rttVar(): Micros {
    return this.#subflow.rttVar;
  }

  /** As the subflow's. */
  get minRtt(): Micros {
    return this.#subflow.minRtt;
  }

  /** As the subflow's. */
  get deliveryRate(): number {
    return this.#subflow.deliveryRate;
  }

  /** As the subflow's. */
  get oldestSent(): Micros {
    return this.#subflow.oldestSent;
  }

  /** As the subflow's. */
  get initialWindow(): number {
    return this.#subflow.initialWindow;
  }

  /** As the subflow's. */
  get peakRate(): number {
    return this.#subflow.peakRate;
  }

  /** As the subflow's. */
  get burstRate(): number {
    return this.#subflow.burstRate;
  }

  /** As the subflow's. */
  get bytesSent(): number {
    return this.#subflow.bytesSent;
  }

  /** As the subflow's. */
  get bytesRetrans(): number {
    return this.#subflow.bytesRetrans;
  }

  /** As the subflow's. */
  get bytesReceived(): number {
    return this.#subflow.bytesReceived;
  }

  /** As the subflow's. */
  get localId(): number {
    return this.#subflow.localId;
  }

  /** As the subflow's. */
  get remoteId(): number {
    return this.#subflow.remoteId;
  }

  /** As the subflow's. */
  get delivered(): number {
    return this.#subflow.delivered;
  }

  /** As the subflow's. */
  get lost(): number {
    return this.#subflow.lost;
  }

  /** As the subflow's. */
  get timeouts(): number {
    return this.#subflow.timeouts;
  }

  /** As the subflow's. */
  get lastAck(): Micros {
    return this.#subflow.lastAck;
  }

  /** As the subflow's. */
  get delayOut(): Micros {
    return this.#subflow.delayOut;
  }

  /** As the subflow's. */
  get delayIn(): Micros {
    return this.#subflow.delayIn;
  }

  /** As the subflow's. */
  get pacingRate(): number {
    return this.#subflow.pacingRate;
  }

  /** As the subflow's. */
  get inSlowStart(): boolean {
    return this.#subflow.inSlowStart;
  }

  /** As the subflow's. */
  get inRecovery(): boolean {
    return this.#subflow.inRecovery;
  }
}

/** A connection as one plugin sees it. */
export class ConnectionFace implements ConnectionView {
  readonly #connection: GuardedConnection;
  readonly #faces: Faces;
  readonly #random: () => number;

  /** The face of `connection`, whose subflows are those of `faces`. */
  constructor(connection: GuardedConnection, faces: Faces, random: () => number) {
    this.#connection = connection;
    this.#faces = faces;
    this.#random = random;
    Object.freeze(this);
  }

  /** As the connection's. */
  get role(): "client" | "server" {
    return this.#connection.role;
  }

  /** Their faces. */
  get subflows(): readonly SubflowView[] {
    return this.#faces.subflows;
  }

  /** As the connection's. */
  get unsent(): number {
    return this.#connection.unsent;
  }

  /** As the connection's. */
  get left(): number {
    return this.#connection.left;
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
  get mostWindow(): number {
    return this.#connection.mostWindow;
  }

  /** As the connection's. */
  get receiveBuffer(): number {
    return this.#connection.receiveBuffer;
  }

  /** As the connection's. */
  get receiveWindow(): number {
    return this.#connection.receiveWindow;
  }

  /** As the connection's. */
  get readable(): number {
    return this.#connection.readable;
  }

  /** As the connection's. */
  get tag(): number {
    return this.#connection.tag;
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

  /** The next number of the plugin's own stream. */
  random(): number {
    return this.#random();
  }

  /** Asks for a wake; it must lie ahead, or the host would never come to an end with the present. */
  wake(at: Micros): void {
    this.#faces.wake(at);
  }
}

/** An array of the guard's own that a plugin is shown faces in. */
export class FaceList {
  /** The plugin may do with it what it likes. */
  readonly array: SubflowFace[] = few();

  /** Has `array` hold the faces of `subflows`, whatever has been done to it. False when the plugin has frozen it. Never throws. */
  show(faces: Faces, subflows: readonly SubflowView[]): boolean {
    try {
      return this.holds(subflows) || this.fill(faces, subflows);
    } catch {
      return false;
    }
  }

  /** Whether it holds them already: from one decision to the next little changes, and a look costs less than a write. */
  holds(subflows: readonly SubflowView[]): boolean {
    const { array } = this;
    const { length } = subflows;
    if (array.length !== length) return false;
    for (let i = 0; i < length; i++) if (!shows(array[i]!, subflows[i]!)) return false;
    return true;
  }

  private fill(faces: Faces, subflows: readonly SubflowView[]): true {
    const { array } = this;
    const { length } = subflows;
    while (array.length > length) array.pop();
    for (let i = 0; i < length; i++) array[i] = faces.of(subflows[i]!);
    return true;
  }
}

/** What one plugin sees of one connection: the face of it and of each subflow. */
export class Faces {
  /** For the plugin's `create`. */
  readonly connection: ConnectionFace;
  readonly #connection: GuardedConnection;
  /** The first of those that were asked for. */
  #faces: SubflowFace | null = null;
  /**
   * `connection.subflows`: always the same array, as plugins keep it; who freezes it sees in it what it saw then. Made when the plugin asks for it: most
   * never do.
   */
  #subflows: FaceList | null = null;
  /** Only those that are usable are in it. */
  readonly #usable: boolean;
  /** Those, where that is so and others are there; made with the first of these. */
  #listed: SubflowView[] | null = null;
  /** The latest that was asked for; 0: none was. */
  #wakeAt: Micros = 0;

  /**
   * @param connection What is shown. @param random Gives the plugin's random numbers.
   * @param usable Those that are being closed are not shown: a scheduler would wait for them in vain, while a controller still has their data in flight.
   */
  constructor(connection: GuardedConnection, random: () => number, usable: boolean) {
    this.#connection = connection;
    this.#usable = usable;
    this.connection = new ConnectionFace(connection, this, random);
  }

  /** The face of `subflow`, made when it is first asked for. */
  of(subflow: SubflowView): SubflowFace {
    return find(this.#faces, subflow) ??
      (this.#faces = new SubflowFace(subflow, this.#faces));
  }

  /** The plugin has heard that `subflow` is gone. */
  forget(subflow: SubflowView): void {
    this.#faces = without(this.#faces, subflow);
  }

  /** `connection.subflows`. */
  get subflows(): readonly SubflowFace[] {
    const list = this.#subflows ??= new FaceList();
    list.show(this, this.shown());
    return list.array;
  }

  /** Brings `connection.subflows` up to date, whatever has been done to it; before each call, as plugins keep the array. */
  renew(): void {
    this.#subflows?.show(this, this.shown());
  }

  /** What `connection.subflows` is to hold. */
  private shown(): readonly SubflowView[] {
    const { subflows } = this.#connection;
    if (!this.#usable) return subflows;
    let count = 0;
    while (count < subflows.length && subflows[count]!.usable !== false) count++;
    if (count === subflows.length) return subflows;
    const usable = this.#listed ??= few();
    for (let i = 0; i < count; i++) usable[i] = subflows[i]!;
    for (let i = count + 1; i < subflows.length; i++) {
      const subflow = subflows[i]!;
      if (subflow.usable !== false) usable[count++] = subflow;
    }
    while (usable.length > count) usable.pop();
    return usable;
  }

  /** A wake that the plugin asked for is still to come. */
  get waking(): boolean {
    return this.#wakeAt > this.#connection.now;
  }

  /** The plugin asks for a wake. */
  wake(at: Micros): void {
    const { now } = this.#connection;
    if (!(typeof at === "number" && at > now && at <= LATEST)) {
      throw new RangeError(
        `Cannot wake a scheduler as the time must be after ${now}, and ${LATEST} at most: current value is ${
          show(at)
        }`,
      );
    }
    const due = Math.max(at, now + LEAST_WAKE);
    if (due > this.#wakeAt) this.#wakeAt = due;
    this.#connection.wake(due);
  }
}

/** Has `face` show another chunk, and faces of those that carry it. */
export let aim: (face: ChunkFace, chunk: Chunk, sentOn: readonly SubflowView[]) => void;

/** A chunk as a scheduler sees it: one object for all of them, of which the guard says before each call what it shows. */
export class ChunkFace implements Chunk {
  static {
    aim = (face, chunk, sentOn) => {
      face.#chunk = chunk;
      face.#sentOn = sentOn;
    };
  }

  #chunk: Chunk;
  #sentOn: readonly SubflowView[];

  /** Shows `chunk`, which `sentOn` carry. */
  constructor(chunk: Chunk, sentOn: readonly SubflowView[]) {
    this.#chunk = chunk;
    this.#sentOn = sentOn;
    Object.freeze(this);
  }

  /** As the chunk's. */
  get offset(): number {
    return this.#chunk.offset;
  }

  /** As the chunk's. */
  get length(): number {
    return this.#chunk.length;
  }

  /** As the chunk's. */
  get sentAt(): Micros {
    return this.#chunk.sentAt;
  }

  /** As the chunk's. */
  get hint(): number {
    return this.#chunk.hint;
  }

  /** As the chunk's. */
  get written(): Micros {
    return this.#chunk.written;
  }

  /** Their faces. */
  get sentOn(): readonly SubflowView[] {
    return this.#sentOn;
  }
}

/** A copy of `ack` for a congestion controller, which may spread it, or write to it: `copy`, unless the plugin has frozen that. */
export function copyAck(copy: AckCopy | null, ack: AckSample): AckCopy {
  if (copy === null) return { ...ack };
  try {
    copy.acked = ack.acked;
    copy.lost = ack.lost;
    copy.marked = ack.marked;
    copy.rtt = ack.rtt;
    copy.inFlight = ack.inFlight;
    copy.cwndLimited = ack.cwndLimited;
    copy.delivered = ack.delivered;
    copy.priorDelivered = ack.priorDelivered;
    copy.deliveryRate = ack.deliveryRate;
    copy.appLimited = ack.appLimited;
    return copy;
  } catch {
    return { ...ack };
  }
}

/** The guard's own {@linkcode AckSample}. */
export type AckCopy = { -readonly [K in keyof AckSample]: AckSample[K] };

for (const { prototype } of [SubflowFace, ConnectionFace, ChunkFace]) Object.freeze(prototype);
