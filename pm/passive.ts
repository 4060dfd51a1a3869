/** Opens nothing. */

import type { PathManagerPlugin } from "../core/plugin.ts";

/** It has no options. */
export const defaults: Readonly<Record<string, never>> = {};

/** Accepts what the peer opens, opens and announces nothing itself. */
export default function passive(): PathManagerPlugin {
  return { kind: "path-manager", name: "passive", create: () => ({ onEvent: () => {} }) };
}
