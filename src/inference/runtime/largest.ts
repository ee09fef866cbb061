/** The k largest of many values, in falling order, of equal ones the earlier first. Pure. */
export class Largest {
  private count = 0;

  /** Writes into both, from their start on. @param ids @param values of length k each. */
  constructor(
    private readonly ids: Int32Array,
    private readonly values: Float32Array,
  ) {}

  add(id: number, value: number): void {
    const { ids, values } = this;
    const last = Math.min(this.count, values.length - 1);
    if (this.count === values.length && !(value > values[last]!)) return;
    let at = last;
    while (at > 0 && value > values[at - 1]!) at--;
    values.copyWithin(at + 1, at, last);
    ids.copyWithin(at + 1, at, last);
    values[at] = value;
    ids[at] = id;
    this.count = last + 1;
  }
}
