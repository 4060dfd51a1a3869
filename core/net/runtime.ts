/**
 * What drives a host: the loop over real devices, or the emulated network's clock. The application's promises wait on it, and nothing else in net/
 * knows which of the two is behind it.
 */

import type { DrivenStack } from "../host/link.ts";
import type { Micros } from "../plugin.ts";

/** The clock and the loop of one host. */
export interface Runtime {
  /** A fresh stamp. */
  now(): Micros;
  /** Tells that the application has called, and that the stack's `pollTimeout()` may have moved earlier. Cheap: called after every verb. */
  wake(): void;
  /**
   * An application call starts to wait for the network; the result is to be called once, when it ends.
   * @param what names the call, for errors.
   * @param counts false (accept) does not let virtual time pass.
   * @param fail ends it with an error: nothing is left to happen that could, nor does the program anything that might. It calls the result too.
   */
  wait(what: string, counts: boolean, fail: (error: Error) => void): () => void;
  /** Calls back once at `time`, in order of insertion among equals; the result cancels. */
  at(time: Micros, callback: () => void): () => void;
  /** Whether the program is to be kept running for this host: false when the application holds nothing that it wants to wait for. At first false. */
  hold(alive: boolean): void;
  /** Begins to drive `stack`, whose links have been added. Called once. */
  start(stack: DrivenStack): void;
  /** Stops the loop, then gives back what it holds, the links' devices included. May be called twice. */
  close(): Promise<void>;
}
