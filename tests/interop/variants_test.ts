import { describe, it } from "@std/testing/bdd";
import type { ConnInfo, MptcpConn } from "../../mod.ts";
import { reno } from "../../cc/mod.ts";
import { nDiffPorts } from "../../pm/mod.ts";
import { minRtt, redundant, roundRobin } from "../../sched/mod.ts";
import { assertNoTrouble } from "./support/counters.ts";
import { describeWithKernel } from "./support/needs.ts";
import { Stand, type StandOptions } from "./support/stand.ts";
import { until } from "./support/wait.ts";

/** What differs from the usual. */
interface Variant extends StandOptions {
  readonly family?: 4 | 6;
  readonly size?: number;
  /** Called for each megabyte that came. */
  readonly during?: (conn: MptcpConn, megabytes: number) => void;
  /** What the connection is to become while it carries data. */
  readonly becomes?: (info: ConnInfo, role: "client" | "server") => boolean;
}

const dss = (experiments: { shortDss?: boolean; checksum?: boolean }): Variant => ({
  host: { experiments },
  becomes: (info) => info.mptcp.csum_enabled === (experiments.checksum ? 1 : 0),
});

const mtu = (mtu: number): Variant => ({
  lab: { mtu, ipv6: mtu >= 1280 },
  becomes: (info) => info.subflows.every(({ tcp }) => tcp.pmtu === mtu),
});

const VARIANTS: Readonly<Record<string, Variant>> = {
  "packets of 576 bytes": mtu(576),
  "packets of 9000 bytes": mtu(9000),
  "eight paths": {
    lab: { paths: 8 },
    becomes: (info, role) => info.subflows.length >= (role === "client" ? 8 : 2),
  },
  "four subflows over one path": {
    lab: { endpoints: "none" },
    host: { pathManager: nDiffPorts({ subflows: 4 }) },
    becomes: (info, role) => info.subflows.length === (role === "client" ? 4 : 1),
  },
  "subflows of both families": {
    family: 6,
    becomes: ({ subflows }) =>
      new Set(subflows.map(({ remote }) => remote.address.includes(":"))).size === 2,
  },
  "round_robin": { host: { scheduler: roundRobin() } },
  "redundant": { host: { scheduler: redundant() } },
  "schedulers that are swapped": {
    during: (conn, megabytes) =>
      conn.setScheduler([redundant, roundRobin, minRtt][megabytes % 3]!()),
  },
  "reno": { host: { congestionControl: reno() } },
  "the kernel's bbr": { lab: { congestionControl: "bbr" }, size: 4 << 20 },
  "data sequence numbers of four octets": dss({ shortDss: true }),
  "data sequence numbers of four octets and checksums": dss({ shortDss: true, checksum: true }),
  "checksums that we ask for": dss({ checksum: true }),
  "buffers of 20,000 bytes": {
    host: { experiments: { receiveBuffer: 20_000, sendBuffer: 20_000 } },
    size: 2 << 20,
  },
};

describeWithKernel("data come unharmed with", () => {
  for (const [name, variant] of Object.entries(VARIANTS)) {
    describe(name, () => {
      for (const role of ["client", "server"] as const) {
        it(`as ${role}`, async () => {
          const { family = 4, size = 12 << 20, during, becomes = () => true } = variant;
          await using stand = await Stand.open(variant);
          await using meeting = await stand.meet(role, "both", { family, size });
          let megabytes = 0;
          let settled = false;
          await meeting.exchange(size, {
            async received(bytes) {
              for (; megabytes < bytes >> 20; megabytes++) during?.(meeting.conn, megabytes);
              if (settled || bytes < size / 4) return;
              settled = true;
              await until(
                "the connection is as it should be",
                () => becomes(meeting.conn.info(), role),
              );
            },
          });
          // Joins of the kernel that come to nothing, as it is done, end so.
          assertNoTrouble(await stand.lab.nstat(), ["MPRstRx", "MPRstTx"]);
          assertNoTrouble(stand.host.counters, ["MPRstRx", "MPRstTx"]);
        });
      }
    });
  }
});
