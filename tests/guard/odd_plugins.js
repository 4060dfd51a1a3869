/** Plugins that are wrong, as they are written without types. */

function scheduler(create) {
  return { kind: "scheduler", name: "odd", create };
}

/** A scheduler of one `pick`. */
function picks(pick) {
  return scheduler(() => ({ pick }));
}

/** A congestion control whose controllers have `values`. */
function sets(values) {
  const create = () => ({
    join: ({ cwnd }) => ({
      cwnd,
      ssthresh: Infinity,
      onAck: () => {},
      onCongestion: () => {},
      ...values,
    }),
  });
  return { kind: "congestion-control", name: "odd", create };
}

function pathManager(create) {
  return { kind: "path-manager", name: "odd", create };
}

const fails = () => {
  throw new Error("no");
};

/**
 * Plugins whose mistakes have no effect, or count as faults of the kind named.
 *
 * @type {Readonly<Record<string, readonly [import("../../core/plugin.ts").Plugin, string | null]>>}
 */
export const PLUGINS = {
  "throws in pick": [picks(fails), "threw in pick"],
  "has no scheduler": [scheduler(() => undefined), "answered undefined in create"],
  "has no pick": [scheduler(() => ({ pick: 3 })), "made a scheduler whose pick is 3, no function"],
  "answers nothing": [picks(() => undefined), "answered undefined in pick"],
  "answers a promise": [
    picks((ready) => Promise.resolve(ready[0])),
    "answered a promise in pick",
  ],
  "answers a promise that fails": [
    picks(() => Promise.reject(new Error("no"))),
    "answered a promise in pick",
  ],
  "waits for ever": [picks(() => null), "waits with nothing in flight and no wake due"],
  "sorts ready": [picks((ready) => ready.sort((a, b) => a.srtt - b.srtt)[0]), null],
  "pops ready": [picks((ready) => ready.pop()), null],
  "fills ready with another": [picks((ready) => ready.fill({ path: 1, room: 1e9 })[0]), null],
  "empties connection.subflows": [
    scheduler((view) => ({
      pick([first]) {
        view.subflows.length = 0;
        return first;
      },
    })),
    null,
  ],
  "reverses connection.subflows": [
    scheduler(({ subflows }) => ({ pick: ([first]) => (subflows.reverse(), first) })),
    null,
  ],
  "writes to a subflow": [
    picks(([first]) => {
      first.stale = true;
      return first;
    }),
    "threw in pick",
  ],
  "adds to a subflow": [picks(([first]) => Object.assign(first, { usable: 0 })), "threw in pick"],
  "writes to the chunk": [
    picks(([first], chunk) => {
      chunk.length = 1e9;
      return first;
    }),
    "threw in pick",
  ],
  "writes to an end of a subflow": [
    picks(([first]) => {
      first.remote.port = 9;
      return first;
    }),
    "threw in pick",
  ],
  "empties sentOn": [
    picks(([first], { sentOn }) => {
      if (sentOn.length > 0) sentOn.length = 0;
      return first;
    }),
    null,
  ],
  "changes its answer later": [
    picks((ready) => {
      const answer = [...ready];
      Promise.resolve().then(() => answer.length = 0);
      return answer;
    }),
    null,
  ],
  "asks for a wake in the past": [
    scheduler((view) => ({
      pick([first]) {
        view.wake(view.now - 1);
        return first;
      },
    })),
    "threw in pick",
  ],
  "throws in repeat": [
    scheduler(() => ({ pick: ([a]) => a, repeat: fails })),
    "threw in repeat",
  ],
  "has a getter that throws": [
    scheduler(() => ({
      pick: ([a]) => a,
      get onAck() {
        return fails();
      },
    })),
    "threw in create",
  ],
  "sets cwnd to 1": [sets({ cwnd: 1 }), "set cwnd to 1, less than a segment"],
  "sets cwnd to NaN": [sets({ cwnd: NaN }), "set cwnd to NaN"],
  "sets cwnd to a text": [sets({ cwnd: "14600" }), 'set cwnd to "14600"'],
  "sets ssthresh to NaN": [sets({ ssthresh: NaN }), "set ssthresh to NaN"],
  "sets pacingRate": [sets({ pacingRate: 1 }), "set pacingRate to 1, less than a segment a minute"],
  "throws in onAck": [sets({ onAck: fails }), "threw in onAck"],
  "writes to what an ACK told": [
    sets({ onAck: (ack) => Object.assign(ack, { acked: NaN, delivered: -1 }) }),
    null,
  ],
  "has no onCongestion": [
    sets({ onCongestion: undefined }),
    "made a controller whose onCongestion is undefined, no function",
  ],
  "has no congestion control": [
    { kind: "congestion-control", name: "odd", create: () => undefined },
    "answered undefined in create",
  ],
  "has no path manager": [pathManager(() => undefined), "answered undefined in create"],
  "uses what is no path": [
    pathManager(({ use }) => ({ onEvent: () => use([999]) })),
    "threw in onEvent",
  ],
  "uses a text": [
    pathManager(({ use }) => ({ onEvent: () => use("1") })),
    "threw in onEvent",
  ],
  "empties locals": [
    pathManager(({ locals }) => ({ onEvent: () => locals.length = 0 })),
    "threw in onEvent",
  ],
  "writes to paths": [
    pathManager(({ paths }) => ({ onEvent: () => Object.assign(paths[0], { backup: true }) })),
    "threw in onEvent",
  ],
  "answers onEvent by a promise that fails": [
    pathManager(() => ({ onEvent: () => Promise.reject(new Error("no")) })),
    "answered a promise in onEvent",
  ],
};
