import type { PathIndex, PathManagerPlugin } from "../../core/plugin.ts";

/** Adds to its list and never looks whether an index is there. */
export default function indexTwice(): PathManagerPlugin {
  return {
    kind: "path-manager",
    name: "index_twice",
    create: ({ locals, remotes, index, use }) => {
      const wanted: PathIndex[] = [];
      return {
        onEvent(event) {
          if (event.type !== "start" && event.type !== "local") return;
          const [remote] = remotes;
          if (!remote) return;
          for (const local of locals) {
            if (local.family === remote.family) wanted.push(index({ local, remote }));
          }
          use(wanted.length > 0 ? wanted : [1]);
        },
      };
    },
  };
}
