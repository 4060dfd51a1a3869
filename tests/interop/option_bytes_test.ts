import { assert, assertEquals } from "@std/assert";
import { it } from "@std/testing/bdd";
import { needs } from "../support/tools.ts";
import { all, joins, signals } from "./scenarios/counts.ts";
import { SCENARIOS } from "./scenarios/list.ts";
import { besideKernel, kernelsApart, twoKernels } from "./scenarios/places.ts";
import { type Place, type Role, runScenario, type Scenario } from "./scenarios/scenario.ts";
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

/** Damage on the only path, and on one of two, found by either end: MP_FAIL beside an ACK and a RST, infinite mappings. */
const DAMAGED = SCENARIOS.filter(({ group }) => group === "fail");

const STORIES = [life(4), life(6), abort("client"), abort("server"), REFUSED, ...DAMAGED];

/** A form of ours that a kernel never showed another: what, and which options. */
interface Difference {
  readonly role: "client" | "server";
  readonly what: string;
  readonly form: string;
}

const BOTH = ["client", "server"] as const;

/** Four octets of a DSN beside eight of a DATA_ACK, without a checksum and with one; the same with a DATA_FIN; and beside four. */
const SHORT = [
  "01 01 080a................ 1e162007.................................... 01 01",
  "01 01 080a................ 1e182007........................................",
];
const SHORT_FINS = SHORT.map((form) => form.replace("2007", "2017"));
const SHORTEST = [
  "01 01 080a................ 1e122005............................ 01 01",
  "01 01 080a................ 1e142005................................",
];

const ALLOWED: readonly Difference[] = [
  // RFC 8684 §3.6, "the TCP RST packet MAY include the MP_TCPRST option": MP_FASTCLOSE says why.
  ...BOTH.map((role) => ({
    role,
    what: `RST MP_FASTCLOSE ${role === "client" ? "IPv6" : "IPv4"}`,
    form: "01 01 080a................ 1e0c7000................",
  })),
  // RFC 8684 §3.3, "Either or both can be signaled in one DSS": beside an infinite mapping there is no DATA_ACK, as its sender takes part in them no more
  // (§3.7, "it MUST only use subflow ACKs to clear its send buffer").
  ...BOTH.map((role) => ({
    role,
    what: "ACK data DSS with mapping IPv4",
    form: "01 01 080a................ 1e14200c................................",
  })),
  // RFC 8684 §3.3.1, "MAY include just the lower 32 bits of the data sequence number": Linux sends 64, and we DATA_ACK these in full.
  ...BOTH.flatMap((role) => [
    ...SHORT.map((form) => ({ role, what: "ACK data DSS with mapping IPv4", form })),
    { role, what: "ACK data DSS with mapping IPv6", form: SHORT[0]! },
    ...SHORT_FINS.map((form) => ({ role, what: "ACK DSS with DATA_FIN IPv4", form })),
    { role, what: "ACK DSS with DATA_FIN IPv6", form: SHORT_FINS[0]! },
  ]),
  // RFC 8684 §3.3.2, "can be sent as the full 64-bit value or as the lower 32 bits": our server speaks here before any 64-bit DSN has come.
  ...SHORTEST.map((form) => ({
    role: "server" as const,
    what: "ACK data DSS with mapping IPv4",
    form,
  })),
  { role: "server", what: "ACK data DSS with mapping IPv6", form: SHORTEST[0]! },
];

/**
 * What may be seen or not. RFC 8684 §3.3, "Either or both can be signaled in one DSS": a full segment that was sent before the first 64-bit DSN came has no room
 * for the longer DATA_ACK when it goes again.
 */
const SOMETIMES: readonly Difference[] = BOTH.flatMap((role) =>
  ([4, 6] as const).map((family) => ({
    role,
    what: `ACK data DSS with mapping IPv${family}`,
    form: "01 01 080a................ 1e0e2004.................... 01 01",
  }))
);

/** Times that the stories are told, at most. */
const RUNS = 3;

/** What must have been said, else nothing is compared. */
const COMPARED = ["ACK DSS with DATA_ACK MP_FAIL", "RST MP_FAIL"];

/** What the client and the server say. */
type Said = Record<"client" | "server", Forms>;

/** Adds what the client and the server say, by role of ours. */
async function hear(role: Role, { client, server }: Said): Promise<void> {
  const places = role === "kernel" ? [twoKernels, kernelsApart] : [besideKernel];
  for (const make of places) {
    await using place = await make();
    const stories = STORIES.filter(({ middleboxes = false }) =>
      role !== "kernel" || middleboxes === (make === kernelsApart)
    );
    await readStories(stories, role, place, { client, server });
  }
}

/** Adds what both ends say in these stories. */
async function readStories(
  stories: readonly Scenario[],
  role: Role,
  place: Place,
  { client, server }: Record<"client" | "server", Forms>,
): Promise<void> {
  const path = await Deno.makeTempFile({ suffix: ".pcap" });
  try {
    await capture(place.near, path, async () => {
      for (const story of stories) {
        const wrong = await runScenario(story, role, place);
        // A story that goes otherwise does not show what it is told for.
        if (story.middleboxes) assertEquals(wrong, [], `${role}: ${story.name}`);
      }
    });
    const file = await Deno.readFile(path);
    // Our side is 2; of two kernels the client is 1.
    readForms(file, role === "client" ? 2 : 1, client);
    readForms(file, role === "client" ? 1 : 2, server);
  } finally {
    await Deno.remove(path);
  }
}

function nothingSaid(): Said {
  return { client: new Map(), server: new Map() };
}

/** What is said by us, and by neither of two kernels. */
function differences({ kernel, client, server }: Record<Role, Said>): Difference[] {
  const found: Difference[] = [];
  // What is said by either end alone has a name of its own: SYN and SYN/ACK.
  const linux = (what: string, form: string): boolean =>
    [kernel.client, kernel.server].some((forms) => forms.get(what)?.has(form));
  for (const [role, ours] of [["client", client.client], ["server", server.server]] as const) {
    assert(ours.size > 15, [...ours.keys()].join());
    for (const what of COMPARED) {
      assert([...ours.keys()].some((each) => each.startsWith(what)), `no ${what} as ${role}`);
    }
    for (const [what, texts] of ours) {
      for (const form of texts) {
        if (!linux(what, form)) found.push({ role, what, form });
      }
    }
  }
  return found;
}

needs("kernel", "python3", "tcpdump", "iptables").describe("octets of MPTCP options", () => {
  it("are those of Linux, or differ as RFC 8684 allows", async () => {
    const roles = ["kernel", "client", "server"] as const;
    const said = {
      kernel: nothingSaid(),
      client: nothingSaid(),
      server: nothingSaid(),
    } satisfies Record<Role, Said>;
    const key = ({ role, what, form }: Difference) => `${role}: ${what}: ${form}`;
    const allowed = ALLOWED.map(key).sort();
    const sometimes = SOMETIMES.map(key);
    // Which of its forms an end takes hangs on time as well: what one run does not show of Linux another may.
    for (let run = 1;; run++) {
      await Promise.all(roles.map((role) => hear(role, said[role])));
      const found = differences(said).map(key).filter((each) => !sometimes.includes(each)).sort();
      if (run < RUNS && found.join() !== allowed.join()) continue;
      assertEquals(found, allowed);
      break;
    }
  });
});
