/** One path does the work; another takes over when it fails or fades, and gives it back when it is well again. */

import type {
  HostAddress,
  Micros,
  PathContext,
  PathEvent,
  PathIndex,
  PathManager,
  PathManagerPlugin,
  PathView,
} from "../core/plugin.ts";
import { checkOptions } from "./checks.ts";

/** Options for {@linkcode handover}. */
export interface HandoverOptions {
  /**
   * The link that does the work, by its name.
   *
   * @default {"": the first subflow's}
   */
  readonly primary?: string;
  /**
   * The link that takes over, by its name.
   *
   * @default {"": any other}
   */
  readonly spare?: string;
  /**
   * Fading begins where this share of what is sent is sent again, over about a second: above 0, up to 1; 1 is never.
   *
   * @default {0.1}
   */
  readonly loss?: number;
  /**
   * … where the smoothed round trip is above this, in milliseconds: above 0.
   *
   * @default {500}
   */
  readonly rtt?: number;
  /**
   * … where less than this arrives while all is sent that the path takes, in Mbit/s: from 0 on; 0 is never.
   *
   * @default {0}
   */
  readonly rate?: number;
  /**
   * How long it must last before the spare takes over, in seconds: 0 to 60. A path that is stale, or gone, is not waited for.
   *
   * @default {0.5}
   */
  readonly settle?: number;
  /**
   * How long the spare is kept before the primary is tried again, in seconds: 1 to 3600. Twice as long each time that it did not last, up to eight times.
   *
   * @default {10}
   */
  readonly back?: number;
  /**
   * The spare is open from the start, as a backup: it takes over at once. Without, it is opened when it is needed, which takes a round trip or two.
   *
   * @default {true}
   */
  readonly standby?: boolean;
}

/** What holds where no option says otherwise. */
export const defaults: Readonly<Required<HandoverOptions>> = {
  primary: "",
  spare: "",
  loss: 0.1,
  rtt: 500,
  rate: 0,
  settle: 0.5,
  back: 10,
  standby: true,
};

/** Between two looks at the primary, while it sends and while it does not. */
const LOOK: Micros = 100e3;
const IDLE_LOOK: Micros = 1e6;
/** What is left of figures a look later: together they stand for about a second; of timeouts at the next look, whenever that is. */
const KEPT = 0.9;
/** Loss of less is chance, unless more than one timeout of late says that hardly anything gets through: who waits for timeouts sends little. */
const LEAST_SENT = 14600;
const MOST_TIMEOUTS = 1.5;
/** A trial is passed after this. */
const TRIAL: Micros = 2e6;
/** Most times that the wait is doubled. */
const MOST_DOUBLED = 3;

function checkNumber(name: string, value: unknown, least: number, most: number, above = false) {
  const fits = typeof value === "number" && value <= most &&
    (above ? value > least : value >= least);
  if (fits) return;
  throw new (typeof value === "number" ? RangeError : TypeError)(
    `Cannot make handover as '${name}' must be a number ${
      above ? "above" : "from"
    } ${least} to ${most}: current value is ${value}`,
  );
}

/**
 * Everything on the primary path; the spare one takes over when that fails or fades, by loss, round trip or rate, before it is dead (make before break:
 * the primary becomes a backup when the spare works), and hands back when the primary has proved itself beside it. Each end judges what it sends, and tells
 * the other by MP_PRIO (RFC 8684 §3.3.8); paths are opened by the client.
 *
 * @example Wi-Fi fades, LTE takes over
 * ```ts
 * import { emulate } from "@mptcp/mptcp";
 * import { handover } from "@mptcp/mptcp/pm";
 * import { assertEquals } from "@std/assert";
 *
 * await using net = emulate({
 *   paths: {
 *     wifi: { rate: "20 Mbit/s", delay: "15 ms" },
 *     lte: { rate: "12 Mbit/s", delay: "40 ms" },
 *   },
 *   pathManager: handover({ loss: 0.05 }),
 * });
 * using listener = net.server.listen({ port: 80 });
 * const [conn, peer] = await Promise.all([
 *   net.client.connect({ hostname: "server", port: 80 }),
 *   listener.accept(),
 * ]);
 * const reading = peer.readable.pipeTo(new WritableStream());
 * const writing = conn.write(new Uint8Array(12e6)).then(() => conn.closeWrite());
 * await net.sleep("2 s");
 * const backups = () => conn.info().subflows.map(({ backup }) => backup);
 * assertEquals(backups(), [false, true]);
 * net.path("wifi").set({ loss: 0.3 });
 * await net.sleep("3 s");
 * assertEquals(backups(), [true, false]);
 * await Promise.all([writing, reading]);
 * ```
 *
 * @throws {TypeError} It has no such option.
 * @throws {TypeError} an option is not of its kind.
 * @throws {RangeError} a value is out of its range.
 */
