/** What is measured: a network, what happens to it, and what goes over it. Plain data, but for plugins and elements that a program may put in. */

import type { GilbertElliottOptions } from "../core/link/sim/elements/gilbert_elliott.ts";
import type { CodelOptions } from "../core/link/sim/elements/codel.ts";
import type { RateStep } from "../core/link/sim/elements/rate_schedule.ts";
import type { RedOptions } from "../core/link/sim/elements/red.ts";
import type { QueueLimit } from "../core/link/sim/elements/queue.ts";
import type { ElementFactory } from "../core/link/sim/elements/element.ts";
import type { LinkShape } from "../core/link/sim/link.ts";
import type { Duration, Rate } from "../core/link/units.ts";
import type { MptcpOptions } from "../core/net/mptcp_options.ts";
import type { TcpOptions } from "../core/net/tcp_options.ts";
import type { Experiments } from "../core/connection/host.ts";
import type {
  CongestionControlPlugin,
  PathManagerPlugin,
  SchedulerPlugin,
} from "../core/plugin.ts";
import type { Size } from "./units.ts";

export type { Size } from "./units.ts";

/** Plugins of a host, by text as on the command line, or themselves. */
export interface HostPolicies {
  /** Which path carries what. */
  readonly scheduler?: string | SchedulerPlugin;
  /** How much may be in flight. */
  readonly congestionControl?: string | CongestionControlPlugin;
  /** Which paths are opened. */
  readonly pathManager?: string | PathManagerPlugin;
}

/** A host of a scenario. Plugins that it names stay, whatever is measured. */
export interface ScenarioHost extends HostPolicies {
  /** Choices about TCP. */
  readonly tcp?: TcpOptions;
  /** Choices about MPTCP; `false`: plain TCP. */
  readonly mptcp?: boolean | MptcpOptions;
  /** Fixed buffers and the like. */
  readonly experiments?: Experiments;
}

/** What a link is like in one direction, or in both. */
export interface ScenarioShape {
  /** What it carries, counting whole IP packets; without it: no limit. */
  readonly rate?: Rate;
  /** Rates that change at known times, in place of `rate`. */
  readonly schedule?: readonly RateStep[];
  /** After how long the schedule begins again. */
  readonly scheduleEvery?: Duration;
  /** Times in milliseconds at which a packet of 1,500 bytes goes (Mahimahi), in place of `rate`. */
  readonly trace?: readonly number[];
  /** How long a packet is under way, one way. @default {"0 ms"} */
  readonly delay?: Duration;
  /** Share of packets lost at random, 0 to 1. */
  readonly loss?: number;
  /** Packets that wait at most, or other limits. */
  readonly queue?: number | QueueLimit;
  /** Random early detection in place of a queue. */
  readonly red?: RedOptions;
  /** CoDel in place of a queue. */
  readonly codel?: CodelOptions;
  /** Random delay on top, up to this. */
  readonly jitter?: Duration;
  /** Share of packets that are late, and by how much. */
  readonly reorder?: { readonly probability: number; readonly by: Duration };
  /** Share of packets that come twice, 0 to 1. */
  readonly duplicate?: number;
  /** Share of packets with one bit flipped, 0 to 1. */
  readonly corrupt?: number;
  /** Share of packets marked "congestion experienced", 0 to 1. */
  readonly mark?: number;
  /** Losses in bursts. */
  readonly gilbertElliott?: GilbertElliottOptions;
  /** Exactly these packets are lost: "..x." and so on, again and again. */
  readonly lossMask?: string;
  /** Elements that a program has made, behind all others. */
  readonly elements?: readonly ElementFactory[];
}

/** A link of a scenario. */
export interface ScenarioLink extends ScenarioShape, LinkShape {
  /** The two hosts or routers that it joins. Forward is from the first to the second. */
  readonly between: readonly [string, string];
  /** What is different forward. */
  readonly forward?: ScenarioShape;
  /** What is different backward. */
  readonly backward?: ScenarioShape;
}

