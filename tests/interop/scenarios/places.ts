/** Namespaces for scenarios: with our end beside a kernel, or with two kernels. */

import { Lab } from "../../../cli/lab.ts";
import { makeNamespace } from "../../../cli/namespace.ts";
import { PATHS } from "./ends.ts";
import type { Place } from "./scenario.ts";

/** A place that goes at the end of `await using`. */
export type OwnPlace = Place & AsyncDisposable;

/** A kernel with TUN devices for our end. */
export async function besideKernel(): Promise<OwnPlace> {
  const lab = await Lab.create({ paths: PATHS, endpoints: "none" });
  return {
    near: lab,
    far: null,
    interfaces: () => lab.interfaces(),
    [Symbol.asyncDispose]: () => lab.close(),
  };
}

/** Two kernels on veth pairs, whose devices and addresses are those of a lab. */
export async function twoKernels(): Promise<OwnPlace> {
  const near = await makeNamespace();
  const far = await makeNamespace();
  // Neighbours are asked for from link-local addresses.
  for (const each of [near, far]) {
    await each.sysctl({
      "net/ipv6/conf/default/addr_gen_mode": 0,
      "net/ipv6/conf/default/accept_dad": 0,
    });
  }
  const paths = Array.from({ length: PATHS }, (_, i) => i + 1);
  await near.ip(
    ...paths.map((n) =>
      `link add mptcp${n - 1} type veth peer name mptcp${n - 1} netns ${far.name}`
    ),
  );
  for (const [namespace, side] of [[near, 1], [far, 2]] as const) {
    await namespace.sysctl({ "net/mptcp/enabled": 1 });
    await namespace.ip(...paths.flatMap((n) => [
      `address add 10.77.${n}.${side}/24 dev mptcp${n - 1}`,
      `address add fd00:77:${n}::${side}/64 dev mptcp${n - 1} nodad`,
      `link set mptcp${n - 1} up`,
    ]));
  }
  return {
    near,
    far,
    interfaces: () => [],
    async [Symbol.asyncDispose]() {
      await near.close();
      await far.close();
    },
  };
}
