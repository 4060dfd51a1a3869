/** A plugin whose `create` is another one. */

/** `plugin` with `create` in place of its own. Methods are still called on the plugin itself: one with private members would not know another object. */
export function withCreate<T extends { create(given: never): unknown }>(
  plugin: T,
  create: (given: never) => unknown,
): T {
  // Not of the plugin itself: where that is frozen, nothing may be said in its place.
  return new Proxy(Object.create(plugin) as T, {
    get(_, name) {
      if (name === "create") return create;
      const value: unknown = Reflect.get(plugin, name, plugin);
      return typeof value === "function" ? value.bind(plugin) : value;
    },
  });
}
