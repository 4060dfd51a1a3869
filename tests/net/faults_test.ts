// deno-lint-ignore-file no-console -- what a program sees is the subject

import { afterEach, beforeEach, describe, it } from "@std/testing/bdd";
import { assertEquals, assertMatch } from "@std/assert";
import {
  emulate,
  type PathManagerPlugin,
  type PluginFault,
  type SchedulerPlugin,
} from "../../mod.ts";
import { describeFault, sayFaults } from "../../core/net/faults.ts";

/** A scheduler whose author made a mistake. */
function wrong(): SchedulerPlugin {
  return {
    kind: "scheduler",
    name: "wrong",
    create: () => ({
      pick() {
        throw new TypeError("no such thing");
      },
    }),
  };
}

async function transfer(onPluginFault?: (fault: PluginFault) => void): Promise<void> {
  await using net = emulate({
    paths: { wifi: { rate: "20 Mbit/s", delay: "15 ms" } },
    scheduler: wrong(),
    ...(onPluginFault && { onPluginFault }),
  });
  using listener = net.server.listen({ port: 80 });
  const [conn, peer] = await Promise.all([
    net.client.connect({ hostname: "server", port: 80 }),
    listener.accept(),
  ]);
  const sent = peer.write(new Uint8Array(1e6)).then(() => peer.closeWrite());
  assertEquals((await new Response(conn.readable).bytes()).length, 1e6);
  await sent;
}