/** Something that happens at a time. */
export type ScenarioEvent =
  | {
    /** When. */
    readonly at: Duration;
    /** Nothing comes through any more, or something does again; nobody is told. */
    readonly do: "cut" | "restore";
    /** The link. */
    readonly link: string;
    /** Which direction. @default both */
    readonly direction?: "forward" | "backward";
  }
  | {
    /** When. */
    readonly at: Duration;
    /** The link changes. */
    readonly do: "set";
    /** The link. */
    readonly link: string;
    /** Which direction. @default both */
    readonly direction?: "forward" | "backward";
    /** From then on. */
    readonly rate?: Rate;
    /** From then on. */
    readonly delay?: Duration;
    /** From then on. */
    readonly loss?: number;
    /** From then on. */
    readonly queue?: number | QueueLimit;
  }
  | {
    /** When. */
    readonly at: Duration;
    /** The host's interface goes down, or comes up; its path manager is told. */
    readonly do: "down" | "up";
    /** The host. */
    readonly host: string;
    /** Its link. */
    readonly link: string;
  }
  | {
    /** When. */
    readonly at: Duration;
    /** The host gets an address on a link, "10.0.0.9/24", or loses one; its path manager is told. */
    readonly do: "add-address" | "remove-address";
    /** The host. */
    readonly host: string;
    /** Its link. */
    readonly link: string;
    /** The address; to add, with its prefix. */
    readonly address: string;
  };

/** What all traffic has. */
export interface TrafficBase {
  /** The host that opens the connections. */
  readonly client: string;
  /** The host that accepts them. */
  readonly server: string;
  /** When it begins. @default {"0 s"} */
  readonly start?: Duration;
}

/** What all traffic has that goes over connections. */
export interface ConnectionTraffic extends TrafficBase {
  /** What both ends' writes tell the scheduler, as `hint` of `write()`: a class, a deadline, whatever it makes of a number. @default {0} none */
  readonly hint?: number;
}

/** How long bursts and pauses are: as said, evenly from 0 to twice that, or exponentially. */
export type Spacing = "fixed" | "uniform" | "exponential";

/** As much as fits: a number of bytes, or until the end. */
export interface BulkTraffic extends ConnectionTraffic {
  /** Its kind. */
  readonly kind: "bulk";
  /** Bytes in each direction that sends. @default until the end of the scenario */
  readonly bytes?: Size;
  /** Who sends: the server (down), the client (up), or both. @default {"down"} */
  readonly direction?: "down" | "up" | "both";
  /** Connections at once, 1 to 1000. @default {1} */
  readonly connections?: number;
}

/** Bursts as large as fit, and pauses, on one connection. */
export interface OnOffTraffic extends ConnectionTraffic {
  /** Its kind. */
  readonly kind: "on-off";
  /** Length of a burst. */
  readonly on: Duration;
  /** Length of a pause. */
  readonly off: Duration;
  /** How even they are. @default {"exponential"} */
  readonly spread?: Spacing;
  /** Who sends. @default {"down"} */
  readonly direction?: "down" | "up";
}

/** A question and an answer, again and again. */
export interface RequestTraffic extends ConnectionTraffic {
  /** Its kind. */
  readonly kind: "requests";
  /** Bytes of an answer. */
  readonly bytes: Size;
  /** Bytes of a question. @default {200} */
  readonly request?: Size;
  /** How many. @default until the end of the scenario */
  readonly count?: number;
  /** A question every so often, answered or not. Without: each waits for the answer before. */
  readonly every?: Duration;
  /** Without `every`: the pause after an answer. @default {"0 s"} */
  readonly think?: Duration;
  /** One connection for all, or one for each. @default {"kept"} */
  readonly connection?: "kept" | "fresh";
}

/** Messages at their times, whether those before have arrived or not: telemetry, games, a stream of frames. */
export interface MessageTraffic extends ConnectionTraffic {
  /** Its kind. A stream has a deadline. */
  readonly kind: "messages" | "stream";
  /** Bytes of one. */
  readonly bytes: Size;
  /** From one to the next. */
  readonly every: Duration;
  /** How even that is. @default {"fixed"} */
  readonly spread?: Spacing;
  /** How many. @default until the end of the scenario */
  readonly count?: number;
  /** What takes longer is late. A stream needs one. */
  readonly deadline?: Duration;
  /** Who sends. @default {"down"} */
  readonly direction?: "down" | "up";
}

/** Pages: a document, then its objects over several connections, as HTTP/1.1 does. */
export interface PageTraffic extends ConnectionTraffic {
  /** Its kind. */
  readonly kind: "pages";
  /** Bytes of the document. @default {"30 kB"} */
  readonly document?: Size;
  /** Bytes of the objects, which are asked for when the document has come. */
  readonly objects: readonly Size[];
  /** Connections at once, 1 to 100. @default {6} */
  readonly connections?: number;
  /** How many pages. @default {1} */
  readonly count?: number;
  /** Pause after each. @default {"1 s"} */
  readonly think?: Duration;
}

