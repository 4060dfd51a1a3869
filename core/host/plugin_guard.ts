/**
 * The boundary around plugins. A fault is an exception, an unknown or closed path, a wait that nothing will end, or a window that is no positive
 * number. It is counted and reported with the plugin's name; the default decides that time, and for good after 100 of them.
 * Guards cost no allocation per decision. Plugins are trusted code: a guard keeps a mistake from taking the connection down, nothing more.
 */

export { guardCongestionControl } from "./guarded_congestion.ts";
export { guardPathManager } from "./guarded_paths.ts";
export { guardScheduler } from "./guarded_scheduler.ts";
export { type FaultReport, MOST_FAULTS, type PluginFault } from "./plugin_faults.ts";
