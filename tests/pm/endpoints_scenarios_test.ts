/** The kernel's own scenarios for its path manager, by their names, in both roles: what is opened, announced and taken back, under the names of its MIB. */

import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { addressOf, type Plan, Scenario, type Side } from "./endpoints_scenarios.ts";

const NOWHERE = { client: "10.9.1.1", server: "10.9.0.1" } as const;

for (const opener of ["client", "server"] as const) {
  const announcer: Side = opener === "client" ? "server" : "client";
  const subflow = (n: number, more: object = {}, family: 4 | 6 = 4) => ({
    address: addressOf(opener, n, family),
    subflow: true,
    ...more,
  });
  const signal = (n: number, more: object = {}, family: 4 | 6 = 4) => ({
    address: addressOf(announcer, n, family),
    signal: true,
    ...more,
  });
  const scenario = (
    name: string,
    plan: Omit<Plan, "opener">,
    check: (run: Scenario) => void,
  ): void =>
    it(name, () => {
      using run = new Scenario({ opener, ...plan });
      check(run);
      run.complete();
    });
  /** The state after two seconds. */
  const settles = (
    name: string,
    plan: Omit<Plan, "opener">,
    expected: { subflows: string[]; joins: number[]; adds?: number[] },
  ): void =>
    scenario(name, plan, (run) => {
      run.to(2);
      const { subflows, joins, adds } = run;
      assertEquals({ subflows, joins, adds }, {
        adds: [0, 0],
        ...expected,
        subflows: ["0>0", ...expected.subflows].sort(),
      });
    });

  describe(`endpoints: subflows, opened by the ${opener}`, () => {
    settles("no JOIN", {}, { subflows: [], joins: [0, 0, 0] });

    settles("single subflow, limited by client", { opens: { add: [subflow(1)], subflows: 0 } }, {
      subflows: [],
      joins: [0, 0, 0],
    });

    // The kernel refuses the third ACK; here the SYN is.
    settles("single subflow, limited by server", {
      opens: { add: [subflow(1)] },
      announces: { subflows: 0 },
    }, { subflows: [], joins: [1, 0, 0] });

    settles("single subflow", { opens: { add: [subflow(1)] } }, {
      subflows: ["1>0"],
      joins: [1, 1, 1],
    });

    settles("multiple subflows", { opens: { add: [subflow(1), subflow(2), subflow(3)] } }, {
      subflows: ["1>0", "2>0"],
      joins: [2, 2, 2],
    });

    settles("multiple subflows, limited by server", {
      opens: { add: [subflow(1), subflow(2)] },
      announces: { subflows: 1 },
    }, { subflows: ["1>0"], joins: [2, 2, 1] });

    const [dev, other] = opener === "client" ? ["b", "c"] : ["server", "lan"];
    settles("single subflow, dev", {
      opens: { add: [subflow(1, { dev }), subflow(2, { dev: other === "c" ? "d" : other })] },
    }, { subflows: ["1>0"], joins: [1, 1, 1] });
  });

  describe(`endpoints: subflows_error, opened by the ${opener}`, () => {
    settles("no MPC reuse with single endpoint", { opens: { add: [subflow(0)] } }, {
      subflows: [],
      joins: [0, 0, 0],
    });

    for (
      const name of ["multi subflows, with failing subflow", "multi subflows, fair usage on close"]
    ) {
      scenario(name, {
        opens: {
          subflows: 1,
          add: [{ address: NOWHERE[opener], subflow: true }, subflow(1)],
        },
      }, (run) => {
        // Nobody answers the first; while it waits for its next try, the other has its turn.
        run.to(0.5);
        assertEquals(run.joins, [1, 0, 0]);
        run.do(() => run.opens.remove(1));
        run.to(4);
        assertEquals([run.subflows, run.joins], [["0>0", "1>0"], [2, 1, 1]]);
        if (name.includes("fair")) {
          run.do(() => run.opens.add(subflow(2)));
          run.do(() => run.opens.remove(2));
          run.to(6);
          assertEquals([run.subflows, run.joins], [["0>0", "2>0"], [3, 2, 2]]);
        }
      });
    }

    settles("multi subflows, with subflow timeout", {
      opens: { subflows: 2, add: [{ address: NOWHERE[opener], subflow: true }, subflow(1)] },
    }, { subflows: ["1>0"], joins: [2, 1, 1] });
  });

  describe(`endpoints: signal_address, opened by the ${opener}`, () => {
    settles("unused signal address", { announces: { add: [signal(1)] } }, {
      subflows: [],
      joins: [0, 0, 0],
      adds: [1, 1],
    });

    settles("signal address", {
      opens: { addAddrAccepted: 1 },
      announces: { add: [signal(1)] },
    }, { subflows: ["0>1"], joins: [1, 1, 1], adds: [1, 1] });

    settles("subflow and signal", {
      opens: { addAddrAccepted: 1, add: [subflow(1)] },
      announces: { add: [signal(1)] },
    }, { subflows: ["0>1", "1>0"], joins: [2, 2, 2], adds: [1, 1] });

    scenario(
      "subflow and signal together",
      { opens: { add: [subflow(1, { signal: true })] } },
      (run) => {
        run.to(2);
        assertEquals([run.subflows, run.joins], [["0>0", "1>0"], [1, 1, 1]]);
        assertEquals([run.counted("EchoAdd"), run.countedThere("AddAddr")], [[1], [1]]);
      },
    );

    settles("multiple subflows and signal", {
      opens: { subflows: 3, addAddrAccepted: 1, add: [subflow(1), subflow(2)] },
      announces: { subflows: 3, add: [signal(1)] },
    }, { subflows: ["0>1", "1>0", "2>0"], joins: [3, 3, 3], adds: [1, 1] });

    settles("signal addresses", {
      opens: { subflows: 3, addAddrAccepted: 3 },
      announces: { subflows: 3, add: [signal(1), signal(2), signal(3)] },
    }, { subflows: ["0>1", "0>2", "0>3"], joins: [3, 3, 3], adds: [3, 3] });

    settles("signal invalid addresses", {
      opens: { subflows: 3, addAddrAccepted: 3 },
      announces: {
        subflows: 3,
        add: [{ address: NOWHERE[announcer], signal: true }, signal(1)],
      },
    }, { subflows: ["0>1"], joins: [2, 1, 1], adds: [2, 2] });

    scenario("signal addresses race test", {
      opens: {
        subflows: 4,
        addAddrAccepted: 4,
        add: [1, 2, 3].map((n) => ({ address: addressOf(opener, n), signal: true })),
      },
      announces: {
        subflows: 4,
        addAddrAccepted: 4,
        add: [signal(1), signal(2), signal(3)],
      },
    }, (run) => {
      run.to(4);
      assertEquals([run.adds, run.countedThere("AddAddr")], [[3, 3], [3]]);
      // Who comes first opens: four in all, whichever way they go.
      assertEquals(run.subflows.length, 5);
    });
  });

  describe(`endpoints: laminar_endp, opened by the ${opener}`, () => {
    const laminar = (n: number) => ({ address: addressOf(opener, n), laminar: true });
    const opens = (...add: object[]) => ({
      subflows: 4,
      addAddrAccepted: 4,
      add: add as ReturnType<typeof laminar>[],
    });
    const announces = { subflows: 4, add: [signal(1), signal(2)] };

    settles("without a laminar endpoint", { opens: opens(), announces }, {
      subflows: ["0>1", "0>2"],
      joins: [2, 2, 2],
      adds: [2, 2],
    });

    settles("with a laminar endpoint", {
      opens: opens(laminar(1)),
      announces: { ...announces, add: [signal(1)] },
    }, { subflows: ["1>1"], joins: [1, 1, 1], adds: [1, 1] });

    settles(
      "with multiple laminar endpoints",
      { opens: opens(laminar(1), laminar(2)), announces },
      {
        subflows: ["1>1", "2>2"],
        joins: [2, 2, 2],
        adds: [2, 2],
      },
    );

    settles("single laminar endpoint", { opens: opens(laminar(1)), announces }, {
      subflows: ["1>1"],
      joins: [1, 1, 1],
      adds: [2, 2],
    });

    settles("sublow + laminar endpoints", {
      opens: opens(laminar(1), subflow(2)),
      announces: { ...announces, add: [signal(1)] },
    }, { subflows: ["1>1", "2>0"], joins: [2, 2, 2], adds: [1, 1] });
  });

  describe(`endpoints: remove, opened by the ${opener}`, () => {
    const removes = (
      name: string,
      plan: Omit<Plan, "opener">,
      before: string[],
      remove: (run: Scenario) => void,
      after: string[],
      { tx = 0, txThere = 0 }: { tx?: number; txThere?: number },
    ): void =>
      scenario(name, plan, (run) => {
        run.to(2);
        assertEquals(run.subflows, before);
        run.do(() => remove(run));
        run.to(4);
        assertEquals(run.subflows, after);
        assertEquals([run.counted("RmAddrTx"), run.countedThere("RmAddr")], [[tx], [tx]]);
        assertEquals([run.countedThere("RmAddrTx"), run.counted("RmAddr")], [[txThere], [txThere]]);
      });
    const all = {
      opens: { subflows: 3, addAddrAccepted: 3, add: [subflow(1), subflow(2)] },
      announces: { subflows: 3, add: [signal(1)] },
    };
    const three = {
      opens: { subflows: 3, addAddrAccepted: 3 },
      announces: { subflows: 3, add: [signal(1), signal(2), signal(3)] },
    };

    removes(
      "remove single subflow",
      { opens: { add: [subflow(1)] } },
      ["0>0", "1>0"],
      (run) => run.opens.remove(1),
      ["0>0"],
      { tx: 1 },
    );
    removes(
      "remove multiple subflows",
      { opens: { add: [subflow(1), subflow(2)] } },
      ["0>0", "1>0", "2>0"],
      (run) => [1, 2].forEach((id) => run.opens.remove(id)),
      ["0>0"],
      { tx: 2 },
    );
    removes(
      "remove single address",
      { opens: { addAddrAccepted: 1 }, announces: { add: [signal(1)] } },
      ["0>0", "0>1"],
      (run) => run.announces.remove(1),
      ["0>0"],
      { txThere: 1 },
    );
    removes(
      "remove subflow and signal",
      { opens: { addAddrAccepted: 1, add: [subflow(1)] }, announces: { add: [signal(1)] } },
      ["0>0", "0>1", "1>0"],
      (run) => [run.opens, run.announces].forEach((each) => each.remove(1)),
      ["0>0"],
      { tx: 1, txThere: 1 },
    );
    removes(
      "remove subflows and signal",
      all,
      ["0>0", "0>1", "1>0", "2>0"],
      (run) => {
        run.opens.remove(1);
        run.opens.remove(2);
        run.announces.remove(1);
      },
      ["0>0"],
      { tx: 2, txThere: 1 },
    );
    removes(
      "remove addresses",
      three,
      ["0>0", "0>1", "0>2", "0>3"],
      (run) => [1, 2, 3].forEach((id) => run.announces.remove(id)),
      ["0>0"],
      { txThere: 3 },
    );
    removes(
      "remove invalid addresses",
      {
        opens: three.opens,
        announces: {
          subflows: 3,
          add: [{ address: NOWHERE[announcer], signal: true }, signal(1)],
        },
      },
      ["0>0", "0>1"],
      (run) => [1, 2].forEach((id) => run.announces.remove(id)),
      ["0>0"],
      { txThere: 2 },
    );
    removes(
      "flush subflows and signal",
      all,
      ["0>0", "0>1", "1>0", "2>0"],
      (run) => [run.opens, run.announces].forEach((each) => each.flush()),
      ["0>0"],
      { tx: 2, txThere: 1 },
    );
    removes(
      "flush subflows",
      { opens: { add: [subflow(1), subflow(2)] } },
      ["0>0", "1>0", "2>0"],
      (run) => run.opens.flush(),
      ["0>0"],
      { tx: 2 },
    );
    removes(
      "flush addresses",
      three,
      ["0>0", "0>1", "0>2", "0>3"],
      (run) => run.announces.flush(),
      ["0>0"],
      { txThere: 3 },
    );
    removes(
      "remove id 0 subflow",
      { opens: { add: [subflow(1)] } },
      ["0>0", "1>0"],
      (run) => run.opens.remove(0, run.ours(0)),
      ["1>0"],
      { tx: 1 },
    );
    removes(
      "remove id 0 address",
      { opens: { addAddrAccepted: 1 }, announces: { add: [signal(1)] } },
      ["0>0", "0>1"],
      (run) => run.announces.remove(0, run.theirs(0)),
      ["0>1"],
      { txThere: 1 },
    );
  });

  describe(`endpoints: add, opened by the ${opener}`, () => {
    for (const family of [4, 6] as const) {
      const suffix = family === 6 ? " IPv6" : "";
      scenario(family === 4 ? "add single subflow" : "single subflow IPv6", { family }, (run) => {
        run.to(1);
        assertEquals(run.subflows, ["0>0"].map((pair) => family === 6 ? "0v6>0v6" : pair));
        run.do(() => run.opens.add(subflow(1, {}, family)));
        run.to(3);
        assertEquals(run.joins, [1, 1, 1]);
      });
      scenario(
        family === 4 ? "add signal address" : "single address IPv6",
        { family, opens: { addAddrAccepted: 1 } },
        (run) => {
          run.to(1);
          run.do(() => run.announces.add(signal(1, {}, family)));
          run.to(3);
          assertEquals([run.joins, run.adds], [[1, 1, 1], [1, 1]]);
        },
      );
      scenario(`add multiple subflows${suffix}`, { family }, (run) => {
        run.to(1);
        run.do(() => run.opens.add(subflow(1, {}, family)));
        run.do(() => run.opens.add(subflow(2, {}, family)));
        run.to(3);
        assertEquals(run.joins, [2, 2, 2]);
      });
      scenario(`add multiple addresses${suffix}`, {
        family,
        opens: { addAddrAccepted: 2 },
      }, (run) => {
        run.to(1);
        run.do(() => run.announces.add(signal(1, {}, family)));
        run.do(() => run.announces.add(signal(2, {}, family)));
        run.to(4);
        assertEquals([run.joins, run.adds], [[2, 2, 2], [2, 2]]);
        if (family === 6) {
          run.do(() => run.announces.remove(1)); // "remove single address IPv6"
          run.to(6);
          assertEquals([run.subflows, run.counted("RmAddr")], [["0v6>0v6", "0v6>2v6"], [1]]);
        }
      });
    }
    settles("unused signal address IPv6", {
      both: true,
      announces: { add: [signal(1, {}, 6)] },
    }, { subflows: [], joins: [0, 0, 0], adds: [1, 1] });
  });

  describe(`endpoints: mixed and v4mapped, opened by the ${opener}`, () => {
    settles("IPv4 sockets do not use IPv6 addresses", {
      both: true,
      opens: { add: [subflow(1, {}, 6)] },
    }, { subflows: [], joins: [0, 0, 0] });

    settles("simult IPv4 and IPv6 subflows", {
      both: true,
      opens: { addAddrAccepted: 1, add: [subflow(1)] },
      announces: { add: [signal(1, {}, 6)] },
    }, { subflows: ["0v6>1v6", "1>0"], joins: [2, 2, 2], adds: [1, 1] });

    settles("simult IPv4 and IPv6 subflows, fullmesh 1x1", {
      both: true,
      opens: {
        subflows: 4,
        addAddrAccepted: 4,
        add: [subflow(1, { fullmesh: true }), subflow(1, { fullmesh: true }, 6)],
      },
      announces: { subflows: 4, add: [signal(1, {}, 6)] },
    }, { subflows: ["1>0", "1v6>1v6"], joins: [2, 2, 2], adds: [1, 1] });

    settles("simult IPv4 and IPv6 subflows, fullmesh 2x2", {
      both: true,
      opens: {
        subflows: 8,
        addAddrAccepted: 4,
        add: [1, 2].flatMap((n) => [
          subflow(n, { fullmesh: true }),
          subflow(n, { fullmesh: true }, 6),
        ]),
      },
      announces: { subflows: 8, add: [signal(1), signal(1, {}, 6)] },
    }, {
      subflows: ["1>0", "1>1", "1v6>1v6", "2>0", "2>1", "2v6>1v6"],
      joins: [6, 6, 6],
      adds: [2, 2],
    });

    const mapped = (address: string): string => `::ffff:${address}`;
    settles("single subflow IPv4-mapped", {
      opens: { add: [{ ...subflow(1), address: mapped(addressOf(opener, 1)) }] },
    }, { subflows: ["1>0"], joins: [1, 1, 1] });

    settles("signal address IPv4-mapped", {
      opens: { addAddrAccepted: 1 },
      announces: { add: [{ ...signal(1), address: mapped(addressOf(announcer, 1)) }] },
    }, { subflows: ["0>1"], joins: [1, 1, 1], adds: [1, 1] });

    settles("no JOIN with diff families v4-v6", {
      both: true,
      opens: { addAddrAccepted: 1, add: [subflow(1, {}, 6)] },
    }, { subflows: [], joins: [0, 0, 0] });
  });

  describe(`endpoints: backup, opened by the ${opener}`, () => {
    scenario(
      "single subflow, backup",
      { opens: { add: [subflow(1, { backup: true })] } },
      (run) => {
        run.to(2);
        assertEquals([run.subflows, run.joins], [["0>0", "1>0 b"], [1, 1, 1]]);
        assertEquals(run.countedThere("MPJoinSynBackupRx"), [1]);
        assertEquals(run.counted("MPPrioTx"), [0]);
      },
    );

    scenario("single address, backup", {
      opens: { addAddrAccepted: 1 },
      announces: { add: [signal(1, { backup: true })] },
    }, (run) => {
      run.to(2);
      assertEquals([run.subflows, run.joins], [["0>0", "0>1 b"], [1, 1, 1]]);
    });

    scenario("single address, switch to backup", {
      opens: { addAddrAccepted: 1 },
      announces: { add: [signal(1)] },
    }, (run) => {
      run.to(2);
      assertEquals(run.subflows, ["0>0", "0>1"]);
      run.do(() => run.announces.change(1, { backup: true }));
      run.to(3);
      assertEquals(run.subflows, ["0>0", "0>1 b"]);
      assertEquals([run.countedThere("MPPrioTx"), run.counted("MPPrioRx")], [[1], [1]]);
    });

    for (const both of [false, true]) {
      scenario(both ? "mpc backup both sides" : "mpc backup", {
        opens: { add: [subflow(0, { backup: true })] },
        announces: { add: both ? [signal(0, { backup: true })] : [] },
      }, (run) => {
        run.to(2);
        assertEquals([run.subflows, run.joins], [["0>0 b"], [0, 0, 0]]);
        const there = both ? 1 : 0;
        assertEquals([run.counted("MPPrioTx"), run.countedThere("MPPrioRx")], [[1], [1]]);
        assertEquals([run.countedThere("MPPrioTx"), run.counted("MPPrioRx")], [[there], [there]]);
      });

      scenario(both ? "mpc switch to backup both sides" : "mpc switch to backup", {
        opens: { add: [subflow(0)] },
        announces: { add: both ? [signal(0)] : [] },
      }, (run) => {
        run.to(2);
        assertEquals(run.subflows, ["0>0"]);
        run.do(() => run.opens.change(1, { backup: true }));
        if (both) run.do(() => run.announces.change(1, { backup: true }));
        run.to(3);
        const there = both ? 1 : 0;
        assertEquals([run.subflows, run.counted("MPPrioTx")], [["0>0 b"], [1]]);
        assertEquals([run.countedThere("MPPrioTx"), run.adds], [[there], [0, 0]]);
      });
    }
  });

  describe(`endpoints: fullmesh, opened by the ${opener}`, () => {
    const mesh = (...numbers: number[]) => ({
      subflows: 8,
      addAddrAccepted: 8,
      add: numbers.map((n) => subflow(n, { fullmesh: true })),
    });
    const announces = (...numbers: number[]) => ({
      subflows: 8,
      add: numbers.map((n) => signal(n)),
    });

    settles("fullmesh test 2x1", { opens: mesh(1, 2), announces: announces(1) }, {
      subflows: ["1>0", "1>1", "2>0", "2>1"],
      joins: [4, 4, 4],
      adds: [1, 1],
    });
    settles("fullmesh test 1x1", { opens: mesh(0, 1), announces: announces(1) }, {
      subflows: ["0>1", "1>0", "1>1"],
      joins: [3, 3, 3],
      adds: [1, 1],
    });
    settles("fullmesh test 1x2", { opens: mesh(0, 1), announces: announces(1, 2) }, {
      subflows: ["0>1", "0>2", "1>0", "1>1", "1>2"],
      joins: [5, 5, 5],
      adds: [2, 2],
    });
    settles("fullmesh test 1x2, limited", {
      opens: { ...mesh(0, 1), subflows: 4 },
      announces: announces(1, 2),
    }, { subflows: ["0>1", "1>0", "1>1", "0>2"], joins: [4, 4, 4], adds: [2, 2] });

    for (const backup of [undefined, true]) {
      const flags = (fullmesh: boolean) => ({ fullmesh, ...(backup && { backup: fullmesh }) });
      scenario(backup ? "set backup,fullmesh flags test" : "set fullmesh flag test", {
        opens: { ...mesh(), add: [subflow(1)] },
        announces: announces(1),
      }, (run) => {
        run.to(2);
        assertEquals(run.subflows, ["0>0", "0>1", "1>0"]);
        run.do(() => run.opens.change(1, flags(true)));
        run.to(4);
        const b = backup ? " b" : "";
        assertEquals(run.subflows, ["0>0", `1>0${b}`, `1>1${b}`]);
        assertEquals(run.counted("MPPrioTx"), [backup ? 1 : 0]);
      });

      scenario(backup ? "set nobackup,nofullmesh flags test" : "set nofullmesh flag test", {
        opens: { ...mesh(), add: [subflow(1, flags(true))] },
        announces: announces(1),
      }, (run) => {
        run.to(2);
        const b = backup ? " b" : "";
        assertEquals(run.subflows, ["0>0", `1>0${b}`, `1>1${b}`]);
        run.do(() => run.opens.change(1, flags(false)));
        run.to(4);
        assertEquals(run.subflows, ["0>0", "0>1", "1>0"]);
      });
    }
  });

  describe(`endpoints: endpoint, opened by the ${opener}`, () => {
    it("implicit EP", () => {
      // The address that answers has no endpoint: it gets one, which keeps its id and takes flags.
      using run = new Scenario({
        opener,
        both: true,
        opens: { addAddrAccepted: 2 },
        announces: { add: [signal(1, {}, 6)] },
      });
      run.to(2);
      assertEquals(run.subflows, ["0>0", "0v6>1v6"]);
      const address = run.ours(0, 6);
      const [implied] = run.opens.list();
      assertEquals(implied && [implied.id, implied.address, implied.implicit], [1, address, true]);
      assertEquals(run.opens.add({ address, signal: true }), 1);
      assertEquals(run.opens.list().map((each) => [each.implicit, each.signal]), [[false, true]]);
      run.to(4);
      assertEquals(run.countedThere("AddAddr"), [1]);
      run.complete();
    });

    scenario("delete and re-add", { opens: { add: [subflow(1, { id: 7 })] } }, (run) => {
      run.to(1);
      for (let round = 1; round <= 3; round++) {
        run.do(() => run.opens.remove(7));
        run.to(2 * round);
        assertEquals(run.subflows, ["0>0"]);
        run.do(() => run.opens.add(subflow(1, { id: 7 })));
        run.to(2 * round + 1);
        assertEquals(run.subflows, ["0>0", "1>0"]);
      }
      assertEquals(run.joins, [4, 4, 4]);
      assertEquals(run.countedThere("RmAddr"), [3]);
    });

    scenario("delete re-add signal", {
      opens: { subflows: 3, addAddrAccepted: 3 },
      announces: { subflows: 3, add: [signal(1, { id: 9 })] },
    }, (run) => {
      run.to(1);
      assertEquals(run.subflows, ["0>0", "0>1"]);
      run.do(() => run.announces.remove(9));
      run.to(2.5);
      assertEquals(run.subflows, ["0>0"]);
      run.do(() => run.announces.add(signal(1, { id: 9 })));
      run.to(4);
      assertEquals([run.subflows, run.adds], [["0>0", "0>1"], [2, 2]]);
      // The address of the first subflow: taken back, and announced again as id 0.
      run.do(() => run.announces.remove(0, run.theirs(0)));
      run.to(5.5);
      assertEquals(run.subflows, ["0>1"]);
      run.do(() => run.announces.add(signal(0, { id: 42 })));
      run.to(7);
      assertEquals(run.adds, [3, 3]);
      assert(run.subflows.includes("0>0"), run.subflows.join());
    });

    scenario("flush re-add", {
      opens: { subflows: 3, addAddrAccepted: 3 },
      announces: { subflows: 3, add: [signal(1), signal(2)] },
    }, (run) => {
      run.to(2);
      run.do(() => run.announces.flush());
      run.to(4);
      assertEquals(run.subflows, ["0>0"]);
      run.do(() => run.announces.add(signal(2)));
      run.do(() => run.announces.add(signal(1)));
      run.to(6);
      assertEquals([run.subflows, run.adds], [["0>0", "0>1", "0>2"], [4, 4]]);
    });
  });
}
