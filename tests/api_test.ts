/** The public names. A change here is a change for every program that uses the library. */

import { describe, it } from "@std/testing/bdd";
import { assertEquals } from "@std/assert";
import * as cc from "../cc/mod.ts";
import * as main from "../mod.ts";
import * as node from "../core/net/node.ts";
import * as pm from "../pm/mod.ts";
import * as sched from "../sched/mod.ts";

describe("public names", () => {
  const names = (module: object): string[] => Object.keys(module).sort();

  // Draft MT-3: no subflow among them.
  it("of the library", () => {
    assertEquals(names(main), [
      "Endpoints",
      "Host",
      "ManualPathManager",
      "MptcpConn",
      "MptcpListener",
      "Network",
      "acknowledgeAndDrop",
      "balia",
      "bbr",
      "bbr3",
      "blackhole",
      "bleachEcn",
      "blest",
      "bridge",
      "bufferSize",
      "coalesceSegments",
      "codel",
      "corrupt",
      "coupled",
      "coupledBbr",
      "cubic",
      "daps",
      "dctcp",
      "delay",
      "dropSegments",
      "dumbbell",
      "duplicate",
      "earliest",
      "ecf",
      "emulate",
      "endpoints",
      "ewtcp",
      "fatTree",
      "filter",
      "fullMesh",
      "gilbertElliott",
      "handover",
      "impair",
      "injectReset",
      "jitter",
      "labels",
      "lia",
      "linux",
      "loadPlugin",
      "loss",
      "lossMask",
      "manual",
      "mark",
      "minRtt",
      "mtu",
      "nDiffPorts",
      "nat",
      "olia",
      "otias",
      "passive",
      "peekaboo",
      "priority",
      "queue",
      "rate",
      "rateSchedule",
      "rateTrace",
      "red",
      "redundant",
      "reno",
      "renumber",
      "reorder",
      "reorderOptions",
      "repeatSegments",
      "rewriteMss",
      "rewriteOptions",
      "rewritePayload",
      "rewriteRepeats",
      "rewriteWindowScale",
      "roundRobin",
      "rttThreshold",
      "semiCoupled",
      "serveControl",
      "splitSegments",
      "stripOptions",
      "sttf",
      "synProxy",
      "tcpProxy",
      "timeDistance",
      "tun",
      "udp",
      "weighted",
      "wvegas",
    ]);
  });

  it("of the plugins", () => {
    assertEquals(names(sched), [
      "blest",
      "daps",
      "earliest",
      "ecf",
      "linux",
      "minRtt",
      "otias",
      "peekaboo",
      "priority",
      "redundant",
      "roundRobin",
      "rttThreshold",
      "sttf",
      "timeDistance",
      "weighted",
    ]);
    assertEquals(names(cc), [
      "aimd",
      "balia",
      "bbr",
      "bbr3",
      "coupled",
      "coupledBbr",
      "coupledBy",
      "cubic",
      "dctcp",
      "ewtcp",
      "lia",
      "olia",
      "reno",
      "semiCoupled",
      "wvegas",
    ]);
    assertEquals(names(pm), [
      "Endpoints",
      "ManualPathManager",
      "endpoints",
      "fullMesh",
      "handover",
      "labels",
      "manual",
      "nDiffPorts",
      "passive",
    ]);
  });

  it("of the bridge to node", () => {
    assertEquals(names(node), [
      "MptcpDuplex",
      "connector",
      "createSocket",
      "serve",
      "serveHttp",
      "toDuplex",
    ]);
  });

  it("are what deno.json exports, and each module is there", async () => {
    const config: { exports: Record<string, string> } = JSON.parse(
      await Deno.readTextFile(new URL("../deno.json", import.meta.url)),
    );
    assertEquals(Object.keys(config.exports).sort(), [
      ".",
      "./bench",
      "./cc",
      "./node",
      "./pm",
      "./sched",
      "./sim",
      "./testing",
    ]);
    for (const file of Object.values(config.exports)) {
      assertEquals((await Deno.stat(new URL(`../${file}`, import.meta.url))).isFile, true, file);
    }
  });
});
