/** Hostile versions of valid inputs: JSON changed at places of its tree, bytes changed in the file; they shrink. */

import fc from 'fast-check';

/** Values that parsers tend to take for something else. */
const hostileValues: readonly unknown[] = [
  ...[null, true, false, '', '0', 'null', '__proto__', 'constructor', '\ud800', '\u202e', '\0', 'a'.repeat(5000)],
  ...[0, -0, -1, 1, 2, 0.5, 1e-320, 255, 65_536, 2 ** 31, 2 ** 32, 2 ** 53, 2 ** 63, 1e300, -1e300],
  ...[[], [[]], {}, { __proto__: null }, { length: 1e9 }, { toString: 1 }, [null], Array(300).fill(0)],
];

/** Stands for lists in lists, deeper than recursion can follow. */
const deep = '<deep>';
const nested = `${'['.repeat(20_000)}${']'.repeat(20_000)}`;

type Change = (old: unknown) => unknown;

function kind<Given>(weight: number, given: fc.Arbitrary<Given>, apply: (old: unknown, given: Given) => unknown) {
  return {
    weight,
    arbitrary: given.map(
      (value): Change =>
        old =>
          apply(old, value),
    ),
  };
}

/** One change of a JSON tree; `place` picks where, in the order of a walk through the tree. */
const change: fc.Arbitrary<{ place: number; change: Change }> = fc.record({
  place: fc.nat(),
  change: fc.oneof(
    kind(4, fc.constantFrom(...hostileValues), (_, value) => value),
    kind(2, fc.jsonValue({ maxDepth: 3 }), (_, value) => value),
    kind(2, fc.integer(), (old, by) => (typeof old === 'number' ? old + by : by)),
    kind(2, fc.string(), (old, text) => (typeof old === 'string' ? old + text : text)),
    kind(1, fc.constant(null), old => [old]),
    kind(1, fc.constant(null), () => deep),
    kind(1, fc.constant(null), old => (Array.isArray(old) ? [...old, ...old] : old)),
    kind(3, fc.nat(), withoutOne),
    kind(2, fc.record({ at: fc.nat(), name: fc.string() }), renamed),
  ),
});

/** A seed with one to four changes. Seeds are not modified. */
export function changedJson(seeds: readonly unknown[]): fc.Arbitrary<unknown> {
  return fc
    .tuple(fc.constantFrom(...seeds), fc.array(change, { minLength: 1, maxLength: 4 }))
    .map(([seed, changes]) => changes.reduce((json, { place, change: apply }) => changedAt(json, place, apply), seed));
}

/** UTF-8 of changed JSON, sometimes with changed bytes. */
export function changedJsonBytes(seeds: readonly unknown[]): fc.Arbitrary<Uint8Array> {
  return changedJson(seeds).chain(json => {
    const written = (JSON.stringify(json) ?? '').replace(`"${deep}"`, nested);
    const bytes = new TextEncoder().encode(written);
    return fc.oneof({ weight: 5, arbitrary: fc.constant(bytes) }, { weight: 1, arbitrary: changedBytes(bytes) });
  });
}

/** Bytes flipped, cut out, put in or repeated. */
export function changedBytes(seed: Uint8Array): fc.Arbitrary<Uint8Array> {
  const edit = fc.record({ at: fc.nat(), drop: fc.nat(8), insert: fc.uint8Array({ maxLength: 8 }) });
  return fc.tuple(fc.array(edit, { minLength: 1, maxLength: 4 }), fc.option(fc.nat())).map(([edits, cut]) => {
    let bytes = seed;
    for (const { at, drop, insert } of edits) {
      const start = at % (bytes.length + 1);
      bytes = Uint8Array.from([...bytes.subarray(0, start), ...insert, ...bytes.subarray(start + drop)]);
    }
    return cut === null ? bytes : bytes.subarray(0, cut % (bytes.length + 1));
  });
}

/** Replaces one place of the tree, counted in a walk; copies only what lies on the way there. */
function changedAt(json: unknown, place: number, change: Change): unknown {
  let left = place % countOf(json);
  const walk = (node: unknown): unknown => {
    if (left-- === 0) return change(node);
    if (typeof node !== 'object' || node === null) return node;
    const copy: Record<string, unknown> | unknown[] = Array.isArray(node) ? [...node] : { ...node };
    for (const [key, child] of Object.entries(node)) {
      if (left < 0) break;
      const next = walk(child);
      if (next !== child) Object.defineProperty(copy, key, { value: next, enumerable: true, configurable: true });
    }
    return copy;
  };
  return walk(json);
}

function countOf(json: unknown): number {
  if (typeof json !== 'object' || json === null) return 1;
  return Object.values(json).reduce((sum: number, child) => sum + countOf(child), 1);
}

function withoutOne(old: unknown, at: number): unknown {
  if (Array.isArray(old)) return old.filter((_, i) => i !== at % old.length);
  if (typeof old !== 'object' || old === null) return undefined;
  const keys = Object.keys(old);
  return Object.fromEntries(Object.entries(old).filter(([key]) => key !== keys[at % keys.length]));
}

function renamed(old: unknown, { at, name }: { readonly at: number; readonly name: string }): unknown {
  if (typeof old !== 'object' || old === null || Array.isArray(old)) return old;
  return Object.fromEntries(
    Object.entries(old).map(([key, value], i, all) => [i === at % all.length ? name : key, value]),
  );
}
