/** A Map, or a cache of a library that is used as one. */
interface Store<Key, Value> {
  get(key: Key): Value | undefined;
  set(key: Key, value: Value): unknown;
  delete(key: Key): unknown;
}

/** The value under `key`, made if it is missing; a failure is not kept. */
export function cached<Key, T>(store: Store<Key, Promise<T>>, key: Key, make: () => Promise<T>): Promise<T> {
  const kept = store.get(key);
  if (kept) return kept;
  const value = make();
  store.set(key, value);
  value.catch(() => store.get(key) === value && store.delete(key));
  return value;
}