export default function handover(options: HandoverOptions = {}): PathManagerPlugin {
  checkOptions("handover", options, defaults);
  const all = { ...defaults, ...options };
  checkNumber("loss", all.loss, 0, 1, true);
  checkNumber("rtt", all.rtt, 0, 1e6, true);
  checkNumber("rate", all.rate, 0, 1e6);
  checkNumber("settle", all.settle, 0, 60);
  checkNumber("back", all.back, 1, 3600);
  for (const name of ["primary", "spare"] as const) {
    if (typeof all[name] === "string") continue;
    throw new TypeError(
      `Cannot make handover as '${name}' must be the name of a link: current value is ${all[name]}`,
    );
  }
  if (typeof all.standby !== "boolean") {
    throw new TypeError(
      `Cannot make handover as 'standby' must be true or false: current value is ${all.standby}`,
    );
  }
  return {
    kind: "path-manager",
    name: "handover",
    beginsAnywhere: false,
    create: (context) => new Handover(context, all),
  };
}

/** Which path works. */
type State =
  /** The primary. */
  | "primary"
  /** The primary, and the spare is being opened. */
  | "making"
  /** The spare; the primary is its backup, as far as it lives. */
  | "spare"
  /** Both: the primary is tried. */
  | "trial";

class Handover implements PathManager {
  readonly #context: PathContext;
  readonly #options: Required<HandoverOptions>;
  #state: State = "primary";
  #primary: PathIndex = 0;
  #spare: PathIndex = 0;
  /** The peer has asked for the primary to be a backup: what it sends fares badly there. */
  #asked = false;
  /** What was last said of each path. */
  readonly #backup = new Map<PathIndex, boolean>();
  readonly #figures = new Figures();
  /** How long the primary has been bad, in looks. */
  #bad: Micros = 0;
  /** Times in a row that the primary did not last. */
  #doubled = 0;
  /** How long it has been in use, and sent; Infinity: from the start. */
  #lasted: Micros = Infinity;
  #cancel: () => void = () => {};
  #started = false;

  constructor(context: PathContext, options: Required<HandoverOptions>) {
    this.#context = context;
    this.#options = options;
  }

  onEvent(event: PathEvent): void {
    switch (event.type) {
      case "start":
        this.#started = true;
        this.#plan();
        this.#look(LOOK);
        return;
      case "local":
      case "remote":
        if (this.#started) this.#plan();
        return;
      case "subflow":
        if (!this.#started) return;
        if (event.path === this.#primary) this.#primaryChanged(event.change);
        else this.#otherChanged(event.path, event.change);
    }
  }

  #primaryChanged(change: "joined" | "left" | "priority" | "stale" | "revived"): void {
    if (change === "left") this.#backup.delete(this.#primary);
    if (change === "stale" || change === "left") this.#fail();
    if (change === "revived" && this.#state === "spare") this.#tryLater();
    if (change === "joined") {
      this.#say(this.#primary, this.#state === "spare");
      if (this.#state === "spare") this.#tryLater();
    }
    if (change === "priority" && this.#backup.get(this.#primary) !== true) {
      this.#asked = this.#view(this.#primary)?.backup ?? false;
      this.#plan();
    }
  }

  #otherChanged(
    path: PathIndex,
    change: "joined" | "left" | "priority" | "stale" | "revived",
  ): void {
    if (change === "left") this.#backup.delete(path);
    if (change === "joined") {
      if (this.#state === "making") this.#takeOver();
      else this.#plan();
    }
    const lost = change === "stale" || change === "left";
    if (lost && (this.#state === "spare" || this.#state === "trial") && !this.#works()) {
      // Nothing else does: the primary, as it is.
      this.#enter("primary");
    }
  }

  /** The primary is no good: the spare, as soon as it is there. */
  #fail(): void {
    if (this.#state === "spare" || this.#state === "making") return;
    if (this.#works()) this.#takeOver();
    else this.#enter("making");
  }

  #takeOver(): void {
    if (this.#lasted >= this.#options.back * 1e6) this.#doubled = 0;
    else this.#doubled = Math.min(MOST_DOUBLED, this.#doubled + 1);
    this.#enter("spare");
    this.#tryLater();
  }

  #enter(state: State): void {
    this.#state = state;
    this.#bad = 0;
    if (state !== "making") this.#lasted = 0;
    this.#figures.begin(this.#view(this.#primary));
    this.#cancel();
    this.#plan();
  }

  /** The primary is tried when it has had its time. */
  #tryLater(): void {
    this.#cancel();
    const wait = this.#options.back * 1e6 * 2 ** this.#doubled;
    this.#cancel = this.#context.after(wait, () => {
      const view = this.#view(this.#primary);
      if (this.#state !== "spare") return;
      if (view === undefined || view.stale) return this.#tryLater();
      this.#enter("trial");
      this.#cancel = this.#context.after(TRIAL, () => {
        if (this.#state === "trial") this.#enter("primary");
      });
    });
  }

  /** Whether another path than the primary is there and carries data. */
  #works(): boolean {
    return this.#context.paths.some(({ path, stale }) => path !== this.#primary && !stale);
  }

  #view(path: PathIndex): PathView | undefined {
    return this.#context.paths.find((view) => view.path === path);
  }