/** Video by chunks, as DASH does: a player that keeps its buffer full, and chooses the bitrate by what is in it. */
export interface VideoTraffic extends ConnectionTraffic {
  /** Its kind. */
  readonly kind: "video";
  /** Bitrates to choose from, low to high. With one there is no choice. */
  readonly bitrates: readonly Rate[];
  /** Playing time of a chunk. @default {"2 s"} */
  readonly chunk?: Duration;
  /** Playing time that is kept. @default {"10 s"} */
  readonly buffer?: Duration;
  /** How many chunks. @default until the end of the scenario */
  readonly count?: number;
}

/** Datagrams at a constant rate that nothing slows down: UDP, in bursts if there are pauses. */
export interface CbrTraffic extends TrafficBase {
  /** Its kind. */
  readonly kind: "cbr";
  /** Rate of IP packets while it sends. */
  readonly rate: Rate;
  /** Bytes of an IP packet, 40 to 65535. @default {1500} */
  readonly packet?: number;
  /** Length of a burst. @default without pauses */
  readonly on?: Duration;
  /** Length of a pause. */
  readonly off?: Duration;
  /** How even they are. @default {"fixed"} */
  readonly spread?: Spacing;
  /** Who sends. @default {"down"} */
  readonly direction?: "down" | "up";
}

/** What goes over the network. */
export type Traffic =
  | BulkTraffic
  | OnOffTraffic
  | RequestTraffic
  | MessageTraffic
  | PageTraffic
  | VideoTraffic
  | CbrTraffic;

/** A way that packets take, whatever is shortest. */
export interface ScenarioRoute {
  /** The router. */
  readonly at: string;
  /** A host, an address or a prefix. */
  readonly to: string;
  /** The link. */
  readonly over: string;
  /** Only packets with this codepoint, 0 to 63. */
  readonly dscp?: number;
}

/** A network, what happens to it, and what goes over it. */
export interface Scenario {
  /** What it is called in results. */
  readonly name?: string;
  /** What it is for. */
  readonly about?: string;
  /** Seed of all randomness. @default {1} */
  readonly seed?: number;
  /** How long it lasts at most. @default until all traffic is done, which then must have an end */
  readonly duration?: Duration;
  /** Family of addresses. @default {4} */
  readonly family?: 4 | 6;
  /** The hosts by name. */
  readonly hosts?: Readonly<Record<string, ScenarioHost>>;
  /** Names of the routers. */
  readonly routers?: readonly string[];
  /** The links by name. */
  readonly links?: Readonly<Record<string, ScenarioLink>>;
  /** A dumbbell besides: hosts "left1" to "leftN" and "right1" to "rightN", link "bottleneck". */
  readonly dumbbell?: {
    /** Hosts on each side. */
    readonly pairs: number;
    /** The link that all share. */
    readonly bottleneck: ScenarioShape;
    /** Those of the hosts. */
    readonly access?: ScenarioShape;
  };
  /** A fat tree besides: hosts "host P.E.H". */
  readonly fatTree?: {
    /** Ports of a switch. */
    readonly k: number;
    /** All its links. */
    readonly links: ScenarioShape;
  };
  /** Ways that packets take, whatever is shortest. */
  readonly routes?: readonly ScenarioRoute[];
  /** What happens when. */
  readonly events?: readonly ScenarioEvent[];
  /** What goes over the network, by name. */
  readonly traffic: Readonly<Record<string, Traffic>>;
}

/**
 * Where in a scenario something is wrong, and what.
 *
 * @example
 * ```ts
 * import { measure, ScenarioError } from "@mptcp/mptcp/sim";
 * import { assertEquals, assertThrows } from "@std/assert";
 *
 * const error = assertThrows(
 *   () =>
 *     measure({
 *       hosts: { phone: {}, server: {} },
 *       links: { wifi: { between: ["phone", "server"], rate: "fast" as "1 Mbit/s" } },
 *       traffic: { download: { kind: "bulk", client: "phone", server: "server" } },
 *     }),
 *   ScenarioError,
 * );
 * assertEquals(error.path, ["links", "wifi"]);
 * ```
 */
export class ScenarioError extends Error {
  /** The members that lead there: ["links", "wifi", "rate"]. */
  readonly path: readonly (string | number)[];

  /** Makes the error. */
  constructor(path: readonly (string | number)[], message: string) {
    super(`${path.length === 0 ? "the scenario" : path.join(".")}: ${message}`);
    this.name = "ScenarioError";
    this.path = path;
  }
}

/**
 * Does `work`, and tells where in the scenario its error belongs. What "Cannot …" says that the place does not, a name or a value in quotes, stays.
 */
export function within<T>(path: readonly (string | number)[], work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof ScenarioError || !(error instanceof Error)) throw error;
    throw new ScenarioError(path, error.message.replace(/^Cannot (?:[^\s"']+ )+?(?:as|by) /, ""));
  }
}
