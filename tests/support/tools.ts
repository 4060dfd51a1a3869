/**
 * The external programs that tests and the command start, and what becomes of a test where one is missing: it is skipped and its name says why;
 * under CI=true it fails.
 */

import { describe, it } from "@std/testing/bdd";
import { isInstalled, whyNoLab } from "../../cli/namespace.ts";

/** Programs that have to be installed, and the packages of Debian that hold them. `.ci/run` installs these and no others. */
export const TOOLS = {
  chromium: "chromium",
  curl: "curl",
  git: "git",
  ip: "iproute2",
  ip6tables: "iptables",
  iperf3: "iperf3",
  iptables: "iptables",
  mptcpize: "mptcpize",
  nft: "nftables",
  nstat: "iproute2",
  ping: "iputils-ping",
  promtool: "prometheus",
  python3: "python3",
  ss: "iproute2",
  ssh: "openssh-client",
  "ssh-keygen": "openssh-client",
  sshd: "openssh-server",
  tc: "iproute2",
  tcpdump: "tcpdump",
  tshark: "tshark",
} as const;

/** Programs that come by npm, and what brings them: `.ci/run` installs `bun`, and runs on a machine that has `node`. */
export const FROM_NPM = {
  bun: "npm install --global bun",
  node: "https://nodejs.org/, 20 or newer",
} as const;

/** Programs that every Debian has, and the packages that hold them: `tests/programs_test.ts` asks dpkg whether they are essential. */
export const ESSENTIAL = {
  "apt-get": "apt",
  cat: "coreutils",
  "dpkg-deb": "dpkg",
  "dpkg-query": "dpkg",
  mount: "mount",
  prlimit: "util-linux",
  script: "bsdutils",
  setpriv: "util-linux",
  sh: "dash",
  sha256sum: "coreutils",
  sleep: "coreutils",
  stdbuf: "coreutils",
  timeout: "coreutils",
  true: "coreutils",
  unshare: "util-linux",
} as const;

/** What a test can need: "kernel" is network namespaces, TUN devices, the kernel's MPTCP and iproute2; the others are programs. */
export type Need =
  | "kernel"
  | keyof typeof TOOLS
  | keyof typeof FROM_NPM
  | keyof typeof ESSENTIAL;

/** The first of these that is not to be had here, and what to do about it; null if all are. */
export function missing(...what: readonly Need[]): string | null {
  for (const need of what) {
    if (need === "kernel") {
      const reason = whyNoLab();
      if (reason !== null) return `a kernel to talk to: ${reason}`;
    } else if (!isInstalled(need)) {
      return need in FROM_NPM
        ? `${need}: ${FROM_NPM[need as keyof typeof FROM_NPM]}`
        : `${need}: apt-get install ${{ ...TOOLS, ...ESSENTIAL }[need as keyof typeof TOOLS]}`;
    }
  }
  return null;
}

/** How tests are declared that need something. */
export interface Needing {
  /** Declares a suite. */
  describe(name: string, declare: () => void): void;
  /** Declares a test. */
  it(name: string, test: () => void | Promise<void>): void;
}

/** Declares suites and tests that need something: `needs("kernel", "ping").it("answers", …)`. */
export function needs(...what: readonly Need[]): Needing {
  const lacking = missing(...what);
  if (lacking === null) return { describe, it };
  if (Deno.env.get("CI") === "true") {
    const fail = (): void => {
      throw new Error(`Cannot run as this needs ${lacking}`);
    };
    return {
      describe: (name) => describe(name, () => it("has what it needs", fail)),
      it: (name) => it(name, fail),
    };
  }
  const skipped = (name: string): string => `${name} (needs ${lacking})`;
  return {
    describe: (name, declare) => describe.ignore(skipped(name), declare),
    it: (name, test) => it.ignore(skipped(name), test),
  };
}
