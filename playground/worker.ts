/** The worker of the playground. */

import { type Order, run } from "./run.ts";

const worker = self as unknown as {
  onmessage: (event: MessageEvent<Order>) => void;
  postMessage(message: unknown): void;
};

worker.onmessage = ({ data }) => run(data, (answer) => worker.postMessage(answer));