describe("a plugin's fault", () => {
  const warn = console.warn;
  const warnings: string[] = [];
  beforeEach(() => {
    warnings.length = 0;
    console.warn = (text: string) => warnings.push(text);
  });
  afterEach(() => {
    console.warn = warn;
  });

  it("is a warning when nobody asked to be told, once, with its place", async () => {
    await transfer();
    assertEquals(warnings.length, 2, warnings.join("\n"));
    assertMatch(
      warnings[0]!,
      /^Plugin wrong \(scheduler\) threw in pick: TypeError: no such thing \(file:.*faults_test\.ts:\d+:\d+\)\. The default decides/,
    );
    assertMatch(warnings[1]!, /^Plugin wrong takes no part .* any more/);
  });

  it("is told each time to who asked, and no warning", async () => {
    const counts: number[] = [];
    await transfer(({ count }) => counts.push(count));
    assertEquals(counts, Array.from({ length: 100 }, (_, i) => i + 1));
    assertEquals(warnings, []);
  });

  it("is told with the plugin's line, also where the stack has refused what it asked for", async () => {
    const wrong: PathManagerPlugin = {
      kind: "path-manager",
      name: "wrong",
      create: ({ use }) => ({ onEvent: () => use([99]) }),
    };
    await using net = emulate({
      paths: { wifi: { rate: "20 Mbit/s", delay: "15 ms" } },
      pathManager: wrong,
    });
    using _listener = net.server.listen({ port: 80 });
    using _conn = await net.client.connect({ hostname: "server", port: 80 });
    await net.sleep("1 s");
    assertMatch(
      warnings[0]!,
      /threw in onEvent: RangeError: Cannot use path 99 .* \(file:.*\/faults_test\.ts:\d+:\d+\)\./,
    );
  });

  it("of an answer says what would be right", () => {
    const fault: PluginFault = {
      kind: "scheduler",
      plugin: "mine",
      callback: "pick",
      rule: "sane-answer",
      what: 'answered "wifi" in pick',
      count: 1,
      replaced: false,
    };
    assertEquals(
      describeFault(fault),
      'Plugin mine (scheduler) answered "wifi" in pick, which must be one subflow, several, or null to wait',
    );
    assertEquals(
      describeFault({ ...fault, rule: "no-promise", what: "answered a promise in pick" }),
      "Plugin mine (scheduler) answered a promise in pick, and nothing here waits: it must not be async",
    );
  });

  it("of each callback says what its answer may be", () => {
    const fault: PluginFault = {
      kind: "scheduler",
      plugin: "mine",
      callback: "repeat",
      rule: "sane-answer",
      what: "answered undefined in repeat",
      count: 1,
      replaced: false,
    };
    const cases: [Partial<PluginFault>, string][] = [
      [{}, 'true, false or "skip"'],
      [
        { kind: "path-manager", callback: "refuse", what: "refused a join with reason 999" },
        "null, or a reason from 0 to 255",
      ],
      [
        { kind: "path-manager", callback: "joinsAsBackup", what: "answered 1 in joinsAsBackup" },
        "true or false",
      ],
      [
        { rule: "right-shape", callback: "create", what: "answered undefined in create" },
        "an object with pick()",
      ],
      [
        {
          kind: "congestion-control",
          rule: "right-shape",
          callback: "create",
          what: "answered null in create",
        },
        "an object with join()",
      ],
      [
        {
          kind: "congestion-control",
          rule: "right-shape",
          callback: "join",
          what: "answered undefined in join",
        },
        "an object with cwnd, ssthresh, onAck() and onCongestion()",
      ],
      [
        {
          kind: "path-manager",
          rule: "right-shape",
          callback: "create",
          what: "answered an array in create",
        },
        "an object with onEvent()",
      ],
    ];
    for (const [other, remedy] of cases) {
      const said = describeFault({ ...fault, ...other });
      assertEquals(said.split(", which must be ")[1], remedy, said);
    }
    // What is wrong with it is said as it is.
    assertEquals(
      describeFault({
        ...fault,
        callback: "create",
        rule: "right-shape",
        what: "made a scheduler whose pick is undefined, no function",
      }),
      "Plugin mine (scheduler) made a scheduler whose pick is undefined, no function",
    );
  });

  it("that is thrown in one place is said once, whatever numbers are in it", () => {
    const lines: string[] = [];
    const say = sayFaults((line) => lines.push(line));
    const wakes = (at: number): unknown =>
      new RangeError(`Cannot wake a scheduler as the time must be after ${at}`);
    const fault: PluginFault = {
      kind: "scheduler",
      plugin: "mine",
      callback: "pick",
      rule: "never-throws",
      what: "threw in pick",
      count: 1,
      replaced: false,
    };
    for (const at of [20054.4, 20995.4, 1e21]) say({ ...fault, error: wakes(at) });
    assertEquals(lines.length, 1, lines.join("\n"));
    const [one, other] = [wakes(1), wakes(1)]; // another column
    say({ ...fault, error: one });
    say({ ...fault, error: other });
    say({ ...fault, error: new Error("another") });
    assertEquals(lines.length, 2, lines.join("\n"));
  });

  it("is said whatever was thrown", () => {
    const fault: PluginFault = {
      kind: "scheduler",
      plugin: "mine",
      callback: "pick",
      rule: "never-throws",
      what: "threw in pick",
      count: 1,
      replaced: false,
    };
    const revoked = Proxy.revocable({}, {});
    revoked.revoke();
    const odd = Object.defineProperty(new Error("no"), "stack", {
      get() {
        throw new Error("neither");
      },
    });
    const lines = [null, 1, Symbol("odd"), "no", Object.create(null), revoked.proxy, odd].map(
      (error) => describeFault({ ...fault, error }),
    );
    const start = "Plugin mine (scheduler) threw in pick: ";
    const nothing = "something that no text can be made of";
    assertEquals(
      lines,
      ["null", "1", "Symbol(odd)", "no", nothing, nothing, nothing].map((text) => start + text),
    );
  });

  it("harms no transfer when who asked to be told throws: that is an error of the program", async () => {
    const errors: unknown[] = [];
    const listen = (event: ErrorEvent): void => {
      event.preventDefault();
      errors.push(event.error);
    };
    addEventListener("error", listen);
    try {
      await transfer(({ count }) => {
        throw count;
      });
    } finally {
      removeEventListener("error", listen);
    }
    assertEquals(errors.length, 100);
  });

  it("is a probe's own affair: no default decides in its place", () => {
    const lines: string[] = [];
    const say = sayFaults((line) => lines.push(line));
    const fault: PluginFault = {
      kind: "probe",
      plugin: "probe",
      callback: "dataAcked",
      rule: "never-throws",
      what: "threw in dataAcked",
      error: "boom",
      count: 100,
      replaced: true,
    };
    say(fault);
    assertEquals(lines, [
      "A probe threw in dataAcked: boom. It is told nothing more.",
    ]);
  });

  it("is said in at most five ways for each plugin", () => {
    const lines: string[] = [];
    const say = sayFaults((line) => lines.push(line));
    const fault: PluginFault = {
      kind: "congestion-control",
      plugin: "mine",
      callback: "onAck",
      rule: "sane-window",
      what: "set cwnd to NaN",
      count: 1,
      replaced: false,
    };
    assertEquals(
      describeFault(fault),
      "Plugin mine (congestion control) set cwnd to NaN: it must be bytes, from a segment to 2^30 (read after onAck)",
    );
    for (
      const [what, remedy] of [
        ["set ssthresh to 0", "it must be bytes, a segment at least, or Infinity"],
        ["set pacingRate to 0", "it must be bytes per second, a segment a minute at least"],
        ["set ownsRecovery to 1", "it must be true or false"],
        ["set accurateEcn to 1", "it must be true or false"],
      ] as const
    ) {
      assertMatch(describeFault({ ...fault, what }), new RegExp(`${what}: ${remedy} \\(read`));
    }
    assertEquals(
      describeFault({
        ...fault,
        kind: "scheduler",
        callback: "pick",
        rule: "sane-answer",
        what: "answered 0 bytes in pick",
      }),
      "Plugin mine (scheduler) answered 0 bytes in pick, which must be a number of 1 at least",
    );
    for (let i = 0; i < 20; i++) say({ ...fault, what: `set cwnd to ${i >> 1}` });
    assertEquals(lines.length, 5);
    say({ ...fault, plugin: "other" });
    assertEquals(lines.length, 6);
  });
});
