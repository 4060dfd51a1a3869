/** Suites that need a kernel: where it is missing they are skipped and say why; under CI=true that is a failure. */

import { describe, it } from "@std/testing/bdd";
import { whyNoLab } from "../../../cli/namespace.ts";

/** Programs that tests run, and the packages of Debian that hold them. */
const PACKAGES = {
  capsh: "libcap2-bin",
  curl: "curl",
  ip6tables: "iptables",
  iperf3: "iperf3",
  iptables: "iptables",
  mptcpize: "mptcpize",
  python3: "python3",
  tcpdump: "tcpdump",
  tshark: "tshark",
} as const;

/** One of them. */
export type Program = keyof typeof PACKAGES;

function isThere(program: string): boolean {
  return (Deno.env.get("PATH") ?? "").split(":").some((folder) => {
    try {
      return Deno.statSync(`${folder}/${program}`).isFile;
    } catch {
      return false;
    }
  });
}

function whyNot(programs: readonly Program[]): string | null {
  const lab = whyNoLab();
  if (lab !== null) return lab;
  const missing = programs.find((program) => !isThere(program));
  if (missing === undefined) return null;
  return `the program ${missing} is missing: \`apt-get install ${PACKAGES[missing]}\``;
}

/** Declares a suite that needs network namespaces, TUN devices, the kernel's MPTCP, Python, and `programs`. */
export function describeWithKernel(
  name: string,
  declare: () => void,
  programs: readonly Program[] = [],
): void {
  const missing = whyNot(["python3", ...programs]);
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
