import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { PathMtus } from "../../../core/host/path_mtus.ts";

describe("path MTUs that a host remembers", () => {
  it("are believed until they are old, each for its own pair of addresses", () => {
    const table = new PathMtus();
    const path = table.of("10.0.0.1", "10.0.0.2");
    assertEquals(path.known(0), null);
    path.found(1400, 600e6);
    assertEquals(table.of("10.0.0.1", "10.0.0.2").known(599e6)?.mtu, 1400);
    assertEquals(table.of("10.0.1.1", "10.0.0.2").known(0), null);
    assertEquals(path.known(600e6), null);
    assertEquals(table.size, 0);
  });

  it("give way to what was found since", () => {
    const path = new PathMtus().of("10.0.0.1", "10.0.0.2");
    path.found(1400, 100);
    path.found(1300, 200);
    assertEquals(path.known(150), { mtu: 1300, until: 200 });
  });

  it("are 256 at most: the oldest is forgotten", () => {
    const table = new PathMtus();
    for (let i = 0; i <= 256; i++) table.of("10.0.0.1", `10.0.1.${i}`).found(1000 + i, 1e6);
    assertEquals(table.size, 256);
    assertEquals(
      [0, 1, 256].map((i) => table.of("10.0.0.1", `10.0.1.${i}`).known(0)?.mtu),
      [undefined, 1001, 1256],
    );
  });
});
