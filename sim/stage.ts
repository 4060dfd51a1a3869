/** The network of a scenario, built: stacks on emulated hosts that are stepped by hand, without promises. */

import type { FaultReport } from "../core/guard/faults.ts";
import type { Policies } from "../core/guard/policies.ts";
import { Stack } from "../core/host/stack.ts";
import type { Link } from "../core/host/link.ts";
import { codel } from "../core/link/sim/elements/codel.ts";
import { corrupt } from "../core/link/sim/elements/corrupt.ts";
import { duplicate } from "../core/link/sim/elements/duplicate.ts";
import type { ElementFactory } from "../core/link/sim/elements/element.ts";
import { gilbertElliott } from "../core/link/sim/elements/gilbert_elliott.ts";
import { jitter } from "../core/link/sim/elements/jitter.ts";
import { lossMask } from "../core/link/sim/elements/loss_mask.ts";
import { mark } from "../core/link/sim/elements/mark.ts";
import { rateSchedule } from "../core/link/sim/elements/rate_schedule.ts";
import { rateTrace } from "../core/link/sim/elements/rate_trace.ts";
import { red } from "../core/link/sim/elements/red.ts";
import { reorder } from "../core/link/sim/elements/reorder.ts";
import { segment } from "../core/link/sim/elements/segment.ts";
import type { SimHost } from "../core/link/sim/host.ts";
import type { SimLink } from "../core/link/sim/link.ts";
import { Network } from "../core/link/sim/network.ts";
import { dumbbell, fatTree, type Plan } from "../core/link/sim/plan.ts";
import {
  type Shape,
  type ShapeChange,
  ShapedDirection,
  shapeElements,
} from "../core/link/sim/shape.ts";
import { type Attachment, Topology } from "../core/link/sim/topology.ts";
import type { Trace } from "../core/link/sim/trace.ts";
import { parseDuration } from "../core/link/units.ts";
import { checkPlugin } from "../core/net/load_plugin.ts";
import { checkExperiments } from "../core/net/experiments.ts";
import { mptcpSettings } from "../core/net/mptcp_options.ts";
import { completePolicies, defaultPolicies } from "../core/net/policies.ts";
import { tcpSettings } from "../core/net/tcp_options.ts";
import type { Micros } from "../core/plugin.ts";
import type { Probe } from "../core/subflow/probe.ts";
import {
  type HostPolicies,
  type Scenario,
  ScenarioError,
  type ScenarioEvent,
  type ScenarioHost,
  type ScenarioShape,
  within,
} from "./scenario.ts";

/** One host with its stack. */
export interface StageHost {
  /** Its name. */
  readonly name: string;
  /** On the network. */
  readonly sim: SimHost;
  /** Its stack. */
  readonly stack: Stack;
  /** Its ends of links. */
  readonly attachments: Attachment[];
}

/** One link, with both directions as they may be changed. */
export interface StageLink {
  /** Its name. */
  readonly name: string;
  /** On the network. */
  readonly sim: SimLink;
  /** From the first end to the second. */
  readonly forward: ShapedDirection;
  /** From the second to the first. */
  readonly backward: ShapedDirection;
}

/** What a stage is told. */
export interface StageOptions {
  /** Plugins of the hosts that name none. */
  readonly policies: HostPolicies;
  /** Seed, in place of the scenario's. */
  readonly seed?: number;
  /** Sees every packet. */
  readonly trace?: Trace;
  /** Told what plugins do wrong. */
  readonly report: FaultReport;
  /** A probe for each host. */
  readonly probe?: (host: string) => Probe | undefined;
}

const KINDS = {
  scheduler: "scheduler",
  congestionControl: "congestion-control",
  pathManager: "path-manager",
} as const;

