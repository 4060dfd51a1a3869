import type { PathManagerPlugin } from "../../core/plugin.ts";

/** Pairs every address with every other, an IPv4 with an IPv6 one too. */
export default function foreignFamily(): PathManagerPlugin {
  return {
    kind: "path-manager",
    name: "foreign_family",
    create: ({ role, locals, remotes, index, use }) => ({
      onEvent(event) {
        if (role === "server" || event.type === "subflow" || event.type === "echo") return;
        const wanted = new Set([1]);
        for (const local of locals) {
          for (const remote of remotes) wanted.add(index({ local, remote }));
        }
        use([...wanted]);
      },
    }),
  };
}
