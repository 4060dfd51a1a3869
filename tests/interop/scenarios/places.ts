/** Namespaces for scenarios: with our end beside a kernel, or with two kernels. */

import { Lab } from "../../../cli/lab.ts";
import { makeNamespace } from "../../../cli/namespace.ts";
import { bridge } from "../../../core/link/bridge.ts";
import { impair, type Link, tun } from "../../../mod.ts";
import { Once } from "../support/damage.ts";
import { PATHS } from "./ends.ts";
import type { Middlebox, Place } from "./scenario.ts";

/** A place that goes at the end of `await using`. */
export type OwnPlace = Place & AsyncDisposable;

/** A kernel with TUN devices for our end. */
export async function besideKernel(): Promise<OwnPlace> {
  const lab = await Lab.create({ paths: PATHS, endpoints: "none" });
  const middleboxes = makeMiddleboxes();
  return {
    near: lab,
    far: null,
    middleboxes,
    interfaces: (through) =>
      lab.interfaces(through ? { wrap: (link, index) => behind(link, middleboxes[index]!) } : {}),
    [Symbol.asyncDispose]: () => lab.close(),
  };
}

/** A link of ours beyond a middlebox. */
function behind(link: Link, { toFar, toNear }: Middlebox): Link {
  return impair(link, { send: [toNear.element], receive: [toFar.element] });
}

/** A middlebox on each path that changes nothing before it is told to. */
function makeMiddleboxes(): Middlebox[] {
  return Array.from({ length: PATHS }, () => ({ toFar: new Once(), toNear: new Once() }));
}

/** Devices of a path, with their addresses, in the two namespaces. */
function addresses(path: number, side: 1 | 2): [string, string] {
  return [`10.77.${path}.${side}/24`, `fd00:77:${path}::${side}/64`];
}

/** Two kernels whose paths go through middleboxes, packet by packet. */
export async function kernelsApart(): Promise<OwnPlace> {
  const middleboxes = makeMiddleboxes();
  await using stack = new AsyncDisposableStack();
  const near = await makeNamespace();
  stack.defer(() => near.close());
  const far = await makeNamespace();
  stack.defer(() => far.close());
  for (const each of [near, far]) await each.sysctl({ "net/mptcp/enabled": 1 });
  for (const [index, { toFar, toNear }] of middleboxes.entries()) {
    const [a, b] = ([[near, 1], [far, 2]] as const).map(([{ name }, side]) =>
      tun(`mptcp${index}`, { namespace: name, kernelAddresses: addresses(index + 1, side) })
    );
    stack.use(bridge(a!, b!, { forward: [toFar.element], backward: [toNear.element] }));
  }
  const all = stack.move();
  return {
    near,
    far,
    middleboxes,
    interfaces: () => [],
    [Symbol.asyncDispose]: () => all.disposeAsync(),
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
      ...addresses(n, side).map((each) =>
        `address add ${each} dev mptcp${n - 1}${each.includes(":") ? " nodad" : ""}`
      ),
      `link set mptcp${n - 1} up`,
    ]));
  }
  return {
    near,
    far,
    middleboxes: [],
    interfaces: () => [],
    async [Symbol.asyncDispose]() {
      await near.close();
      await far.close();
    },
  };
}