/** The shape of a direction as its elements. */
export function shapeOf(path: readonly (string | number)[], given: ScenarioShape): Shape {
  const at = <T>(name: string, make: () => T): T => within([...path, name], make);
  const { rate, delay, loss, queue } = given;
  const rates = [rate, given.schedule, given.trace].filter((one) => one !== undefined);
  if (rates.length > 1) {
    throw new ScenarioError(path, "it can have one of rate, schedule and trace, not several");
  }
  const queues = [queue, given.red, given.codel].filter((one) => one !== undefined);
  if (queues.length > 1) {
    throw new ScenarioError(path, "it can have one of queue, red and codel, not several");
  }
  if (given.scheduleEvery !== undefined && given.schedule === undefined) {
    throw new ScenarioError([...path, "scheduleEvery"], "there is no schedule that it belongs to");
  }
  const every = given.scheduleEvery;
  const pace = given.schedule !== undefined
    ? at("schedule", () => rateSchedule(given.schedule!, every === undefined ? {} : { every }))
    : given.trace !== undefined
    ? at("trace", () => rateTrace(given.trace!))
    : rate;
  const line = given.red !== undefined
    ? at("red", () => red(given.red!))
    : given.codel !== undefined
    ? at("codel", () => codel(given.codel))
    : queue;
  const elements: ElementFactory[] = [];
  const add = <T>(name: string, value: T | undefined, make: (value: T) => ElementFactory): void => {
    if (value !== undefined) elements.push(at(name, () => make(value)));
  };
  add("jitter", given.jitter, (value) => jitter(value));
  add("reorder", given.reorder, ({ probability, by }) => reorder(probability, by));
  add("gilbertElliott", given.gilbertElliott, gilbertElliott);
  add("lossMask", given.lossMask, (value) => lossMask(value, { repeat: true }));
  add("duplicate", given.duplicate, duplicate);
  add("corrupt", given.corrupt, corrupt);
  add("mark", given.mark, mark);
  elements.push(...given.elements ?? []);
  return {
    ...(pace !== undefined && { rate: pace }),
    ...(line !== undefined && { queue: line }),
    ...(delay !== undefined && { delay }),
    ...(loss !== undefined && { loss }),
    ...(elements.length > 0 && { elements }),
  };
}

/** What is different in one direction takes the place of what it excludes in both. */
function overlay(common: ScenarioShape, own: ScenarioShape = {}): ScenarioShape {
  const result: Record<string, unknown> = { ...common };
  const paces = ["rate", "schedule", "scheduleEvery", "trace"] as const;
  const lines = ["queue", "red", "codel"] as const;
  for (const group of [paces, lines]) {
    if (group.some((name) => own[name as keyof ScenarioShape] !== undefined)) {
      for (const name of group) delete result[name];
    }
  }
  return { ...result, ...own };
}

const NOT_SHAPE = ["between", "forward", "backward", "mtu", "maxSegments", "checksums"];

/** A scenario's network with its stacks, ready to be used. */
export class Stage implements Disposable {
  /** The network. */
  readonly network: Network;
  /** The hosts by name. */
  readonly hosts: ReadonlyMap<string, StageHost>;
  /** The links by name. */
  readonly links: ReadonlyMap<string, StageLink>;
  /** Plugins at work, by name, of the hosts that name none. */
  readonly policies: Policies;
  readonly #topology: Topology;
  readonly #hosts = new Map<string, StageHost>();
  readonly #links = new Map<string, StageLink>();

