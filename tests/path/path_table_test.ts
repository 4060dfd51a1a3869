import { assertEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { PathTable } from "../../core/path/path_table.ts";
import type { HostAddress, PathIndex, PathSpec } from "../../core/plugin.ts";
import * as fc from "../support/property.ts";

function host(address: string, id: number): HostAddress {
  return { address, port: 0, id, family: address.includes(":") ? 6 : 4, link: "" };
}

const FIRST: PathSpec = { local: host("10.0.0.1", 0), remote: host("10.9.0.1", 0) };

describe("PathTable", () => {
  it("gives the first subflow's path index 1 (ARC-4)", () => {
    const table = new PathTable(FIRST, 10);
    assertEquals(table.index(FIRST), 1);
    assertEquals(table.get(1), FIRST);
  });

  it("knows a path by all that makes it", () => {
    const table = new PathTable(FIRST, 10);
    const other = { ...FIRST, local: host("10.1.0.1", 1) };
    assertEquals(table.index(other), 2);
    assertEquals(table.index({ ...other, local: { ...other.local } }), 2);
    assertEquals(table.index({ ...other, copy: 1 }), 3);
    assertEquals(table.index({ ...other, dscp: 1 }), 4);
    assertEquals(table.index({ ...other, remote: { ...other.remote, port: 81 } }), 5);
    assertEquals(table.index({ ...other, copy: 0, dscp: 0 }), 2);
  });

  it("refuses what cannot be a path", () => {
    const table = new PathTable(FIRST, 2);
    const foreign = { ...FIRST, local: host("fd00::1", 1) };
    assertThrows(() => table.index(foreign), RangeError, "one family");
    assertThrows(() => table.index({ ...FIRST, copy: -1 }), RangeError, "copy");
    assertThrows(() => table.index({ ...FIRST, dscp: 64 }), RangeError, "dscp");
    for (const id of [-1, 256, 1.5, NaN]) {
      for (const end of ["local", "remote"] as const) {
        const made = { ...FIRST, [end]: { ...FIRST[end], id } };
        assertThrows(
          () => table.index(made),
          RangeError,
          `its ${end}.id must be an integer from 0 to 255: current value is ${id}`,
        );
      }
    }
    table.index({ ...FIRST, copy: 1 });
    assertThrows(() => table.index({ ...FIRST, copy: 2 }), RangeError, "at most 2");
  });

  it("binds a reserved index to a copy where the pair has an index", () => {
    const table = new PathTable(FIRST, 10);
    const reserved = table.reserve();
    assertEquals(table.known(reserved), true);
    assertEquals(table.get(reserved), undefined);
    assertEquals(table.bind(reserved, FIRST), true);
    assertEquals(table.get(reserved), { ...FIRST, copy: 1 });
    assertEquals(table.index(FIRST), 1);
  });

  it("never lets an index name two pairs (PM-3)", () => {
    const spec = fc.record({
      local: fc.integer({ min: 0, max: 3 }),
      remote: fc.integer({ min: 0, max: 3 }),
      copy: fc.integer({ min: 0, max: 2 }),
    });
    const step = fc.oneof(
      fc.record({ type: fc.constant("index" as const), spec }),
      fc.record({ type: fc.constant("bind" as const), spec }),
      fc.record({ type: fc.constant("drop" as const), path: fc.integer({ min: 1, max: 30 }) }),
    );
    fc.assert(fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const table = new PathTable(FIRST, 20);
      const named = new Map<PathIndex, string>([[1, JSON.stringify(FIRST)]]);
      const check = (path: PathIndex): void => {
        const now = JSON.stringify(table.get(path));
        assertEquals(named.get(path) ?? now, now);
        named.set(path, now);
      };
      for (const each of steps) {
        if (each.type === "drop") {
          table.drop(each.path);
          continue;
        }
        const { local, remote, copy } = each.spec;
        const made = {
          local: host(`10.${local}.0.1`, local),
          remote: host(`10.9.0.${remote}`, remote),
          copy,
        };
        if (each.type === "index") {
          if (table.size < 20) check(table.index(made));
        } else {
          const path = table.reserve();
          if (table.bind(path, made)) check(path);
        }
      }
      for (const [path] of table.entries()) check(path);
    }));
  });
});
