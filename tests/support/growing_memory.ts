/**
 * Imported before anything else, it has the engine refuse to grow the WebAssembly memory by much at once, as one with little memory does: the memory then
 * grows under its views.
 */

const { grow } = WebAssembly.Memory.prototype;

WebAssembly.Memory.prototype.grow = function (pages: number): number {
  if (pages > 1024) throw new RangeError("Cannot grow by so much at once");
  return grow.call(this, pages);
};
