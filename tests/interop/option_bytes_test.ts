import { assert, assertEquals } from "@std/assert";
import { it } from "@std/testing/bdd";
import { needs } from "../support/tools.ts";
import { all, joins, signals } from "./scenarios/counts.ts";
import { besideKernel, twoKernels } from "./scenarios/places.ts";
import { type Role, runScenario, type Scenario } from "./scenarios/scenario.ts";
import { capture } from "./support/capture.ts";
import { type Forms, readForms } from "./support/option_bytes.ts";

/** All that both sides may say, but what ends a connection. */
function life(family: 4 | 6): Scenario {
  const at = family === 4 ? "" : "/6";
  return {
    group: "bytes",
    name: `a connection, IPv${family}`,
    family,
    client: { endpoints: [`3${at} subflow`] },
    server: { endpoints: [`2${at} signal`] },
    expect: all(signals(1), joins(2)),
    async during(run) {
      await run.joined(2);
      await run.client.change(`3${at} subflow backup`);
      await run.server.change(`2${at} signal backup`);
      // What stands beside SACK blocks is the same in both families.
      if (family === 4) {
        const drop = ["-m", "length", "--length", "1000:", "-m", "statistic"];
        await run.firewall(
          ...drop,
          "--mode",
          "nth",
          "--every",
          "30",
          "--packet",
          "10",
          "-j",
          "DROP",
        );
        await run.talk.echo(200_000);
        await run.restore();
      }
      await run.client.remove(`3${at}`);
      await run.server.remove(`2${at}`);
      await run.counted("client", "RmAddr", 1);
      await run.talk.echo(1000);
    },
  };
}

const abort = (end: "client" | "server"): Scenario => ({
  group: "bytes",
  name: `an abort by the ${end}`,
  family: end === "client" ? 6 : 4,
  reset: true,
  ended: true,
  during: (run) => run.abort(end),
});

const REFUSED: Scenario = {
  group: "bytes",
  name: "a join that is refused",
  client: { endpoints: ["3 subflow"] },
  server: { limits: [0, 0] },
};

const STORIES = [life(4), life(6), abort("client"), abort("server"), REFUSED];

/** A form of ours that a kernel never showed another: what, and which options. */
interface Difference {
  readonly role: "client" | "server";
  readonly what: string;
  readonly form: string;
}

/** RFC 8684 §3.6, "the TCP RST packet MAY include the MP_TCPRST option": MP_FASTCLOSE says why. */
const ALLOWED: readonly Difference[] = (["client", "server"] as const).map((role) => ({
  role,
  what: `RST MP_FASTCLOSE ${role === "client" ? "IPv6" : "IPv4"}`,
  form: "01 01 080a................ 1e0c7000................",
}));

/** What the client and the server say, by role of ours. */
async function forms(role: Role): Promise<Record<"client" | "server", Forms>> {
  await using place = role === "kernel" ? await twoKernels() : await besideKernel();
  const [client, server]: Forms[] = [new Map(), new Map()];
  const path = await Deno.makeTempFile({ suffix: ".pcap" });
  try {
    await capture(place.near, path, async () => {
      for (const story of STORIES) await runScenario(story, role, place);
    });
    const file = await Deno.readFile(path);
    // Our side is 2; of two kernels the client is 1.
    readForms(file, role === "client" ? 2 : 1, client!);
    readForms(file, role === "client" ? 1 : 2, server!);
  } finally {
    await Deno.remove(path);
  }
  return { client: client!, server: server! };
}

needs("kernel", "python3", "tcpdump", "iptables").describe("octets of MPTCP options", () => {
  it("are those of Linux, or differ as RFC 8684 allows", async () => {
    const roles = ["kernel", "client", "server"] as const;
    const [kernel, asClient, asServer] = await Promise.all(roles.map(forms));
    const found: Difference[] = [];
    // What is said by either end alone has a name of its own: SYN and SYN/ACK.
    const linux = (what: string, form: string): boolean =>
      [kernel!.client, kernel!.server].some((forms) => forms.get(what)?.has(form));
    for (
      const [role, ours] of [["client", asClient!.client], ["server", asServer!.server]] as const
    ) {
      assert(ours.size > 15, [...ours.keys()].join());
      for (const [what, texts] of ours) {
        for (const form of texts) {
          if (!linux(what, form)) found.push({ role, what, form });
        }
      }
    }
    const key = ({ role, what, form }: Difference) => `${role}: ${what}: ${form}`;
    assertEquals(found.map(key).sort(), ALLOWED.map(key).sort());
  });
});
