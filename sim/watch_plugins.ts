/** Notes which callback of which plugin runs, where another thread can read it: one that never returns can be named. */

import type { HostPolicies, Scenario } from "./scenario.ts";
import { withCreate } from "./with_create.ts";

/** Bytes of a name. */
const NAME = 96;
/** Most names. */
const NAMES = 256;
/**
 * Words in front of the names: the number of the name that runs, 0 for none; how many calls there were; thousandths of the run that are done; seconds that a
 * thread has waited for a plugin before it stopped giving signs of life, 0 for one that gives them.
 */
const WORDS = 4;

/** Milliseconds between two signs of life of a thread that loads a plugin, and for how long it gives them. */
const SIGN = 200;
const LOADING = 60_000;

/** The memory that both threads see. */
export function watchMemory(): SharedArrayBuffer {
  return new SharedArrayBuffer(4 * WORDS + NAME * NAMES);
}

/** What runs, as another thread sees it. */
export class PluginWatch {
  readonly #words: Int32Array;
  readonly #names: Uint8Array;
  #calls = -1;
  #same = 0;

  /** Of memory that {@linkcode watchPolicies} writes. */
  constructor(memory: SharedArrayBuffer) {
    this.#words = new Int32Array(memory, 0, WORDS);
    this.#names = new Uint8Array(memory, 4 * WORDS);
  }

