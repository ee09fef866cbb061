/** The k largest of many values. Pure. */

/**
 * Puts a value into its place among the largest, which stand from `start` on in falling order, of equal ones the earlier
 * first.
 * @param count how many stand there so far, at most `k`.
 * @returns how many stand there now.
 */
export function insertLargest(
  ids: Int32Array,
  values: Float32Array,
  start: number,
  k: number,
  count: number,
  id: number,
  value: number,
): number {
  const last = start + Math.min(count, k - 1);
  if (count === k && !(value > values[last]!)) return k;
  let at = last;
  while (at > start && value > values[at - 1]!) at--;
  values.copyWithin(at + 1, at, last);
  ids.copyWithin(at + 1, at, last);
  values[at] = value;
  ids[at] = id;
  return last - start + 1;
}
