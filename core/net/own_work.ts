/**
 * What the program does beside the network, as far as its runtime tells: whether it may still act although each of its coroutines waits.
 *
 * Node's hooks, which Deno has too, tell it. `async_hooks`: every timer and immediate, from being set to having been called. `v8.promiseHooks`: every
 * promise, among them those that stand for an operation of the runtime (a file, a digest, a message of a worker). A runtime without them (a browser)
 * shows no work; the emulator's real idle time is all there is then.
 *
 * Nothing tells what a piece of work is for, so it is judged by its kind: where it is awaited, or after how long it is due.
 */

/** Timers of more milliseconds guard something (a timeout, a keep-alive): to wait for them first would let every guard strike. */
const LONGEST_TIMER = 100;
/** Frames of a stack that lead from the hook to whoever awaits an operation. */
const FRAMES = 8;
/** Modules of Deno whose operations end by themselves, soon or late. What else there is may wait for ever: for a message, a connection, a key. */
const CERTAIN =
  /\(ext:(?:deno_(?:crypto|fs|fetch)\/|deno_node\/(?:internal\/|internal_binding\/|_)?(?:crypto|fs|zlib|dns|cares_wrap)\b)/;
/** Modules that lie between every operation and whoever waits for it. */
const SERVES_ALL = /\(ext:(?:core\/|deno_node\/v8\.ts)/;

/** A piece of work that has begun and not ended. */
class Task {
  /** What Node's `hasRef()` belongs to; null = it has none. */
  readonly timer: NodeTimer | null;
  readonly #trace: Trace | null;
  #kind: string;

  /** One of a kind that is known, or of one that `trace` tells when somebody asks. */
  constructor(kind: string, timer: NodeTimer | null, trace: Trace | null) {
    this.#kind = kind;
    this.timer = timer;
    this.#trace = trace;
  }

  get kind(): string {
    if (this.#kind === "") this.#kind = placeOf(this.#trace);
    return this.#kind;
  }

  /** Whether it surely ends. */
  get certain(): boolean {
    return CERTAIN.test(this.kind);
  }
}

/** What async_hooks shows of a timer. */
interface NodeTimer {
  readonly _idleTimeout?: unknown;
  readonly _repeat?: unknown;
  hasRef?(): boolean;
}

interface AsyncHooks {
  createHook(callbacks: {
    init(id: number, type: string, trigger: number, resource: NodeTimer): void;
    before(id: number): void;
    destroy(id: number): void;
  }): { enable(): void; disable(): void };
}

interface V8 {
  readonly promiseHooks?: {
    createHook(callbacks: {
      init(promise: Operation, parent: Operation | undefined): void;
      settled(promise: Operation): void;
    }): () => void;
  };
}

/** Deno marks the promises of its operations with their number, right after it has made them. */
const OPERATION = Symbol.for("Deno.core.internalPromiseId");

type Operation = object & { readonly [OPERATION]?: unknown };

/** What Error.captureStackTrace() fills; the text is made when it is read. */
interface Trace {
  readonly stack?: unknown;
}

interface BuiltinModules {
  getBuiltinModule?(name: "node:async_hooks"): AsyncHooks | undefined;
  getBuiltinModule?(name: "node:v8"): V8 | undefined;
}

/** A hook, where the runtime has it: Bun has the names of some, and throws when they are used. */
function orNone<Hook>(make: () => Hook): Hook | undefined {
  try {
    return make();
  } catch {
    return undefined;
  }
}

/** Where an operation is waited for, such as "readFile (ext:deno_fs/30_fs.js": the first line that is not of what serves all of them. */
function placeOf(trace: Trace | null): string {
  let stack: unknown;
  try {
    stack = trace?.stack;
  } catch {
    // A program may have its own Error.prepareStackTrace().
  }
  const lines = typeof stack === "string" ? stack.split("\n") : [];
  const place = lines.find((line) => line.includes("(ext:") && !SERVES_ALL.test(line));
  return place?.replace(/^\s*at |:\d+:\d+\)$/g, "") ?? "an operation";
}

/** All that is under way in this isolate; hooks are set while anybody looks. */
class Isolate {
  readonly #tasks = new Map<unknown, Task>();
  /** Weakly, as nobody has to close an emulation. */
  readonly #watchers = new Set<WeakRef<OwnWork>>();
  #stop: (() => void) | null = null;
  /** Timers and immediates that are set now are of the emulator. */
  #ours = false;
  /** Their numbers. */
  readonly #own = new Set<number>();
  /** Operations that have ended: their promises may still be waited for. */
  readonly #over = new WeakSet<Operation>();

  /** The tasks under way. */
  get tasks(): Iterable<Task> {
    return this.#tasks.values();
  }

  /** Whether there are none. */
  get quiet(): boolean {
    return this.#tasks.size === 0;
  }

  /** Calls `set`; the timer or immediate that it sets is no work of the program. */
  ours<T>(set: () => T): T {
    this.#ours = true;
    try {
      return set();
    } finally {
      this.#ours = false;
    }
  }

  /** Begins to look on behalf of `watcher`. */
  add(watcher: WeakRef<OwnWork>): void {
    this.#watchers.add(watcher);
    this.#stop ??= this.#hook();
  }

  /** Looks no more once the last one has gone. */
  remove(watcher: WeakRef<OwnWork>): void {
    this.#watchers.delete(watcher);
    if (this.#watchers.size > 0) return;
    this.#stop?.();
    this.#stop = null;
    this.#tasks.clear();
    this.#own.clear();
  }

  #hook(): () => void {
    const { process } = globalThis as { process?: BuiltinModules };
    const hooks = orNone(() =>
      process?.getBuiltinModule?.("node:async_hooks")?.createHook({
        init: (id, type, _, resource) => this.#begin(id, type, resource),
        before: (id) => this.#own.has(id) || this.#tell(),
        destroy: (id) => this.#own.delete(id) || this.#end(id),
      })
    );
    hooks?.enable();
    const init = (_promise: Operation, parent: Operation | undefined): void => {
      if (parent !== undefined && parent[OPERATION] !== undefined) this.#await(parent, init);
    };
    const settled = (promise: Operation): void => {
      if (promise[OPERATION] === undefined) return;
      this.#over.add(promise);
      this.#end(promise);
    };
    const unhook = orNone(() =>
      process?.getBuiltinModule?.("node:v8")?.promiseHooks?.createHook({ init, settled })
    );
    return () => {
      hooks?.disable();
      unhook?.();
    };
  }

  /** Somebody begins to wait for an operation: only then can its end make the program act, and the stack tells where. */
  #await(operation: Operation, hook: (...args: [Operation, Operation | undefined]) => void): void {
    if (this.#tasks.has(operation) || this.#over.has(operation)) return;
    const trace: Trace = {};
    const { stackTraceLimit } = Error;
    Error.stackTraceLimit = FRAMES;
    Error.captureStackTrace(trace, hook);
    Error.stackTraceLimit = stackTraceLimit;
    this.#tasks.set(operation, new Task("", null, trace));
  }

  #begin(id: number, type: string, timer: NodeTimer): void {
    if (this.#ours) return void this.#own.add(id);
    if (type === "Immediate") {
      this.#tasks.set(id, new Task("an immediate", null, null));
    } else if (type === "Timeout") {
      const { _idleTimeout: delay, _repeat: repeat } = timer;
      if (typeof delay !== "number" || delay > LONGEST_TIMER || repeat) return;
      this.#tasks.set(id, new Task(`a timer of ${delay} ms`, timer, null));
    }
  }

  #end(key: unknown): void {
    if (this.#tasks.delete(key)) this.#tell();
  }

  #tell(): void {
    for (const watcher of this.#watchers) {
      const work = watcher.deref();
      if (work === undefined) this.remove(watcher);
      else work.onActivity();
    }
  }
}

const isolate = new Isolate();

/** Calls `set`, which sets a timer or an immediate of the emulator: it is no work of the program. */
export function ours<T>(set: () => T): T {
  return isolate.ours(set);
}

/** What one emulation takes for work that it waits for. */
export class OwnWork {
  /** Tells that the program goes on in this turn of the event loop: a piece of work has ended, or a timer of any kind calls back. */
  readonly onActivity: () => void;
  readonly #reference = new WeakRef(this);
  /** Kinds that it waited for in vain. */
  readonly #background = new Set<string>();

  /** `onActivity` is called before the program goes on by itself. */
  constructor(onActivity: () => void) {
    this.onActivity = onActivity;
  }

  /** Begins to look. What was begun before is not seen. May be called twice. */
  start(): void {
    isolate.add(this.#reference);
  }

  /** Looks no more. */
  stop(): void {
    isolate.remove(this.#reference);
  }

  /** What the program is at: "certain" work surely ends, "possible" work perhaps. Work in the background is none. */
  get state(): "none" | "possible" | "certain" {
    if (isolate.quiet) return "none";
    let state: "none" | "possible" = "none";
    for (const task of isolate.tasks) {
      if (!this.#counts(task)) continue;
      if (task.certain) return "certain";
      state = "possible";
    }
    return state;
  }

  /** Whether anything is under way in the background. */
  get inBackground(): boolean {
    if (this.#background.size === 0) return false;
    for (const { kind } of isolate.tasks) if (this.#background.has(kind)) return true;
    return false;
  }

  /** Takes what the program is at now, and what will be of the same kinds, for background: it has been waited for in vain. */
  giveUp(): void {
    const tasks = [...isolate.tasks].filter((task) => this.#counts(task));
    for (const { kind } of tasks) this.#background.add(kind);
  }

  #counts({ kind, timer }: Task): boolean {
    return timer?.hasRef?.() !== false && !this.#background.has(kind);
  }
}
