import type { PathManagerPlugin } from "../../core/plugin.ts";

/** A path from each address of the client that it begins with; one that was away is not used again. */
export default function givesUpAddresses(): PathManagerPlugin {
  return {
    kind: "path-manager",
    name: "gives_up_addresses",
    create: ({ role, locals, remotes, index, use }) => {
      const gone = new Set<string>();
      return {
        onEvent(event) {
          if (role === "server") return;
          if (event.type === "local" && event.change === "removed") gone.add(event.address.address);
          const paths = locals.filter(({ address }) => !gone.has(address)).flatMap((local) =>
            remotes.filter(({ family }) => family === local.family)
              .map((remote) => index({ local, remote }))
          );
          use([...new Set([1, ...paths])]);
        },
      };
    },
  };
}
