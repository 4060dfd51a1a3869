/**
 * Scenarios of `endpoints()` under the names that the kernel's own tests have: two hosts with four addresses each, one of which opens paths and one announces
 * addresses, in either role. What is counted goes by the names of Linux's MIB.
 */

import { loss } from "../../core/link/sim/elements/loss.ts";
import type { Stack } from "../../core/host/stack.ts";
import { type Endpoints, endpoints, type EndpointsOptions } from "../../pm/mod.ts";
import { Topology } from "../support/topology.ts";

/** A side of a scenario. */
export type Side = "client" | "server";

/** The n-th address of a side, from 0 on; from `first` on those of the other family than the connection's. */
export function addressOf(side: Side, n: number, family: 4 | 6 = 4): string {
  if (family === 4) return side === "client" ? `10.0.${n + 1}.1` : `10.0.0.${n + 1}`;
  return side === "client" ? `fd00:0:0:${n + 1}::1` : `fd00::${n + 1}`;
}

/** One run: a connection that lives for ten seconds, and what its ends are told meanwhile. */
export interface Plan {
  /** Who opens paths; the other announces. */
  readonly opener: Side;
  /** Of the first subflow. @default {4} */
  readonly family?: 4 | 6;
  /** Both hosts have addresses of the other family as well. */
  readonly both?: boolean;
  /** Of who opens, as a function of its addresses. */
  readonly opens?: EndpointsOptions;
  /** Of who announces. */
  readonly announces?: EndpointsOptions;
  /** C flag of who announces. */
  readonly deny?: boolean;
}

/** What may be done to a run. */
export class Scenario implements Disposable {
  readonly topology: Topology;
  /** Those of who opens, and of who announces. */
  readonly opens: Endpoints;
  readonly announces: Endpoints;
  readonly #plan: Plan;
  readonly #pair: ReturnType<Topology["connect"]>;

  constructor(plan: Plan) {
    this.#plan = plan;
    const { opener, family = 4, both = false } = plan;
    this.opens = endpoints(plan.opens);
    this.announces = endpoints(plan.announces);
    const client = opener === "client" ? this.opens : this.announces;
    const server = opener === "client" ? this.announces : this.opens;
    const path = { rate: "4 Mbit/s", delay: "5 ms", elements: [loss(0)] } as const;
    this.topology = new Topology({
      family,
      paths: { a: path, b: path, c: path, d: path },
      policies: { pathManager: client },
      serverPolicies: { pathManager: server },
    });
    const { topology } = this;
    for (const own of both ? [4, 6] as const : [family]) {
      const bits = own === 4 ? 24 : 64;
      const network = (address: string): string => `${address}/${bits}`;
      if (own !== family) {
        topology.router.route(network(addressOf("server", 0, own)), topology.inner);
        Object.values(topology.paths).forEach((link, n) => {
          const address = network(addressOf("client", n, own));
          topology.router.route(address, link);
          this.#own("client", address, n);
        });
      }
      for (let n = own === family ? 1 : 0; n < 4; n++) {
        this.#own("server", network(addressOf("server", n, own)), 0);
      }
    }
    // One that nothing leads to.
    this.#own("client", "10.9.1.1/24", 0);
    this.#own("server", "10.9.0.1/24", 0);
    this.#pair = topology.connect(
      { bytes: 160e3, writes: () => 4000, pace: 0.25 },
      { bytes: 160e3, writes: () => 4000, pace: 0.25 },
    );
  }

  /** The links' ends are in the order in which they were added. */
  #own(side: Side, address: string, link: number): void {
    const stack = this.topology[side];
    stack.addAddress(this.topology.now, [...stack.routes.outlets.keys()][link]!, address);
  }

  /** The stack of who opens. */
  get opener(): Stack {
    return this.topology[this.#plan.opener];
  }

  /** The stack of the other. */
  get announcer(): Stack {
    return this.topology[this.#plan.opener === "client" ? "server" : "client"];
  }

  /** The n-th address of who opens, and of the other. */
  ours(n: number, family: 4 | 6 = this.#plan.family ?? 4): string {
    return addressOf(this.#plan.opener, n, family);
  }

  theirs(n: number, family: 4 | 6 = this.#plan.family ?? 4): string {
    return addressOf(this.#plan.opener === "client" ? "server" : "client", n, family);
  }

  /** Subflows at who opens, as pairs of the numbers of their addresses, "2>0", with "b" for a backup. */
  get subflows(): string[] {
    const end = this.#plan.opener === "client" ? this.#pair.client : this.#pair.server();
    const number = (address: string): string => {
      for (const side of ["client", "server"] as const) {
        for (const family of [4, 6] as const) {
          for (let n = 0; n < 4; n++) {
            if (addressOf(side, n, family) === address) return `${n}${family === 6 ? "v6" : ""}`;
          }
        }
      }
      return address;
    };
    return end.socket.subflows.map(({ local, remote, backup }) =>
      `${number(local.address)}>${number(remote.address)}${backup ? " b" : ""}`
    ).sort();
  }

  /** Lets time pass, up to `seconds` since the start. */
  to(seconds: number): void {
    this.topology.runTo(seconds);
  }

  /** Does something from outside, as a program would. */
  do(change: () => void): void {
    change();
    this.topology.wake();
  }

  /** What was counted at who opens. */
  counted(...names: string[]): number[] {
    return names.map((name) => this.opener.counters.get(name));
  }

  /** What was counted at the other. */
  countedThere(...names: string[]): number[] {
    return names.map((name) => this.announcer.counters.get(name));
  }

  /** MPJoinSynTx, MPJoinSynAckRx at who opens, MPJoinAckRx at the other: what `chk_join_nr` looks at. */
  get joins(): number[] {
    return [...this.counted("MPJoinSynTx", "MPJoinSynAckRx"), ...this.countedThere("MPJoinAckRx")];
  }

  /** AddAddr at who opens, EchoAdd at the other. */
  get adds(): number[] {
    return [...this.counted("AddAddr"), ...this.countedThere("EchoAdd")];
  }

  /** All is delivered, nobody did anything wrong. */
  complete(): void {
    this.topology.complete(this.#pair, 60);
  }

  [Symbol.dispose](): void {
    this.topology[Symbol.dispose]();
  }
}
