/** Whole numbers by whole numbers below 2^52; several times faster and smaller than a Map where there are a million. */
export class NumberTable {
  private keys: Float64Array;
  private values: Int32Array;
  private size = 0;

  constructor(expectedSize: number) {
    const capacity = 2 ** Math.ceil(Math.log2(Math.max(16, 2 * expectedSize)));
    this.keys = new Float64Array(capacity).fill(-1);
    this.values = new Int32Array(capacity);
  }

  set(key: number, value: number): void {
    if (2 * (this.size + 1) > this.keys.length) this.grow();
    const slot = this.slotOf(key);
    if (this.keys[slot] === -1) this.size++;
    this.keys[slot] = key;
    this.values[slot] = value;
  }

  /** @returns -1 where there is nothing. */
  get(key: number): number {
    const slot = this.slotOf(key);
    return this.keys[slot] === -1 ? -1 : this.values[slot]!;
  }

  private slotOf(key: number): number {
    const mask = this.keys.length - 1;
    const high = Math.floor(key / 0x100000000);
    const mixed = Math.imul((key >>> 0) ^ Math.imul(high, 0x9e3779b1), 0x85ebca6b);
    let slot = (mixed ^ (mixed >>> 15)) & mask;
    while (this.keys[slot] !== -1 && this.keys[slot] !== key) slot = (slot + 1) & mask;
    return slot;
  }

  private grow(): void {
    const { keys, values } = this;
    this.keys = new Float64Array(2 * keys.length).fill(-1);
    this.values = new Int32Array(2 * keys.length);
    for (const [i, key] of keys.entries()) {
      if (key === -1) continue;
      const slot = this.slotOf(key);
      this.keys[slot] = key;
      this.values[slot] = values[i]!;
    }
  }
}