  /**
   * Builds it; nothing has happened yet.
   *
   * @throws {ScenarioError} Something is wrong with the scenario.
   */
  constructor(scenario: Scenario, options: StageOptions) {
    const seed = options.seed ?? scenario.seed ?? 1;
    this.hosts = this.#hosts;
    this.links = this.#links;
    this.network = within(
      ["seed"],
      () => new Network({ seed, ...(options.trace && { trace: options.trace }) }),
    );
    this.#topology = new Topology(this.network, scenario.family ?? 4);
    this.policies = completePolicies(pluginsOf([], options.policies));
    for (const [name, host] of Object.entries(scenario.hosts ?? {})) {
      this.#addHost(["hosts", name], name, host, options);
    }
    for (const [i, name] of (scenario.routers ?? []).entries()) {
      within(["routers", i], () => this.#topology.router(name));
    }
    const { dumbbell: bell, fatTree: tree } = scenario;
    if (bell !== undefined) {
      const { pairs, bottleneck, access } = bell;
      this.#addPlan(
        ["dumbbell"],
        within(["dumbbell"], () =>
          dumbbell({
            pairs,
            bottleneck: shapeOf(["dumbbell", "bottleneck"], bottleneck),
            ...(access && { access: shapeOf(["dumbbell", "access"], access) }),
          })),
        options,
      );
    }
    if (tree !== undefined) {
      const links = shapeOf(["fatTree", "links"], tree.links);
      const plan = within(["fatTree"], () => fatTree({ k: tree.k, links }));
      this.#addPlan(["fatTree"], plan, options);
    }
    for (const [name, link] of Object.entries(scenario.links ?? {})) {
      const path = ["links", name];
      const common: ScenarioShape = Object.fromEntries(
        Object.entries(link).filter(([key]) => !NOT_SHAPE.includes(key)),
      );
      const shapes = (["forward", "backward"] as const).map((side) =>
        shapeOf(link[side] === undefined ? path : [...path, side], overlay(common, link[side]))
      );
      this.#addLink(path, name, link.between, shapes[0]!, shapes[1]!, link);
    }
    this.#topology.settle();
    for (const [i, { at, to, over, dscp }] of (scenario.routes ?? []).entries()) {
      within(["routes", i], () => this.#topology.want(at, to, over, dscp));
    }
    for (const [i, event] of (scenario.events ?? []).entries()) {
      this.#schedule(["events", i], event);
    }
    for (const { sim, stack } of this.#hosts.values()) sim.start(stack);
  }

  /** Virtual time. */
  get now(): Micros {
    return this.network.now;
  }

  /** A host by name; `path` is where the scenario names it. */
  host(path: readonly (string | number)[], name: string): StageHost {
    const host = this.#hosts.get(name);
    if (host !== undefined) return host;
    const names = [...this.#hosts.keys()];
    throw new ScenarioError(path, `there is no host "${name}": the hosts are ${someOf(names)}`);
  }

  /** Calls back at a time; what `work` does at a host is sent at the end of the event. */
  at(time: Micros, host: StageHost, work: () => void): () => void {
    return this.network.clock.at(time, () => {
      host.sim.touch();
      work();
    });
  }

  /** Ends everything and gives memory back. */
  [Symbol.dispose](): void {
    for (const { stack } of this.#hosts.values()) stack.close(this.now);
    this.network.close();
    for (const { stack } of this.#hosts.values()) stack.free();
  }

  #addHost(
    path: readonly (string | number)[],
    name: string,
    host: ScenarioHost,
    options: StageOptions,
  ): void {
    const own = pluginsOf(path, host);
    const probe = options.probe?.(name);
    const experiments = within(
      [...path, "experiments"],
      () => checkExperiments("use it", host.experiments),
    );
    const stack = new Stack({
      policies: { ...this.policies, ...own },
      fallbacks: defaultPolicies(),
      tcp: within([...path, "tcp"], () => tcpSettings("use it", host.tcp)),
      mptcp: within([...path, "mptcp"], () => mptcpSettings("use it", host.mptcp)),
      ...(experiments && { experiments }),
      ...(probe && { probe }),
      report: options.report,
      random: (stream) => this.network.randomSource(`${name}/${stream}`),
    });
    const sim = within(path, () => this.#topology.host(name));
    this.#hosts.set(name, { name, sim, stack, attachments: [] });
  }

  #addPlan(path: readonly string[], plan: Plan, options: StageOptions): void {
    for (const name of plan.hosts) {
      if (!this.#hosts.has(name)) this.#addHost(path, name, {}, options);
    }
    for (const name of plan.routers) within(path, () => this.#topology.router(name));
    for (
      const [name, { between, forward: _f, backward: _b, ...shape }] of Object.entries(plan.links)
    ) {
      this.#addLink(path, name, between, shape, shape, {});
    }
  }

  #addLink(
    path: readonly (string | number)[],
    name: string,
    between: readonly [string, string],
    forward: Shape,
    backward: Shape,
    given: { readonly mtu?: number; readonly maxSegments?: number; readonly checksums?: boolean },
  ): void {
    const elements = (shape: Shape): ElementFactory[] => {
      const made = within(path, () => shapeElements("use it", shape));
      return made.length > 0 && (given.maxSegments ?? 1) > 1 ? [segment(), ...made] : made;
    };
    const { mtu, maxSegments, checksums } = given;
    const { link, ends } = within([...path], () =>
      this.#topology.link(name, between, {
        ...(mtu !== undefined && { mtu }),
        ...(maxSegments !== undefined && { maxSegments }),
        ...(checksums !== undefined && { checksums }),
        forward: elements(forward),
        backward: elements(backward),
      }));
    this.#links.set(name, {
      name,
      sim: link,
      forward: new ShapedDirection(link.forward, forward),
      backward: new ShapedDirection(link.backward, backward),
    });
    for (const end of ends) {
      const { stack, attachments } = this.#hosts.get(end.host.name)!;
      end.link.attach(end.host);
      stack.addLink(0, end.link, [end.prefix]);
      attachments.push(end);
    }
  }

  #link(path: readonly (string | number)[], name: string): StageLink {
    const link = this.#links.get(name);
    if (link !== undefined) return link;
    throw new ScenarioError(
      [...path, "link"],
      `there is no link "${name}": the links are ${someOf([...this.#links.keys()])}`,
    );
  }

