import { assertEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { readMahimahi, readMinitopo, readNetem, readProfile } from "../../sim/mod.ts";

describe("a Mahimahi trace", () => {
  it("is a number of milliseconds a line", () => {
    assertEquals(readMahimahi("0\n1\r\n1\n\n7\n"), [0, 1, 1, 7]);
    assertThrows(() => readMahimahi("1\n2.5\n"), TypeError, 'line 2: "2.5" is no whole number');
    assertThrows(() => readMahimahi("\n"), TypeError, "it is empty");
  });
});

describe("a profile", () => {
  it("changes what its columns name, and nothing where a field is empty", () => {
    const { first, events } = readProfile(
      "# a drive\ntime_s,rate_mbit,loss\n0,20,0\n1.5,,0.01\n3,2,\n",
    );
    assertEquals(first, { rate: "20 Mbit/s", loss: 0 });
    assertEquals(events, [
      { at: "1.5 s", do: "set", link: "", loss: 0.01 },
      { at: "3 s", do: "set", link: "", rate: "2 Mbit/s" },
    ]);
  });

  it("says which line is wrong", () => {
    for (
      const [text, why] of [
        ["seconds,rate\n", "line 1: the first line must be of time_s,rate_mbit"],
        ["time_s,loss\n0\n", "line 2: it must have 2 fields: it has 1"],
        ["time_s,loss\n0,x\n", 'line 2: loss is "x"'],
        ["time_s,loss\n0,0\n0,1\n", "line 3: times must be there, and grow"],
        ["time_s,loss\n1,0\n", "first row must be at time 0"],
        ["time_s,rate_mbit\n0,0\n", "a rate of 0 is a cut"],
      ] as const
    ) assertThrows(() => readProfile(text), TypeError, why);
  });
});

describe("a line of tc", () => {
  it("becomes a link", () => {
    assertEquals(
      readNetem(
        "tc qdisc add dev x root netem rate 512kbit delay 50ms loss random 0.5% limit 30 duplicate 1%",
      ),
      {
        rate: "512 kbit/s",
        delay: "50 ms",
        loss: 0.005,
        queue: 30,
        duplicate: 0.01,
      },
    );
    assertEquals(readNetem("netem delay 20ms 5ms limit 1000"), { delay: "15 ms", jitter: "10 ms" });
  });

  it("is refused where it says what a link cannot do", () => {
    assertThrows(() => readNetem("tc qdisc add dev x root fq"), TypeError, 'it has no "netem"');
    assertThrows(() => readNetem("netem gap 5"), TypeError, '"gap" is none of delay, loss');
    assertThrows(() => readNetem("netem loss 1"), TypeError, "no percentage");
    assertThrows(() => readNetem("netem rate 5"), TypeError, "no rate");
    assertThrows(() => readNetem("netem delay fast"), TypeError, "needs a time");
  });
});

describe("a topology of minitopo", () => {
  it("has a client with a link a path, and a server behind a router", () => {
    const { hosts, links } = readMinitopo("desc:test\npath_0:10,100,5\npath_1:40,30,2.5,1\n");
    assertEquals(Object.keys(hosts!), ["Client", "Server"]);
    assertEquals(links!["path_1"], {
      between: ["Client", "Router"],
      delay: "40 ms",
      queue: 30,
      rate: "2.5 Mbit/s",
      loss: 0.01,
    });
    assertThrows(() => readMinitopo("path_0:10\n"), TypeError, "line 1: a path must be");
    assertThrows(() => readMinitopo("x:1\n"), TypeError, "it has no path");
  });
});
