import { assertEquals } from "@std/assert";
import { it } from "@std/testing/bdd";
import { needs } from "../support/tools.ts";
import { SCENARIOS } from "./scenarios/list.ts";
import { runScenarios } from "./scenarios/run.ts";
import type { Role } from "./scenarios/scenario.ts";

/** Those that are quick and differ most; `deno task interop --all` runs all. */
const CHOICE: Readonly<Record<"client" | "server", readonly string[]>> = {
  client: [
    "subflow and signal w cookies",
    "fullmesh test 1x2",
    "single address IPv6",
    "flush addresses",
    "signal address with port",
  ],
  server: [
    "single subflow v4-map-v6",
    "remove subflows and signal",
    "single address with port, backup",
    "fastclose server test",
    "subflow and address allow join id0 2",
  ],
};

needs("kernel", "python3").describe("a choice of scenarios with the kernel", () => {
  for (const role of ["client", "server"] as const) {
    it(`pass, as ${role}`, async () => {
      const chosen = CHOICE[role].map((name) => SCENARIOS.find((each) => each.name === name)!);
      const roles: Role[] = [role];
      const outcomes = await runScenarios(chosen, { roles, lanes: 2 });
      const wrong = outcomes.flatMap(({ scenario, wrong }) =>
        (wrong ?? ["not run"]).map((text) => `${scenario.name}: ${text}`)
      );
      assertEquals(wrong, []);
    });
  }
});
