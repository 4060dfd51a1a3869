/** Options of the measurements that are programs of their own. */

/** Refuses whatever a program does not know. */
export function refuseUnknown(usage: string): (name: string) => never {
  return (name) => {
    throw new RangeError(`Cannot measure as there is no option ${name}\n\n${usage}`);
  };
}

/** The value of an option that is a whole number from 1 on. */
export function readCount(name: string, text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= 1) return value;
  throw new RangeError(
    `Cannot measure as --${name} must be an integer from 1 on: current value is ${text}`,
  );
}
