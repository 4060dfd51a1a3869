/** A plugin whose `create` is another one. */

/** `plugin` with `create` in place of its own. Methods are still called on the plugin itself: one with private members would not know another object. */
export function withCreate<T extends { create(given: never): unknown }>(
  plugin: T,
  create: (given: never) => unknown,
): T {
  return new Proxy(plugin, {
    get(target, name) {
      if (name === "create") return create;
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}
