/** What tests choose for one host, in one word each. */

import type { Experiments } from "../../core/connection/host.ts";
import { DEFAULT_MPTCP, type MptcpSettings } from "../../core/connection/settings.ts";

/** Experiments, and the settings of MPTCP beside them. */
export interface Choices extends Experiments, Partial<Omit<MptcpSettings, "enabled">> {
  /** MPTCP is offered and accepted at all. */
  readonly mptcp?: boolean;
}

/** The two halves of `choices`, as a stack takes them. */
export function choose(choices: Choices = {}): { experiments: Experiments; mptcp: MptcpSettings } {
  const { mptcp = true, ...rest } = choices;
  return { experiments: rest, mptcp: { ...DEFAULT_MPTCP, ...rest, enabled: mptcp } };
}
