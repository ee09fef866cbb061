/** Values that came from outside, checked against a schema before anybody acts on them. */

import * as v from 'valibot';

export type Schema<T> = v.GenericSchema<unknown, T>;

/**
 * @returns the value as the schema describes it, without fields it does not name.
 * @throws the error that `fail` makes of what is wrong: the place and what is expected there, never the value found,
 * which may be of a document.
 */
export function checked<T>(schema: Schema<T>, value: unknown, fail: (why: string) => Error): T {
  // One problem is enough: a hostile message could hold millions.
  const result = v.safeParse(schema, value, { abortEarly: true, abortPipeEarly: true });
  if (result.success) return result.output;
  const [issue] = result.issues;
  const place = v.getDotPath(issue);
  throw fail(`${place ? place.slice(0, 200) : 'it'} is not ${issue.expected ?? 'as it should be'}`);
}

/** A whole number from `min` to `max`. */
export const whole = (min = 0, max = Number.MAX_SAFE_INTEGER) =>
  v.pipe(v.number(), v.safeInteger(), v.minValue(min), v.maxValue(max));

/** Any number but NaN and the infinities. */
export const finite = () => v.pipe(v.number(), v.finite());
