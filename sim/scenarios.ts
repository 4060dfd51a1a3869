/** Scenarios with names: what `mptcp sim NAME` runs. */

import type { Scenario } from "./scenario.ts";

/** A telephone with Wi-Fi and LTE, and a server. */
const TELEPHONE: Pick<Scenario, "hosts" | "routers" | "links"> = {
  hosts: { phone: {}, server: {} },
  routers: ["internet"],
  links: {
    wifi: { between: ["phone", "internet"], rate: "20 Mbit/s", delay: "15 ms", loss: 0.0001 },
    lte: { between: ["phone", "internet"], rate: "12 Mbit/s", delay: "40 ms" },
    server: { between: ["internet", "server"] },
  },
};

/** The same where the second path is slow and far. */
const FAR: Pick<Scenario, "hosts" | "routers" | "links"> = {
  ...TELEPHONE,
  links: {
    ...TELEPHONE.links,
    wifi: { between: ["phone", "internet"], rate: "20 Mbit/s", delay: "10 ms" },
    lte: { between: ["phone", "internet"], rate: "4 Mbit/s", delay: "100 ms" },
  },
};

const ENDS = { client: "phone", server: "server" } as const;

/**
 * The scenarios, by name.
 *
 * @example
 * ```ts
 * import { measure, SCENARIOS } from "@mptcp/mptcp/sim";
 *
 * for (const [name, { about }] of Object.entries(SCENARIOS)) console.log(`${name}: ${about}`);
 * const { traffic } = measure({ ...SCENARIOS.requests!, seed: 2 });
 * console.assert(traffic.api!.goodput > 0);
 * ```
 */
export const SCENARIOS: Readonly<Record<string, Scenario>> = {
  bulk: {
    name: "bulk",
    about: "16 MB over Wi-Fi and LTE",
    ...TELEPHONE,
    traffic: { download: { ...ENDS, kind: "bulk", bytes: "16 MB" } },
  },
  requests: {
    name: "requests",
    about: "answers of 100 kB, where the second path is slow and far",
    ...FAR,
    traffic: { api: { ...ENDS, kind: "requests", bytes: "100 kB", count: 50, think: "100 ms" } },
  },
  pages: {
    name: "pages",
    about: "pages of 20 objects over six connections",
    ...FAR,
    traffic: {
      pages: {
        ...ENDS,
        kind: "pages",
        objects: Array.from({ length: 20 }, (_, i) => 2000 + 3000 * i),
        count: 10,
      },
    },
  },
  streaming: {
    name: "streaming",
    about: "frames of 20 kB every 40 ms, which are late after 150 ms",
    ...TELEPHONE,
    traffic: {
      frames: {
        ...ENDS,
        kind: "stream",
        bytes: "20 kB",
        every: "40 ms",
        count: 500,
        deadline: "150 ms",
      },
    },
  },
  video: {
    name: "video",
    about: "chunks of 2 s at 2 to 24 Mbit/s",
    ...TELEPHONE,
    traffic: {
      film: {
        ...ENDS,
        kind: "video",
        bitrates: ["2 Mbit/s", "6 Mbit/s", "12 Mbit/s", "24 Mbit/s"],
        count: 30,
      },
    },
  },
  flap: {
    name: "flap",
    about: "16 MB, and the Wi-Fi is gone from 2 s to 5 s",
    ...TELEPHONE,
    events: [
      { at: "2 s", do: "cut", link: "wifi" },
      { at: "5 s", do: "restore", link: "wifi" },
    ],
    traffic: { download: { ...ENDS, kind: "bulk", bytes: "16 MB" } },
  },
  lossy: {
    name: "lossy",
    about: "16 MB, and 1 % of the Wi-Fi's packets are lost, five in a row",
    ...TELEPHONE,
    links: {
      ...TELEPHONE.links,
      wifi: {
        between: ["phone", "internet"],
        rate: "20 Mbit/s",
        delay: "15 ms",
        gilbertElliott: { toBad: 0.002, toGood: 0.2 },
      },
    },
    traffic: { download: { ...ENDS, kind: "bulk", bytes: "16 MB" } },
  },
  shared: {
    name: "shared",
    about: "both paths of one connection and a plain TCP of reno's share 10 Mbit/s for 60 s",
    hosts: {
      phone: {},
      server: {},
      rival: { mptcp: false, congestionControl: "reno" },
      other: { mptcp: false, congestionControl: "reno" },
    },
    routers: ["near", "far"],
    links: {
      wifi: { between: ["phone", "near"], delay: "1 ms" },
      lte: { between: ["phone", "near"], delay: "1 ms" },
      rival: { between: ["rival", "near"], delay: "1 ms" },
      shared: { between: ["near", "far"], rate: "10 Mbit/s", delay: "20 ms", queue: 40 },
      server: { between: ["far", "server"] },
      other: { between: ["far", "other"] },
    },
    duration: "60 s",
    traffic: {
      ours: { ...ENDS, kind: "bulk" },
      theirs: { client: "rival", server: "other", kind: "bulk" },
    },
  },
};
