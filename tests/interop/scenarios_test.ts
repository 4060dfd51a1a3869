import { assertEquals } from "@std/assert";
import { it } from "@std/testing/bdd";
import { needs } from "../support/tools.ts";
import { SCENARIOS } from "./scenarios/list.ts";
import { runScenarios } from "./scenarios/run.ts";
import type { Role } from "./scenarios/scenario.ts";

/** Those that are quick and differ most; `deno task interop --all` runs all. */
const CHOICE: Readonly<Record<"client" | "server", readonly string[]>> = {
  client: [
    "single subflow, dev",
    "subflow and signal",
    "fullmesh test 1x2",
    "single address IPv6",
    "signal address IPv4-mapped",
    "simult IPv4 and IPv6 subflows",
    "subflow and signal w cookies",
    "signal address allow join id0 ns2",
    "flush addresses",
    "signal address with port",
  ],
  server: [
    "subflow and signal",
    "single subflow v4-map-v6",
    "multiple subflows with syn cookies",
    "remove subflows and signal",
    "remove id 0 address",
    "add multiple addresses IPv6",
    "single subflow, backup",
    "mpc backup",
    "fastclose server test",
    "delete and re-add",
  ],
};

needs("kernel", "python3").describe("a choice of scenarios with the kernel", () => {
  for (const role of ["client", "server"] as const) {
    it(`pass, as ${role}`, async () => {
      const chosen = CHOICE[role].map((name) => SCENARIOS.find((each) => each.name === name)!);
      const roles: Role[] = [role];
      const outcomes = await runScenarios(chosen, { roles, lanes: 3 });
      const wrong = outcomes.flatMap(({ scenario, wrong }) =>
        (wrong ?? ["not run"]).map((text) => `${scenario.name}: ${text}`)
      );
      assertEquals(wrong, []);
    });
  }
});
