import { describe, it } from "@std/testing/bdd";
import { assertEquals, assertThrows } from "@std/assert";
import { readArguments, UsageError } from "../../cli/arguments.ts";
import {
  describeShape,
  NETWORK_OPTIONS,
  type PathShapes,
  readPaths,
  readRatedPaths,
} from "../../cli/network_options.ts";

const USUAL = {
  wifi: { rate: "20 Mbit/s", delay: "15 ms", loss: 0.0001 },
  lte: { rate: "12 Mbit/s", delay: "40 ms" },
} as const;

const read = (...args: string[]): PathShapes =>
  readPaths(readArguments(args, NETWORK_OPTIONS), USUAL);

describe("the options of a network", () => {
  it("change the usual paths in their order, the last value standing for those that follow", () => {
    assertEquals(read(), USUAL);
    assertEquals(read("--rate", "5Mbit/s", "--loss=1%", "--loss", "0.02", "--queue", "30"), {
      wifi: { rate: "5 Mbit/s", delay: "15 ms", loss: 0.01, queue: 30 },
      lte: { rate: "5 Mbit/s", delay: "40 ms", loss: 0.02, queue: 30 },
    });
  });

  it("name paths in their place, with values in any order", () => {
    assertEquals(
      read(
        "--path",
        "dsl=20ms, 16 Mbit/s",
        "--path=sat=rate=50 Mbit/s,delay=300 ms,loss=2 %,queue=9",
        "--delay=7 ms",
      ),
      {
        dsl: { rate: "16 Mbit/s", delay: "7 ms" },
        sat: { rate: "50 Mbit/s", delay: "7 ms", loss: 0.02, queue: 9 },
      },
    );
    assertEquals(describeShape({}), "as they are");
    assertEquals(
      describeShape({ rate: "1 Mbit/s", delay: "2 ms", loss: 0.001, queue: 5 }),
      "1 Mbit/s, 2 ms one way, 0.1 % loss, a queue of 5",
    );
  });

  it("say what is wrong, and what would be right", () => {
    const wrong: readonly (readonly [args: string[], text: string])[] = [
      [["--rate", "20"], "--rate: it must be a number, a space and one of bit/s, kbit/s, Mbit/s, "],
      [["--rate=1kbit/s"], '--rate: it must be from 100 kbit/s to 100 Gbit/s: it is "1kbit/s"'],
      [["--rate=-1Mbit/s"], "--rate: it must be above 0: a path that carries nothing is cut"],
      [["--delay", "1 min"], "--delay: it must be a number, a space and one of us, ms, s, such as"],
      [["--delay", "11 s"], '--delay: it must be from 0 ms to 10 s: it is "11 s"'],
      [["--loss", "51%"], '0 to 0.5, or 0 % to 50 %: it is "51%"'],
      [["--queue", "0"], "--queue: it must be a whole number of packets from 1 to 1000000"],
      [["--rate=1Mbit/s", "--rate=1Mbit/s", "--rate=1Mbit/s"], "there are 2 paths: wifi, lte"],
      [["--path", "a b=1Mbit/s"], "--path: its name must be 1 to 15 letters"],
      [["--path", "server=1Mbit/s"], 'and not "server"'],
      [["--path", "a=1Mbit/s", "--path", "a"], "each path must have a name of its own"],
      [["--path", "a=dalay=1 ms"], "did you mean delay=?"],
      [["--path", "a=1 ms,2 ms"], "--path a: it has two values of delay"],
      [["--path", "a=5 ms,queue=3"], "path a has a queue and no rate that packets wait for"],
      [Array.from({ length: 9 }, (_, i) => `--path=p${i}`), "there can be 1 to 8: there are 9"],
    ];
    for (const [args, text] of wrong) assertThrows(() => read(...args), UsageError, text);
    assertThrows(
      () => readRatedPaths(readArguments(["--path", "a=5 ms"], NETWORK_OPTIONS), USUAL),
      UsageError,
      "path a needs a rate: --path a='20 Mbit/s,15 ms'",
    );
  });
});