  /** Looks at the primary now and then: seldom while it sends nothing. */
  #look(wait: Micros): void {
    this.#context.after(wait, () => {
      const view = this.#view(this.#primary);
      const sent = this.#figures.look(view, wait);
      if (view !== undefined && this.#state !== "spare" && sent > 0) {
        this.#lasted += wait;
        this.#bad = this.#isBad(view) ? this.#bad + wait : 0;
        if (this.#bad > 0 && this.#bad >= this.#options.settle * 1e6) this.#judgeBad();
      }
      this.#look(sent > 0 ? LOOK : IDLE_LOOK);
    });
  }

  #judgeBad(): void {
    if (this.#state === "trial") {
      if (this.#works()) this.#takeOver();
    } else this.#fail();
  }

  #isBad(view: PathView): boolean {
    const { loss, rtt, rate } = this.#options;
    const slow = view.deliveryRate > 0 && view.deliveryRate * 8 / 1e6 < rate;
    return this.#figures.loss > loss || view.srtt > rtt * 1e3 || slow;
  }

  /** Names the paths that are used and says which are backups. */
  #plan(): void {
    const { role, paths, use } = this.#context;
    if (role === "server") {
      this.#primary = 1;
      if (this.#view(1) !== undefined) this.#say(1, this.#state === "spare");
      return;
    }
    const { primary, spare } = this.#links();
    this.#primary = primary;
    this.#spare = spare;
    if (this.#state === "primary" && primary === 0 && spare !== 0) this.#state = "making";
    const away = this.#state !== "primary" || this.#asked;
    const wanted = new Set<PathIndex>(paths.map(({ path }) => path));
    if (primary !== 0) wanted.add(primary);
    if (spare !== 0) {
      if (this.#options.standby || away) wanted.add(spare);
      else if (wanted.size > 1) wanted.delete(spare);
      if (wanted.has(spare)) this.#say(spare, !away);
    }
    if (primary !== 0) this.#say(primary, this.#state === "spare");
    if (wanted.size > 0) use([...wanted]);
  }

  #say(path: PathIndex, backup: boolean): void {
    if ((this.#backup.get(path) ?? false) === backup) return;
    this.#backup.set(path, backup);
    this.#context.setBackup(path, backup);
  }

  /** The indices of both; 0: there is no such path. */
  #links(): { primary: PathIndex; spare: PathIndex } {
    const { locals } = this.#context;
    const { primary, spare } = this.#options;
    const first = locals.find(({ id, link }) => primary === "" ? id === 0 : link === primary);
    const second = locals.find((local) =>
      local !== first && local.link !== first?.link &&
      (spare === "" || local.link === spare) && this.#remote(local) !== undefined
    );
    return { primary: this.#index(first), spare: this.#index(second) };
  }

  #index(local: HostAddress | undefined): PathIndex {
    const remote = local === undefined ? undefined : this.#remote(local);
    return local === undefined || remote === undefined ? 0 : this.#context.index({ local, remote });
  }

  #remote(local: HostAddress): HostAddress | undefined {
    const { remotes, peerDeniesJoinToInitial } = this.#context;
    return remotes.find(({ id, family }) =>
      family === local.family && (id !== 0 || local.id === 0 || !peerDeniesJoinToInitial)
    );
  }
}

/** What the primary sends and loses, over about a second. */
class Figures {
  #sent = 0;
  #lost = 0;
  #timedOut = 0;
  #bytesSent = 0;
  #bytesRetrans = 0;
  #timeouts = 0;
  #view: PathView | undefined;

  /** Begins anew, from what is so far. */
  begin(view: PathView | undefined): void {
    this.#view = view;
    this.#sent = this.#lost = this.#timedOut = 0;
    this.#bytesSent = view?.bytesSent ?? 0;
    this.#bytesRetrans = view?.bytesRetrans ?? 0;
    this.#timeouts = view?.timeouts ?? 0;
  }

  /** Bytes sent since the last look, `wait` ago. */
  look(view: PathView | undefined, wait: Micros): number {
    if (view === undefined || view !== this.#view) this.begin(view);
    if (view === undefined) return 0;
    const sent = view.bytesSent - this.#bytesSent;
    const kept = KEPT ** (wait / LOOK);
    this.#sent = kept * this.#sent + sent;
    this.#lost = kept * this.#lost + view.bytesRetrans - this.#bytesRetrans;
    this.#timedOut = KEPT * this.#timedOut + view.timeouts - this.#timeouts;
    this.#bytesSent = view.bytesSent;
    this.#bytesRetrans = view.bytesRetrans;
    this.#timeouts = view.timeouts;
    return sent;
  }

  /** Share of what is sent again; 0 where too little is sent to tell. */
  get loss(): number {
    const tells = this.#sent >= LEAST_SENT || (this.#sent > 0 && this.#timedOut > MOST_TIMEOUTS);
    return tells ? this.#lost / this.#sent : 0;
  }
}