  #schedule(path: readonly (string | number)[], event: ScenarioEvent): void {
    const time = within([...path, "at"], () => parseDuration(event.at));
    const link = this.#link(path, event.link);
    if ("host" in event) {
      const host = this.host([...path, "host"], event.host);
      const end = host.attachments.find(({ link }) => link.name === event.link)?.link;
      if (end === undefined) {
        const own = host.attachments.map(({ link }) => link.name);
        throw new ScenarioError(
          [...path, "link"],
          `host "${host.name}" is not on it: its links are ${someOf(own)}`,
        );
      }
      this.at(time, host, () => this.#change(host, end, event));
      return;
    }
    const directions = event.direction === undefined
      ? [link.forward, link.backward]
      : [link[event.direction]];
    if (event.do === "set") {
      const { at: _at, do: _do, link: _link, direction: _direction, ...change } = event;
      if (Object.keys(change).length === 0) {
        throw new ScenarioError(path, "it sets nothing: give one of rate, delay, loss, queue");
      }
      for (const direction of directions) {
        within(path, () => direction.check(`link "${event.link}"`, change as ShapeChange));
      }
      this.network.clock.at(time, () => {
        for (const direction of directions) direction.set(change as ShapeChange);
      });
      return;
    }
    this.network.clock.at(time, () => {
      for (const direction of directions) {
        if (event.do === "cut") direction.cut();
        else direction.restore();
      }
    });
  }

  #change(
    host: StageHost,
    link: Link,
    event: Extract<ScenarioEvent, { readonly host: string }>,
  ): void {
    const { stack } = host;
    const { now } = this;
    if (event.do === "add-address") stack.addAddress(now, link, event.address);
    else if (event.do === "remove-address") {
      stack.removeAddress(now, event.address.replace(/\/.*$/, ""));
    } else stack.setLinkUp(now, link, event.do === "up");
  }
}

/** Some names as an error lists them. */
function someOf(names: readonly string[]): string {
  const shown = names.slice(0, 12).join(", ");
  return names.length === 0 ? "none" : names.length > 12 ? `${shown}, …` : shown;
}

/** The plugins that are named, as themselves. */
function pluginsOf(path: readonly (string | number)[], given: HostPolicies): Partial<Policies> {
  const plugins: Record<string, unknown> = {};
  for (const name of ["scheduler", "congestionControl", "pathManager"] as const) {
    const plugin = given[name];
    if (plugin === undefined) continue;
    if (typeof plugin === "string") {
      throw new ScenarioError(
        [...path, name],
        `"${plugin}" is a text: loadScenario() makes the plugin of it that measure() takes`,
      );
    }
    plugins[name] = within([...path, name], () => checkPlugin(KINDS[name], plugin));
  }
  return plugins as Partial<Policies>;
}
