/** The guard around a path manager, and what path managers and applications see of paths and addresses. */

import type {
  Endpoint,
  HostAddress,
  Micros,
  PathContext,
  PathEvent,
  PathIndex,
  PathManager,
  PathManagerPlugin,
  PathSpec,
  PathView,
} from "../plugin.ts";
import { frozenEndpoint } from "./faces.ts";
import {
  answered,
  type Breach,
  Burst,
  Faults,
  type GuardHost,
  INSTANT,
  isPromise,
  LATEST,
  misshapen,
  MOST_CALLBACKS,
  show,
  thrown,
} from "./faults.ts";

/** What a path manager may ask for within an instant, and timers that it may have. */
const MOST_VERBS = 1000;
const MOST_TIMERS = 1000;

const START: PathEvent = Object.freeze({ type: "start" });

/** `plugin` behind a guard; `fallback` decides where it fails. */
export function guardPathManager(
  plugin: PathManagerPlugin,
  fallback: PathManagerPlugin,
  host: GuardHost,
): PathManagerPlugin {
  return {
    kind: "path-manager",
    name: plugin.name,
    create: (context) => new GuardedPathManager(plugin, fallback, host, context),
  };
}

/** The verbs of a {@linkcode PathContext}. */
export type PathVerbs = Pick<
  PathContext,
  | "route"
  | "identify"
  | "limitSubflows"
  | "index"
  | "use"
  | "setBackup"
  | "announce"
  | "withdraw"
  | "after"
>;

/** What a path manager has that ever failed: made for the first fault. */
class Failing {
  faults: Faults | null = null;
  /** The default, made when it is first asked. */
  fallback: PathManager | null = null;
  /** It has been told that joins are possible. */
  started = false;
}

/**
 * Its own verbs take the place of the connection's where a path manager asks: the same as anybody's, but it can neither fill an instant nor the memory, and
 * timers have their callbacks guarded. It counts itself what it does in an instant, as each connection has one.
 */
class GuardedPathManager extends Burst implements PathManager, Partial<PathVerbs> {
  #failing: Failing | null = null;
  readonly #context: PathContext;
  readonly #plugin: PathManagerPlugin;
  readonly #fallbackPlugin: PathManagerPlugin;
  readonly #host: GuardHost;
  #manager: PathManager | null = null;
  /** Joins are possible. */
  #started = false;
  #timers = 0;

  constructor(
    plugin: PathManagerPlugin,
    fallback: PathManagerPlugin,
    host: GuardHost,
    context: PathContext,
  ) {
    super();
    this.#plugin = plugin;
    this.#host = host;
    this.#context = context;
    this.#fallbackPlugin = fallback;
    let breach: Breach;
    try {
      const manager = plugin.create(facePaths(context, this));
      const wrong = misshapen(manager, "create", "a path manager", ["onEvent"], [
        "refuse",
        "joinsAsBackup",
        "end",
      ]);
      if (wrong === null) {
        this.#manager = manager;
        return;
      }
      breach = wrong;
    } catch (error) {
      breach = thrown("create", error);
    }
    this.counted().end(breach);
  }

  private failing(): Failing {
    return this.#failing ??= new Failing();
  }

