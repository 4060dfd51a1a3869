/** Suites that need a kernel: where it is missing they are skipped and say why; under CI=true that is a failure. */

import { describe, it } from "@std/testing/bdd";
import { whyNoLab } from "../../../cli/namespace.ts";

/** Declares a suite that needs network namespaces, TUN devices and the kernel's MPTCP. */
export function describeWithKernel(name: string, declare: () => void): void {
  const missing = whyNoLab();
  if (missing === null) {
    describe(name, declare);
  } else if (Deno.env.get("CI") === "true") {
    describe(name, () => {
      it("has what it needs", () => {
        throw new Error(`Cannot run as ${missing}`);
      });
    });
  } else {
    // deno-lint-ignore no-console
    console.log(`Skipped: ${name}, as ${missing}`);
    describe.ignore(name, declare);
  }
}
