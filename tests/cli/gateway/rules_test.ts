import { assertEquals, assertRejects } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { readArguments, UsageError } from "../../../cli/arguments.ts";
import { GATEWAY } from "../../../cli/gateway.ts";
import { gatewayDevices, kernelScript } from "../../../cli/gateway/kernel_rules.ts";
import { classify, type FlowRules, parseRules, RULES_SCHEMA } from "../../../cli/gateway/rules.ts";

const DEVICES = ["mptcp0", "mptcp1"];
const TEXT = `
classes:
  calls: { paths: [mptcp0], backup: [mptcp1], scheduler: min_rtt }
  bulk: { paths: [mptcp1] }
  past: { bypass: true }
rules:
  - { dscp: [ef, 34], class: calls }
  - { to: [192.168.0.0/16, fd00::/8], class: past }
  - { uid: backup, port: 873, class: bulk }
  - { mark: 7, class: calls }
  - { to: 203.0.113.0/24, port: [80, "8000-8999"], class: bulk }
`;

const read = (text: string): Promise<FlowRules> => parseRules("r.yaml", text, DEVICES);

describe("rules of a gateway", () => {
  it("choose the class of a flow by where it goes and by its codepoint; the first that fits decides", async () => {
    const rules = await read(TEXT);
    const of = (address: string, port: number, dscp = 0) =>
      classify(rules, address, port, dscp).name;
    assertEquals(
      [
        of("203.0.113.9", 80),
        of("203.0.113.9", 8999),
        of("203.0.113.9", 81),
        of("203.0.114.9", 80),
        of("203.0.113.9", 80, 46),
        of("203.0.113.9", 80, 34),
        of("192.168.7.7", 80),
        of("fd12::1", 80),
        of("fe80::1", 80),
        of("10.0.0.1", 873),
      ],
      ["bulk", "bulk", "", "", "calls", "calls", "past", "past", "", ""],
    );
    assertEquals(classify(rules, "10.0.0.1", 1, 46).backup, ["mptcp1"]);
  });

  it("become a device for each class that the kernel alone can tell, and a table that keeps their order", async () => {
    const rules = await read(TEXT);
    const devices = gatewayDevices("gw", rules);
    assertEquals(devices.map(({ name, class: of }) => [name, of?.name ?? null]), [
      ["gw0", null],
      ["gw1", "bulk"],
      ["gw2", "calls"],
    ]);
    const lines = (ipv6: boolean): string[] => {
      const { nft } = kernelScript(rules, devices, DEVICES, ipv6);
      const chain = nft.slice(nft.indexOf("chain classify"), nft.indexOf("chain from_here"));
      return chain.split("\n").slice(2).map((line) => line.trim()).filter((line) =>
        line.length > 1
      );
    };
    assertEquals(lines(false), [
      "ip dscp { 46, 34 } ct mark set 0x4d500000 return",
      "ip daddr 192.168.0.0/16 return",
      'tcp dport 873 meta skuid "backup" ct mark set 0x4d500001 return',
      "meta mark 7 ct mark set 0x4d500002 return",
      "ct mark set 0x4d500000",
    ]);
    assertEquals(lines(true).slice(0, 4), [
      "ip dscp { 46, 34 } ct mark set 0x4d500000 return",
      "ip6 dscp { 46, 34 } ct mark set 0x4d500000 return",
      "ip daddr 192.168.0.0/16 return",
      "ip6 daddr fd00::/8 return",
    ]);
  });

  it("are refused where they are wrong, with the line and what is accepted", async () => {
    for (
      const [text, message] of [
        [
          "classes: {a: {path: [mptcp0]}}",
          "r.yaml:1:15: classes.a.path: there is no such field: did you mean paths?; the fields are paths, backup, scheduler, bypass",
        ],
        [
          "classes: {a: {paths: [wlan0]}}",
          'r.yaml:1:23: classes.a.paths.0: it must be one of mptcp0, mptcp1: it is "wlan0"',
        ],
        ["rules:\n  - {port: 80}", "r.yaml:2:5: rules.0: it needs the field 'class'"],
        [
          "rules:\n  - {port: 80, class: b}",
          'r.yaml:2:23: rules.0.class: it must be one of the classes: it is "b"',
        ],
        [
          "classes: {a: {}}\nrules: [{port: 70000, class: a}]",
          'r.yaml:2:16: rules.0.port: it must be a port such as 443, a range such as "6000-6999", or a list of them: it is 70000',
        ],
        [
          "classes: {a: {}}\nrules: [{port: 9-8, class: a}]",
          'r.yaml:2:16: rules.0.port: it must be a port or a range such as "6000-6999": it is "9-8"',
        ],
        [
          "classes: {a: {}}\nrules: [{to: [10.0.0.0/8, 10.0.0.0/33], class: a}]",
          'r.yaml:2:27: rules.0.to.1: it must be a prefix such as "192.168.0.0/16": it is "10.0.0.0/33"',
        ],
        [
          "classes: {a: {}}\nrules: [{dscp: af44, class: a}]",
          'r.yaml:2:16: rules.0.dscp: it must be a codepoint: 0 to 63, or a name such as ef: it is "af44"',
        ],
        ...["", " 46", "0x2e", "4e1", "-1", "64", "constructor"].map((dscp) =>
          [
            `classes: {a: {}}\nrules: [{dscp: "${dscp}", class: a}]`,
            `r.yaml:2:16: rules.0.dscp: it must be a codepoint: 0 to 63, or a name such as ef: it is "${dscp}"`,
          ] as const
        ),
        [
          "classes: {a: {}}\nrules: [{uid: 4294967295, class: a}]",
          "r.yaml:2:15: rules.0.uid: it must be a user of this machine, by number from 0 to 4294967294 or by name: it is 4294967295",
        ],
        [
          'classes: {a: {}}\nrules: [{uid: "x; y", class: a}]',
          'r.yaml:2:15: rules.0.uid: it must be a user of this machine, by number from 0 to 4294967294 or by name: it is "x; y"',
        ],
        [
          "classes: {a: {bypass: true, paths: [mptcp0]}}",
          "r.yaml:1:14: classes.a: what bypasses the stack has no paths and no scheduler",
        ],
        ["- 1", "r.yaml:1:1: rules must be an object of classes, rules and default"],
      ] as const
    ) {
      await assertRejects(() => read(text), UsageError, message);
    }
  });

  it("are refused by their line where a scheduler is none", async () => {
    const file = await Deno.makeTempFile({ suffix: ".yaml" });
    await Deno.writeTextFile(
      file,
      "classes:\n  a: { paths: [mptcp0], scheduler: min_rt }\nrules: [{ port: 80, class: a }]\n",
    );
    const given = readArguments(["--direct", "--rules", file], GATEWAY.options);
    const { message } = await assertRejects(async () => await GATEWAY.run(given), UsageError);
    assertEquals(
      message.slice(0, message.indexOf(" as there")),
      `${file}:2:36: classes.a.scheduler: Cannot use min_rt as a scheduler`,
    );
    await Deno.remove(file);
  });

  it("have the schema that docs/gateway_rules.schema.json is", async () => {
    const file = new URL("../../../docs/gateway_rules.schema.json", import.meta.url);
    assertEquals(
      JSON.parse(await Deno.readTextFile(file)),
      JSON.parse(JSON.stringify(RULES_SCHEMA)),
    );
  });
});
