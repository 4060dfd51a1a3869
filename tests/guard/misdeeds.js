/** What callbacks of plugins can do wrong, as it is written without types; and plugins that are sound but for one callback, or one value. */

import { reno } from "../../cc/mod.ts";
import { fullMesh } from "../../pm/mod.ts";

const fails = () => {
  throw new Error("no");
};

/** Fails at whatever is asked of it. */
function untouchable() {
  const traps = ["get", "has", "getPrototypeOf", "ownKeys", "getOwnPropertyDescriptor"];
  return new Proxy({}, Object.fromEntries(traps.map((name) => [name, fails])));
}

function revoked() {
  const { proxy, revoke } = Proxy.revocable([], {});
  revoke();
  return proxy;
}

/** Tries all that can be done to what a callback was given. */
function spoil(given) {
  const attempts = [
    (it) => it.length = 0,
    (it) => it.reverse(),
    (it) => it.push(it[0], null),
    (it) => Object.assign(it, { path: 9, cwnd: 1, acked: NaN, offset: -1, type: "start" }),
    (it) => Object.defineProperty(it, "path", { value: 7 }),
    (it) => Object.setPrototypeOf(it, null),
    (it) => Object.freeze(it),
  ];
  for (const it of given.filter((each) => typeof each === "object")) {
    for (const attempt of attempts) {
      try {
        attempt(it);
      } catch {
        // Refused: as good.
      }
    }
  }
}

/**
 * By what they do: called in place of a callback, with what that was given and what a sound one would do.
 *
 * @type {Readonly<Record<string, (given: unknown[], sound: () => unknown) => unknown>>}
 */
export const MISDEEDS = {
  "throws": fails,
  "throws undefined": () => {
    throw undefined;
  },
  "throws no text": () => {
    throw Object.create(null);
  },
  "gives undefined": () => undefined,
  "gives null": () => null,
  "gives NaN": () => NaN,
  "gives -1": () => -1,
  "gives 0": () => 0,
  "gives 1e300": () => 1e300,
  "gives Infinity": () => Infinity,
  'gives "1"': () => "1",
  "gives true": () => true,
  "gives a bigint": () => 1n,
  "gives a symbol": () => Symbol("no"),
  "gives a function": () => fails,
  "gives {}": () => ({}),
  "gives []": () => [],
  "gives its promise": (_, sound) => Promise.resolve().then(sound),
  "gives a failure": () => Promise.reject(new Error("nobody hears of it")),
  "gives a thenable": () => ({ then: fails }),
  "gives a trap": untouchable,
  "gives a revoked": revoked,
  "spoils all": (given, sound) => {
    const answer = sound();
    spoil(given);
    return answer;
  },
};

/** Calls `sound`, spoils what it was given the time before, and what it answered. */
export function changesLater() {
  let kept = [];
  return (given, sound) => {
    const answer = sound();
    spoil(kept);
    kept = [...given, answer].filter((each) => typeof each === "object" && each !== null);
    return answer;
  };
}

/** @returns {any} A plugin of `kind` that is sound but for `callback`. */
export function misdoes(kind, callback, misdeed) {
  /** `sound`, or the misdeed in its place. */
  const put = (name, sound) => (...given) =>
    name === callback ? misdeed(given, () => sound(...given)) : sound(...given);
  const create = {
    "scheduler": () => ({
      pick: put("pick", (ready) => ready[0] ?? null),
      repeat: put("repeat", () => false),
      onAck: put("onAck", () => {}),
      onLoss: put("onLoss", () => {}),
      onBlocked: put("onBlocked", () => {}),
      onClose: put("onClose", () => {}),
      onSubflow: put("onSubflow", () => {}),
    }),
    "congestion-control": (connection) => {
      const group = reno().create(connection);
      return {
        join: put("join", (subflow) => {
          const controller = group.join(subflow);
          for (const name of ["onAck", "onCongestion", "onRestart"]) {
            controller[name] = put(name, controller[name].bind(controller));
          }
          return controller;
        }),
        leave: put("leave", () => {}),
      };
    },
    "path-manager": (context) => {
      context.after(1000, put("after", () => {}));
      const sound = fullMesh().create(context);
      const onEvent = (event) => sound.onEvent(event);
      return { onEvent: put("onEvent", onEvent), refuse: put("refuse", () => null) };
    },
  }[kind];
  return { kind, name: "odd", create: put("create", create) };
}

/** @returns {any} A plugin of `kind` that is sound but for one value, which `misdeed` gives each time it is read. */
export function holds(kind, value, misdeed) {
  // The same each time: a controller reads its values too, and would leave promises behind.
  let given;
  const get = () => given ??= misdeed([], () => undefined);
  const getter = { get, set() {}, configurable: true };
  if (kind === "scheduler") {
    const create = () => ({ pick: (ready) => ready[0] ?? null });
    return Object.defineProperty({ kind, name: "odd", create }, value, getter);
  }
  return {
    kind,
    name: "odd",
    create: (connection) => {
      const group = reno().create(connection);
      return { join: (subflow) => Object.defineProperty(group.join(subflow), value, getter) };
    },
  };
}
