/** A connection without a stack: its host only notes what it is asked for. */

import { reno } from "../../cc/mod.ts";
import type {
  ConnectionHost,
  Experiments,
  FastOpenMemory,
  FlowNumbers,
  FlowPlan,
  MemoryLimits,
} from "../../core/connection/host.ts";
import { MetaSocket } from "../../core/connection/meta_socket.ts";
import { type GuardedPolicies, type Policies, PolicyGuard } from "../../core/guard/policies.ts";
import type { GuardedSchedulerPlugin } from "../../core/guard/scheduler.ts";
import { FirstPaths } from "../../core/host/first_paths.ts";
import { Callback, TimerQueue } from "../../core/host/timers.ts";
import type { GuardedCongestionControlPlugin } from "../../core/guard/congestion.ts";
import type {
  CongestionControlPlugin,
  HostAddress,
  Micros,
  SchedulerPlugin,
} from "../../core/plugin.ts";
import type { Subflow } from "../../core/subflow/subflow.ts";
import type { Key } from "../../core/wire/mptcp.ts";
import { passive } from "../../pm/mod.ts";
import { minRtt } from "../../sched/mod.ts";
import { SOUND } from "../guard/support.ts";
import { type Choices, choose } from "./choices.ts";
import { FakeHost, subflowParts } from "./parts.ts";

const POLICIES = { scheduler: minRtt(), pathManager: passive(), congestionControl: reno() };
const GUARD = new PolicyGuard(POLICIES, POLICIES, SOUND);

/** Plugins of a connection, the usual ones where none is named. */
export function guarded(named?: Partial<Policies>): GuardedPolicies {
  return GUARD.all(named);
}

/** A host that notes what its connection asks for. */
export class FakeConnectionHost extends FakeHost implements ConnectionHost {
  now: Micros = 0;
  readonly timers: TimerQueue = new TimerQueue();
  readonly addresses: readonly HostAddress[] = [];
  readonly memory: MemoryLimits = {};
  readonly experiments: Experiments;
  readonly asked: string[] = [];
  /** Times that a connection was queued for a pass. */
  queued = 0;

  constructor(experiments: Experiments = {}) {
    super();
    this.experiments = experiments;
  }

  alarm(): Callback {
    return new Callback(() => this.asked.push("alarm"));
  }

  randomWord(): number {
    return 1;
  }

  flowNumbers(): FlowNumbers {
    return { iss: 1, timestampOffset: 0 };
  }

  lookElsewhere(): void {}

  nextConnection(): number {
    return 1;
  }

  newKey(): Key {
    return { high: 1, low: 2 };
  }

  route(): string | null {
    return null;
  }

  swallows(): boolean {
    return false;
  }

  swallowed(): void {}

  passed(): void {}

  holdPort(): void {}

  holdsPort(): boolean {
    return false;
  }
  releasePort(): void {}

  releasePorts(): void {}

  readonly fastOpens: FastOpenMemory = {
    offer: () => null,
    learned: () => this.asked.push("learned"),
    worked: () => this.asked.push("worked"),
    failed: () => this.asked.push("failed"),
  };

  proved(): void {
    this.asked.push("proved");
  }

  readonly halfOpenJoins = { crowded: false, begun() {}, over: () => false };

  planFlow(): FlowPlan | null {
    return null;
  }

  planFirst(): FlowPlan | null {
    return null;
  }

  readonly firstPaths = new FirstPaths();

  register(): boolean {
    return true;
  }

  refuse(): void {
    this.asked.push("refuse");
  }

  claimToken(): void {
    this.asked.push("claim");
  }

  onStray(address: string): () => void {
    this.asked.push(`watch ${address}`);
    return () => this.asked.push(`unwatch ${address}`);
  }

  releaseToken(): void {
    this.asked.push("release");
  }

  flush(): void {
    this.asked.push("flush");
  }

  dirty(): void {
    this.queued++;
  }

  mayOpen(): boolean {
    return true;
  }

  opened(): void {
    this.asked.push("opened");
  }

  at(): () => void {
    return () => {};
  }

  guardScheduler(plugin: SchedulerPlugin): GuardedSchedulerPlugin {
    return GUARD.scheduler(plugin);
  }

  guardCongestionControl(plugin: CongestionControlPlugin): GuardedCongestionControlPlugin {
    return GUARD.congestionControl(plugin);
  }

  report(plugin: string): void {
    this.asked.push(`report ${plugin}`);
  }

  closed(): void {
    this.asked.push("closed");
  }
}

/** A connection without subflows, its host, and what it has told its observer. */
export interface Lone {
  readonly meta: MetaSocket;
  readonly host: FakeConnectionHost;
  readonly told: string[];
}

/** A connection that nobody has opened. */
export function connection(
  role: "client" | "server" = "client",
  choices: Choices = {},
): Lone {
  const { experiments, mptcp } = choose(choices);
  const host = new FakeConnectionHost(experiments);
  const told: string[] = [];
  const meta = new MetaSocket(
    host,
    role,
    { address: "10.0.0.1", port: 1000 },
    { address: "10.0.0.2", port: 80 },
    GUARD.all(undefined),
    {
      onEstablished: () => told.push("established"),
      onReadable: () => told.push("readable"),
      onWritable: () => told.push("writable"),
      onClosed: (code) => told.push(`closed ${code}`),
    },
    undefined,
    mptcp,
  );
  return { meta, host, told };
}

/** The same when its first subflow has joined it. */
export function joinedBy(choices: Choices = {}): Lone & { readonly subflow: Subflow } {
  const parts = connection("client", choices);
  const { subflow } = subflowParts();
  parts.meta.begin(subflow);
  parts.meta.joined(subflow);
  return { ...parts, subflow };
}
