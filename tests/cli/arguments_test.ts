import { describe, it } from "@std/testing/bdd";
import {
  assertEquals,
  assertLessOrEqual,
  assertMatch,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import {
  helpOf,
  nearest,
  type Option,
  readArguments,
  readInteger,
  readSize,
  UsageError,
} from "../../cli/arguments.ts";
import { COMMANDS, overview } from "../../cli/mod.ts";
import { withCall } from "../../cli/origin.ts";
import { RUN } from "../support/command.ts";

const OPTIONS: Readonly<Record<string, Option>> = {
  output: { value: "FILE", alias: "o", help: "where" },
  tun: { value: "NAME", several: true, help: "which" },
  size: { value: "SIZE", help: "how much" },
  quiet: { alias: "q", help: "no output" },
};

describe("arguments", () => {
  it("are read by name, alias and position", () => {
    const given = readArguments(
      ["a", "--tun=x", "-o", "f", "--tun", "y", "-q", "12", "--", "ls", "-l"],
      OPTIONS,
    );
    assertEquals(given.positional, ["a", "12"]);
    assertEquals(given.rest, ["ls", "-l"]);
    assertEquals(given.value("output"), "f");
    assertEquals(given.values("tun"), ["x", "y"]);
    assertEquals([given.has("quiet"), given.value("size")], [true, undefined]);
  });

  it("that are unknown, empty or doubled are refused with what to do", () => {
    const refused = (...args: string[]): string =>
      assertThrows(() => readArguments(args, OPTIONS), UsageError).message;
    assertEquals(refused("--ouput", "f"), "Unknown option --ouput: did you mean --output?");
    assertEquals(refused("--zzzzz=1"), "Unknown option --zzzzz");
    assertEquals(refused("-x"), "Unknown option -x");
    assertEquals(
      refused("--size", "-5MB"),
      "Unknown option -5MB: if it is a value, write --size=-5MB",
    );
    assertEquals(refused("--size"), "--size needs a value: SIZE");
    assertEquals(refused("--size", "1", "--size", "2"), "--size was given 2 times");
  });

  it("that are switches have no value", () => {
    const refused = (...args: string[]): string =>
      assertThrows(() => readArguments(args, OPTIONS), UsageError).message;
    for (const arg of ["--quiet=out.csv", "--quiet=false", "-q=1"]) {
      assertMatch(refused("--size", "1", arg), /^--quiet takes no value, .* it got ".+"$/);
    }
    // What is behind is for somebody else.
    assertEquals(readArguments(["--", "--quiet=1"], OPTIONS).rest, ["--quiet=1"]);
  });

  it("behind a -- are refused by commands that have no use for them", async () => {
    const run = async (...args: string[]): Promise<string> => {
      const { code, stderr } = await new Deno.Command(Deno.execPath(), {
        args: [...RUN, new URL("../../cli/mod.ts", import.meta.url).pathname, ...args],
      }).output();
      assertEquals(code, 2);
      return new TextDecoder().decode(stderr);
    };
    assertStringIncludes(
      await run("sim", "bulk", "--", "--runs", "5"),
      'mptcp sim takes nothing behind a --: it got "--runs 5"',
    );
  });

  it("that are numbers have a range", () => {
    const read = (text: string): number =>
      readInteger(readArguments(["--size", text], OPTIONS), "size", 7, [1, 9]);
    assertEquals(read("3"), 3);
    assertEquals(readInteger(readArguments([], OPTIONS), "size", 7, [1, 9]), 7);
    for (const text of ["0", "10", "x", "1.5"]) {
      assertStringIncludes(assertThrows(() => read(text), UsageError).message, "from 1 to 9");
    }
  });

  it("that are sizes are refused by the name of the option", () => {
    const read = (text: string): number =>
      readSize(readArguments(["--size", text], OPTIONS), "size", "32MB");
    assertEquals([read("5kB"), readSize(readArguments([], OPTIONS), "size", "32MB")], [5e3, 32e6]);
    assertMatch(
      assertThrows(() => read("0"), UsageError).message,
      /^--size: .*from 1 B to 1000 GB$/,
    );
  });

  it("suggest what is near", () => {
    assertEquals(nearest("schedular", ["scheduler", "cc"]), "scheduler");
    assertEquals(nearest("entirely", ["scheduler", "cc"]), undefined);
  });
});

describe("help", () => {
  it("of each command names its options and shows examples that can be read", () => {
    for (const command of COMMANDS) {
      const help = helpOf(command);
      assertStringIncludes(overview(), command.summary);
      for (const name of Object.keys(command.options)) assertStringIncludes(help, `--${name}`);
      for (const [line] of command.examples) {
        const [program, name, ...words] = (line.split(/ [|&] /)[0] ?? "").split(" ");
        assertEquals([program, name], ["mptcp", command.name]);
        readArguments(words, command.options);
      }
    }
  });

  it("fits a terminal of 100 columns, by `deno task mptcp` as well", () => {
    for (const call of ["mptcp", "deno task mptcp"]) {
      for (const text of [overview(), ...COMMANDS.map(helpOf)]) {
        for (const line of withCall(text, call).split("\n")) {
          assertLessOrEqual(line.length, 100, line);
        }
      }
    }
  });

  it("is there behind the `--` that npm wants", async () => {
    const { code, stdout } = await new Deno.Command(Deno.execPath(), {
      args: [...RUN, new URL("../../cli/mod.ts", import.meta.url).pathname, "--", "--help"],
    }).output();
    assertEquals(code, 0);
    assertStringIncludes(new TextDecoder().decode(stdout), "COMMAND --help explains a command");
  });

  it("is printed by `help COMMAND` too", async () => {
    const { stdout } = await new Deno.Command(Deno.execPath(), {
      args: [...RUN, new URL("../../cli/mod.ts", import.meta.url).pathname, "help", "demo"],
      cwd: new URL("../../", import.meta.url).pathname,
    }).output();
    // As the command was called, by a task or not, unless `mptcp` is installed.
    assertMatch(
      new TextDecoder().decode(stdout),
      /^(mptcp|deno task mptcp|deno run -A cli\/mod\.ts) demo \[/,
    );
  });
});
