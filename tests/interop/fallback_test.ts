import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import type { LabOptions } from "../../cli/lab.ts";
import { needs } from "../support/tools.ts";
import type { PeerJob } from "./support/peer.ts";
import { type Role, Stand } from "./support/stand.ts";

/** Why a connection becomes plain TCP. */
interface Reason {
  readonly lab?: LabOptions;
  /** The peer's socket is one of plain TCP. */
  readonly tcp?: boolean;
  /** Chains of the kernel's side in which a middlebox strips MPTCP from packets, and from which of them. */
  readonly strips?: {
    readonly chains: readonly string[];
    readonly from: "all" | "SYNs" | "others";
  };
}

const MATCH = { all: "", SYNs: "--tcp-flags SYN SYN", others: "--tcp-flags SYN NONE" };

const REASONS: Readonly<Record<string, Reason>> = {
  "the kernel's socket is one of plain TCP": { tcp: true },
  "the kernel's MPTCP is off": { lab: { mptcp: false }, tcp: true },
  "MPTCP is stripped from what the kernel sends": { strips: { chains: ["OUTPUT"], from: "all" } },
  "MPTCP is stripped from what we send": { strips: { chains: ["PREROUTING"], from: "all" } },
  "MPTCP is stripped from all": { strips: { chains: ["OUTPUT", "PREROUTING"], from: "all" } },
  "MPTCP is stripped from SYNs": { strips: { chains: ["OUTPUT", "PREROUTING"], from: "SYNs" } },
  "MPTCP is stripped from all but SYNs": {
    strips: { chains: ["OUTPUT", "PREROUTING"], from: "others" },
  },
};

const KERNEL = "that the kernel sends";

/** Middleboxes that let the handshake pass: who notices depends on who sends. */
const LATE: Readonly<Record<string, Reason>> = {
  [KERNEL]: { strips: { chains: ["OUTPUT"], from: "others" } },
  "that we send": { strips: { chains: ["PREROUTING"], from: "others" } },
};

async function fallsBack(
  role: Role,
  reason: Reason,
  job: PeerJob,
  size: number,
  family: 4 | 6 = 4,
): Promise<void> {
  const { lab, tcp = false, strips } = reason;
  await using stand = await Stand.open({ lab: { endpoints: "none", ...lab } });
  for (const chain of strips?.chains ?? []) {
    const rule = `-t mangle -A ${chain} -p tcp ${MATCH[strips!.from]} -j TCPOPTSTRIP`;
    await stand.lab.exec(["iptables", ...rule.split(/ +/), "--strip-options", "30"]);
  }
  const theirs = job === "sink" ? 0 : size;
  await using meeting = await stand.meet(role, job, { size: theirs, tcp, family });
  const end = await meeting.exchange(job === "source" ? 0 : size);
  assertEquals(end.received + end.sent, job === "both" ? 2 * size : size);
  const { mptcp } = meeting.conn.info();
  assertEquals(mptcp.flags & 1, 1, "info() tells of the fallback");
  assertEquals(mptcp.subflows, 0);
  // The kernel tells nothing of MPTCP on a socket that has fallen back, or says so.
  assert(end.mptcp === null || end.mptcp.fallback);
}

needs("kernel", "python3").describe("plain TCP", () => {
  const size = 16 << 20;
  for (const role of ["client", "server"] as const) {
    describe(`as ${role}`, () => {
      for (const [name, reason] of Object.entries(REASONS)) {
        needs(...(reason.strips ? ["iptables"] as const : []))
          .it(`when ${name}`, () => fallsBack(role, reason, "both", size));
      }
      for (const [name, reason] of Object.entries(LATE)) {
        for (const [job, who] of [["sink", "ours"], ["source", "its"], ["both", "both"]] as const) {
          // A server of Linux that only sends never looks whether DATA_ACKs come.
          if (role === "client" && job === "source" && name === KERNEL) continue;
          needs("iptables").it(
            `when MPTCP is stripped from all but SYNs ${name}, data: ${who}`,
            () => fallsBack(role, reason, job, size / 4),
          );
        }
      }
      if (role === "server") {
        // A client that needs no cookie: 1 + 4.
        it("when the first data came in the SYN", async () => {
          await using stand = await Stand.open({ lab: { endpoints: "none" } });
          await stand.lab.sysctl({ "net/ipv4/tcp_fastopen": 5 });
          await using meeting = await stand.meet(role, "both", { size: size / 4, fastopen: true });
          const end = await meeting.exchange(size / 4);
          assertEquals([end.received, end.sent], [size / 4, size / 4]);
          assertEquals(meeting.conn.info().mptcp.flags & 1, 1);
          // The SYN had data, which its answer did not acknowledge.
          const counter = "TcpExtTCPFastOpenActiveFail";
          const { stdout } = await stand.lab.exec(["nstat", "-asz", counter]);
          assert(new RegExp(`${counter}\\s+1\\s`).test(stdout), stdout);
        });
      }
      it("over IPv6", () => fallsBack(role, { tcp: true }, "both", size, 6));
    });
  }
});
