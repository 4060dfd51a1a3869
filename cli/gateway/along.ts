/** A path manager that keeps connections to some of the paths. */

import type { HostAddress, PathManagerPlugin } from "../../mod.ts";

/**
 * Opens paths from the addresses of the links `paths` to all of the peer's, and those of `backup` as backups: what is carried by them goes by them only when no
 * other works. Nothing else is opened.
 */
export function along(paths: readonly string[], backup: readonly string[]): PathManagerPlugin {
  const order = [...paths, ...backup];
  return {
    kind: "path-manager",
    name: "along",
    create: ({ locals, remotes, index, use, setBackup }) => {
      const open = (): void => {
        const wanted: number[] = [];
        for (const link of order) {
          for (const local of locals.filter((each) => each.link === link)) {
            for (const remote of remotes.filter(({ family }) => family === local.family)) {
              const path = index({ local, remote });
              wanted.push(path);
              if (backup.includes(link)) setBackup(path, true);
            }
          }
        }
        use(wanted);
      };
      return {
        onEvent({ type }) {
          if (type === "start" || type === "local" || type === "remote") open();
        },
      };
    },
  };
}

/** The addresses of links, in the order of these, that go with an address of `family`; of all links: undefined. */
export function addressesAlong(
  addresses: readonly Pick<HostAddress, "address" | "family" | "link">[],
  links: readonly string[],
  family: 4 | 6,
): string[] {
  return links.flatMap((link) =>
    addresses.filter((each) => each.link === link && each.family === family)
  ).map(({ address }) => address);
}