  /** How much of the run is done, from 0 to 1. */
  get share(): number {
    return Atomics.load(this.#words, 2) / 1000;
  }

  /** Seconds after which the thread gave no more signs of life, though it was alive and waited for a plugin to come; 0: it is not that. */
  get waited(): number {
    return Atomics.load(this.#words, 3);
  }

  /** What has run at all of the last `times` looks, such as "pick() of the scheduler mine"; null: nothing. Look again and again. */
  stuck(times: number): string | null {
    const id = Atomics.load(this.#words, 0);
    const calls = Atomics.load(this.#words, 1);
    this.#same = id !== 0 && calls === this.#calls ? this.#same + 1 : 0;
    this.#calls = calls;
    if (this.#same < times) return null;
    const at = (id - 1) * NAME;
    const bytes = this.#names.slice(at, at + NAME);
    const length = bytes.indexOf(0);
    return new TextDecoder().decode(bytes.subarray(0, length < 0 ? NAME : length));
  }
}

/** Makes, of a callback and what it is called ("pick() of the scheduler mine"), the one that is called in its place. */
export type Wrap = (
  name: string,
  method: (...args: unknown[]) => unknown,
) => (this: unknown, ...args: unknown[]) => unknown;

type Method = (...args: unknown[]) => unknown;

/** Wraps the methods of `made`, and of what those named `makers` give. */
function wrapMethods(
  made: unknown,
  plugin: string,
  makers: readonly string[],
  wrap: Wrap,
): unknown {
  if (typeof made !== "object" || made === null || !Object.isExtensible(made)) return made;
  const members = new Map<string, PropertyDescriptor>();
  for (
    let at: object = made;
    at !== Object.prototype && at !== null;
    at = Object.getPrototypeOf(at)
  ) {
    for (const [name, member] of Object.entries(Object.getOwnPropertyDescriptors(at))) {
      if (!members.has(name)) members.set(name, member);
    }
  }
  members.delete("constructor");
  for (const [name, { value: method }] of members) {
    const own = Object.getOwnPropertyDescriptor(made, name);
    // What is computed on reading is no callback, and may be of what it was inherited from alone.
    if (typeof method !== "function" || own?.configurable === false) continue;
    const called = wrap(`${name}() of ${plugin}`, method as Method);
    Object.defineProperty(made, name, {
      configurable: true,
      writable: true,
      enumerable: own?.enumerable ?? false,
      value: makers.includes(name)
        ? function (this: unknown, ...args: unknown[]) {
          return wrapMethods(Reflect.apply(called, this, args), plugin, [], wrap);
        }
        : called,
    });
  }
  return made;
}

function wrapPlugin<T extends { readonly name: string; create(given: never): unknown }>(
  kind: string,
  plugin: T,
  makers: readonly string[],
  wrap: Wrap,
): T {
  const label = `the ${kind} ${plugin.name}`;
  const create = wrap(`create() of ${label}`, (given) => plugin.create(given as never));
  return withCreate(
    plugin,
    (given: never) => wrapMethods(create.call(plugin, given), label, makers, wrap),
  );
}

/** Policies whose plugins have each callback wrapped. Texts stay as they are. */
export function wrapPolicies<T extends HostPolicies>(policies: T, wrap: Wrap): T {
  const { scheduler, congestionControl, pathManager } = policies;
  return {
    ...policies,
    ...(typeof scheduler === "object" && {
      scheduler: wrapPlugin("scheduler", scheduler, [], wrap),
    }),
    ...(typeof congestionControl === "object" && {
      congestionControl: wrapPlugin("congestion control", congestionControl, ["join"], wrap),
    }),
    ...(typeof pathManager === "object" && {
      pathManager: wrapPlugin("path manager", pathManager, [], wrap),
    }),
  };
}

/** Puts a name in its place, whatever stood there. */
function writeName(names: Uint8Array, id: number, name: Uint8Array): void {
  const at = (id - 1) * NAME;
  names.fill(0, at, at + NAME);
  names.set(name.subarray(0, NAME), at);
}

/** Notes how much of a run is done, from 0 to 1. */
export function noteShare(memory: SharedArrayBuffer, share: number): void {
  Atomics.store(new Int32Array(memory, 0, WORDS), 2, Math.floor(1000 * share));
}

/**
 * Notes that a plugin is being loaded, until it is disposed of: a download lets the thread give signs of life, code that never returns does not. After
 * `patience` milliseconds, a minute unless told otherwise, it gives none, as what a module awaits may never come, and says that it is this.
 */
export function noteLoading(
  memory: SharedArrayBuffer,
  what: string,
  patience: number = LOADING,
): Disposable {
  const words = new Int32Array(memory, 0, WORDS);
  // Of a long path the end says more.
  const name = new TextEncoder().encode(what.length > NAME ? `…${what.slice(4 - NAME)}` : what);
  writeName(new Uint8Array(memory, 4 * WORDS), 1, name);
  Atomics.store(words, 0, 1);
  let left = patience / SIGN;
  const timer = setInterval(() => {
    if (--left > 0) Atomics.add(words, 1, 1);
    else Atomics.store(words, 3, Math.ceil(patience / 1000));
  }, SIGN);
  return {
    [Symbol.dispose]() {
      clearInterval(timer);
      Atomics.store(words, 3, 0);
      Atomics.store(words, 0, 0);
    },
  };
}

/** What is run, with whose plugins. */
export interface Watched {
  readonly scenario: Scenario;
  readonly policies: HostPolicies;
}

/** Plugins of a run, those that hosts of the scenario name themselves too, of which `memory` tells what runs. Texts stay as they are. */
export function watchRun({ scenario, policies }: Watched, memory: SharedArrayBuffer): Watched {
  const wrap = noting(memory);
  const { hosts } = scenario;
  return {
    policies: wrapPolicies(policies, wrap),
    scenario: hosts === undefined ? scenario : {
      ...scenario,
      hosts: Object.fromEntries(
        Object.entries(hosts).map(([name, host]) => [name, wrapPolicies(host, wrap)]),
      ),
    },
  };
}

/** Policies, of which `memory` tells what runs. Texts stay as they are. */
export function watchPolicies(policies: HostPolicies, memory: SharedArrayBuffer): HostPolicies {
  return wrapPolicies(policies, noting(memory));
}

/** Has `memory` tell which callback runs. */
function noting(memory: SharedArrayBuffer): Wrap {
  const words = new Int32Array(memory, 0, WORDS);
  const space = new Uint8Array(memory, 4 * WORDS);
  const ids = new Map<string, number>();
  /** The number of a name; the last one stands for all that are too many. */
  const idOf = (name: string): number => {
    let id = ids.get(name);
    if (id === undefined) {
      id = Math.min(NAMES, ids.size + 1);
      ids.set(name, id);
      writeName(space, id, new TextEncoder().encode(name));
    }
    return id;
  };
  return (name, method) => {
    const id = idOf(name);
    return function (...args) {
      const before = words[0]!;
      Atomics.store(words, 0, id);
      words[1]!++;
      try {
        return Reflect.apply(method, this, args);
      } finally {
        Atomics.store(words, 0, before);
      }
    };
  };
}