  private counted(): Faults {
    return this.failing().faults ??= new Faults(this.#plugin, this.#host);
  }

  private replaced(): boolean {
    return this.#failing?.faults?.replaced === true;
  }

  onEvent(event: PathEvent): void {
    const told = frozenEvent(event);
    if (event.type === "start") this.#started = true;
    if (!this.replaced() && this.mayCall("onEvent")) {
      try {
        const said: unknown = this.#manager?.onEvent(told);
        if (!isPromise(said)) return;
        this.fault(answered("onEvent", said));
      } catch (error) {
        this.fault(thrown("onEvent", error));
      }
    }
    this.tellOther(told);
  }

  refuse(remote: HostAddress, local: HostAddress): number | null {
    const theirs = frozenAddress(remote);
    const ours = frozenAddress(local);
    if (!this.replaced()) {
      try {
        const reason: unknown = this.#manager?.refuse?.(theirs, ours) ?? null;
        if (reason === null) return null;
        if (
          typeof reason === "number" && Number.isInteger(reason) && reason >= 0 && reason <= 255
        ) {
          return reason;
        }
        const breach = answered("refuse", reason);
        const what = `refused a join with reason ${show(reason)}`;
        this.fault(breach.rule === "no-promise" ? breach : { ...breach, what });
      } catch (error) {
        this.fault(thrown("refuse", error));
      }
    }
    return this.other().refuse?.(theirs, ours) ?? null;
  }

  joinsAsBackup(local: HostAddress): boolean {
    const ours = frozenAddress(local);
    if (!this.replaced()) {
      try {
        const said: unknown = this.#manager?.joinsAsBackup?.(ours) ?? false;
        if (typeof said === "boolean") return said;
        this.fault(answered("joinsAsBackup", said));
      } catch (error) {
        this.fault(thrown("joinsAsBackup", error));
      }
    }
    return this.other().joinsAsBackup?.(ours) ?? false;
  }

  end(): void {
    try {
      this.#manager?.end?.();
    } catch (error) {
      this.fault(thrown("end", error));
    }
    this.#failing?.fallback?.end?.();
  }

  private other(): PathManager {
    return this.failing().fallback ??= this.#fallbackPlugin.create(facePaths(this.#context));
  }

  private tellOther(event: PathEvent): void {
    if (event.type === "start") {
      const failing = this.failing();
      if (failing.started) return;
      failing.started = true;
    }
    this.other().onEvent(event);
  }

  /** Counts a fault. A default that takes the plugin's place begins as on a new connection. */
  private fault(breach: Breach): void {
    if (this.counted().add(breach) && this.#started) this.tellOther(START);
  }

  /** Whether one more callback may be made in this instant; the first that may not is a fault. */
  private mayCall(callback: string): boolean {
    const count = this.callback(this.#host.now());
    if (count > MOST_CALLBACKS + 1) return false;
    if (count <= MOST_CALLBACKS) return true;
    const what =
      `had ${MOST_CALLBACKS} callbacks in ${INSTANT} us, as many as there may be: the others come later`;
    this.fault({ callback, rule: "comes-to-an-end", what });
    return false;
  }

  /** Throws where the plugin asks without end; `verb` names what it does. */
  private ask(verb: string): void {
    if (this.verb(this.#host.now()) <= MOST_VERBS) return;
    throw new RangeError(
      `Cannot ${verb} as the path manager has asked for ${MOST_VERBS} things in ${INSTANT} us`,
    );
  }

  identify(address: HostAddress, id: number): HostAddress {
    this.ask("give an address another id");
    return this.#context.identify(address, id);
  }

  limitSubflows(subflows: number): void {
    this.ask("limit subflows");
    this.#context.limitSubflows(subflows);
  }

  use(paths: readonly PathIndex[]): void {
    this.ask("use paths");
    this.#context.use(paths);
  }

  setBackup(path: PathIndex, backup: boolean): void {
    this.ask("make a path a backup or not");
    this.#context.setBackup(path, backup);
  }

  announce(address: HostAddress): void {
    this.ask("announce an address");
    this.#context.announce(address);
  }

  withdraw(address: HostAddress): void {
    this.ask("withdraw an address");
    this.#context.withdraw(address);
  }

  after(delay: Micros, callback: () => void): () => void {
    if (this.#timers >= MOST_TIMERS) {
      throw new RangeError(`Cannot wait as ${MOST_TIMERS} timers of the path manager are set`);
    }
    if (delay > LATEST) {
      throw new RangeError(
        `Cannot wait as the delay must be ${LATEST} microseconds at most: current value is ${delay}`,
      );
    }
    const fire = (): void => {
      if (this.replaced() || this.mayCall("after")) {
        settle();
        this.callBack(callback);
      } else {
        stop = this.#context.after(INSTANT, fire);
      }
    };
    let stop = this.#context.after(delay, fire);
    let set = true;
    this.#timers++;
    const settle = (): void => {
      if (set) this.#timers--;
      set = false;
    };
    return () => {
      settle();
      stop();
    };
  }

  private callBack(callback: () => void): void {
    if (this.replaced()) return;
    try {
      const said: unknown = callback();
      if (!isPromise(said)) return;
      const what = "answered a promise in a callback of after";
      this.fault({ ...answered("after", said), what });
    } catch (error) {
      this.fault({ ...thrown("after", error), what: "threw in a callback of after" });
    }
  }
}

/**
 * A connection's paths and addresses as plugins and applications see them: arrays that are live and cannot be written to, frozen copies of what
 * is in them, and verbs that take copies of what they are given. `verbs` take the place of the connection's.
 */
export function facePaths(context: PathContext, verbs: Partial<PathVerbs> = context): PathContext {
  return new PathsFace(context, verbs);
}

/** Node's name, which Deno heeds too, for what a console shows of an object. */
const INSPECT = Symbol.for("nodejs.util.inspect.custom");

/**
 * Each verb and each array may be taken out of it, and is made when it is asked for: every connection has such a face, and most are looked at when the connection
 * begins, and no more.
 */
class PathsFace implements PathContext {
  readonly #context: PathContext;
  readonly #verbs: Partial<PathVerbs>;

  constructor(context: PathContext, verbs: Partial<PathVerbs>) {
    this.#context = context;
    this.#verbs = verbs;
    Object.freeze(this);
  }

  /** The face that `it` is, or that it is derived from: a path manager may hand on a context of its own that is made of this one. */
  private static self(it: object): PathsFace {
    for (let at: object | null = it; at !== null; at = Object.getPrototypeOf(at)) {
      if (#context in at) return at;
    }
    throw new TypeError("Cannot read what is no context of a path manager");
  }

  get role(): PathContext["role"] {
    return PathsFace.self(this).#context.role;
  }

  get token(): number {
    return PathsFace.self(this).#context.token;
  }

  get limits(): PathContext["limits"] {
    return Object.freeze({ ...PathsFace.self(this).#context.limits });
  }

  get locals(): readonly HostAddress[] {
    return LOCALS.of(PathsFace.self(this).#context.locals);
  }

  get remotes(): readonly HostAddress[] {
    return REMOTES.of(PathsFace.self(this).#context.remotes);
  }

  get paths(): readonly PathView[] {
    return PATHS.of(PathsFace.self(this).#context.paths);
  }

  get peerDeniesJoinToInitial(): boolean {
    return PathsFace.self(this).#context.peerDeniesJoinToInitial;
  }

  get route(): PathContext["route"] {
    return (remote) => {
      const local = PathsFace.self(this).#of("route").route(givenAddress("remotes", remote));
      return local === null ? null : frozenAddress(local);
    };
  }

  get identify(): PathContext["identify"] {
    return (address, id) =>
      frozenAddress(
        PathsFace.self(this).#of("identify").identify(givenAddress("locals", address), id),
      );
  }

  get limitSubflows(): PathContext["limitSubflows"] {
    return (subflows) => PathsFace.self(this).#of("limitSubflows").limitSubflows(subflows);
  }

  get index(): PathContext["index"] {
    return (spec) => PathsFace.self(this).#of("index").index(copySpec(spec));
  }

  get use(): PathContext["use"] {
    return (paths) => PathsFace.self(this).#of("use").use(givenPaths(paths));
  }

  get setBackup(): PathContext["setBackup"] {
    return (path, backup) => {
      if (typeof backup !== "boolean") {
        throw new TypeError(
          `Cannot make path ${path} a backup or not as 'backup' must be a boolean: current value is ${
            show(backup)
          }`,
        );
      }
      PathsFace.self(this).#of("setBackup").setBackup(path, backup);
    };
  }

  get announce(): PathContext["announce"] {
    return (address) =>
      PathsFace.self(this).#of("announce").announce(givenAddress("locals", address));
  }

  get withdraw(): PathContext["withdraw"] {
    return (address) =>
      PathsFace.self(this).#of("withdraw").withdraw(givenAddress("locals", address));
  }

  get after(): PathContext["after"] {
    return (delay, callback) => {
      if (typeof callback !== "function") {
        throw new TypeError(
          `Cannot call back as the callback must be a function: current value is ${show(callback)}`,
        );
      }
      return PathsFace.self(this).#of("after").after(delay, callback);
    };
  }

  /** A console has getters of a class left out: it shows what each tells. */
  [INSPECT](): Omit<PathContext, keyof PathVerbs> {
    const { role, token, limits, locals, remotes, paths, peerDeniesJoinToInitial } = this;
    return {
      role,
      token,
      limits,
      locals: [...locals],
      remotes: [...remotes],
      paths: [...paths],
      peerDeniesJoinToInitial,
    };
  }

  /** Who has this verb. */
  #of<Name extends keyof PathVerbs>(name: Name): Pick<PathVerbs, Name> {
    const verbs = PathsFace.self(this).#verbs;
    return verbs[name] === undefined
      ? PathsFace.self(this).#context
      : verbs as Pick<PathVerbs, Name>;
  }
}

Object.freeze(PathsFace.prototype);

/** Copies by what they were made of: the same one is shown each time. */
const addresses = new WeakMap<HostAddress, HostAddress>();

/**
 * A path that keeps what is shown of it, which leads back to it: as key and value of a WeakMap both, and so the connection, would stay when it is closed until
 * V8 collects its old generation. Paths of tests have no place for it.
 */
interface Shown {
  shown: PathView | null;
}

const views = new WeakMap<PathView, PathView>();

function frozenAddress(address: HostAddress): HostAddress {
  let copy = addresses.get(address);
  if (copy === undefined) addresses.set(address, copy = copyAddress(address));
  return copy;
}

function frozenEvent(event: PathEvent): PathEvent {
  return Object.freeze(
    "address" in event && event.address !== undefined
      ? { ...event, address: frozenAddress(event.address) }
      : { ...event },
  );
}

function pathFace(view: PathView & Partial<Shown>): PathView {
  if (view.shown !== undefined) return view.shown ??= new PathFace(view);
  let face = views.get(view);
  if (face === undefined) views.set(view, face = new PathFace(view));
  return face;
}

/** A path as path managers and applications see it: neither queues nor windows (draft ARC-1). */
class PathFace implements PathView {
  readonly #view: PathView;
  readonly #local: Endpoint;
  readonly #remote: Endpoint;

  constructor(view: PathView) {
    this.#view = view;
    this.#local = frozenEndpoint(view.local);
    this.#remote = frozenEndpoint(view.remote);
    Object.freeze(this);
  }

  get path(): number {
    return this.#view.path;
  }

  get local(): Endpoint {
    return this.#local;
  }

  get remote(): Endpoint {
    return this.#remote;
  }

  get backup(): boolean {
    return this.#view.backup;
  }

  get stale(): boolean {
    return this.#view.stale;
  }

  get srtt(): number {
    return this.#view.srtt;
  }

  get rttVar(): number {
    return this.#view.rttVar;
  }

  get minRtt(): number {
    return this.#view.minRtt;
  }

  get deliveryRate(): number {
    return this.#view.deliveryRate;
  }

  get bytesSent(): number {
    return this.#view.bytesSent;
  }

  get bytesRetrans(): number {
    return this.#view.bytesRetrans;
  }

  get bytesReceived(): number {
    return this.#view.bytesReceived;
  }

  get localId(): number {
    return this.#view.localId;
  }

  get remoteId(): number {
    return this.#view.remoteId;
  }

  get delivered(): number {
    return this.#view.delivered;
  }

  get lost(): number {
    return this.#view.lost;
  }

  get timeouts(): number {
    return this.#view.timeouts;
  }

  get lastAck(): number {
    return this.#view.lastAck;
  }
}

Object.freeze(PathFace.prototype);

/** A frozen copy, whose members were read once. */
function copyAddress({ address, port, id, family, link }: HostAddress): HostAddress {
  return Object.freeze({ address, port, id, family, link });
}

/** A copy of what a plugin or an application gives for one of `name`: its text is no address. */
function givenAddress(name: "locals" | "remotes", address: HostAddress): HostAddress {
  if (typeof address === "object" && address !== null) return copyAddress(address);
  throw new TypeError(
    `Cannot use ${
      show(address)
    } as an address as it must be one of ${name}, or an object like those`,
  );
}

/** What a plugin or an application wants to be used; its elements are judged by who knows them. */
function givenPaths(paths: readonly PathIndex[]): readonly PathIndex[] {
  if (typeof paths === "object" && paths !== null && Symbol.iterator in paths) return paths;
  throw new TypeError(
    `Cannot use ${show(paths)} as paths as it must be an array of what index() gives`,
  );
}

function copySpec(spec: PathSpec): PathSpec {
  if (typeof spec !== "object" || spec === null) {
    throw new TypeError(
      `Cannot use ${show(spec)} as a path as it must be { local, remote }, of locals and remotes`,
    );
  }
  const { local, remote, copy, dscp } = spec;
  return Object.freeze({
    local: givenAddress("locals", local),
    remote: givenAddress("remotes", remote),
    ...(copy === undefined ? {} : { copy }),
    ...(dscp === undefined ? {} : { dscp }),
  });
}

/** Shows an array for reading, as it is at the time, and each of its elements as `face` makes it. */
class LiveList<T extends object> implements ProxyHandler<readonly T[]> {
  readonly #name: string;
  readonly #face: (item: T) => T;

  constructor(name: string, face: (item: T) => T) {
    this.#name = name;
    this.#face = face;
  }

  /** What is shown of `list`. */
  of(list: readonly T[]): readonly T[] {
    return new Proxy(list, this);
  }

  get(list: readonly T[], key: string | symbol): unknown {
    const item = itemAt(list, key);
    return item === undefined ? Reflect.get(list, key) : this.#face(item);
  }

  getOwnPropertyDescriptor(
    list: readonly T[],
    key: string | symbol,
  ): PropertyDescriptor | undefined {
    const own = Reflect.getOwnPropertyDescriptor(list, key);
    const item = itemAt(list, key);
    return own === undefined || item === undefined ? own : { ...own, value: this.#face(item) };
  }

  set(): never {
    return this.#refuse();
  }

  defineProperty(): never {
    return this.#refuse();
  }

  deleteProperty(): never {
    return this.#refuse();
  }

  setPrototypeOf(): never {
    return this.#refuse();
  }

  preventExtensions(): never {
    return this.#refuse();
  }

  #refuse(): never {
    const name = this.#name;
    throw new TypeError(`Cannot change ${name} as it is the connection's: copy it, [...${name}]`);
  }
}

const LOCALS = new LiveList("locals", frozenAddress);
const REMOTES = new LiveList("remotes", frozenAddress);
const PATHS = new LiveList("paths", pathFace);

function itemAt<T>(list: readonly T[], key: string | symbol): T | undefined {
  return typeof key === "string" && /^\d+$/.test(key) ? list[Number(key)] : undefined;
}
