/** A small inventory: what is in stock, what it costs, and what must be ordered again. */

interface Item {
  readonly name: string;
  readonly price: number;
  quantity: number;
}

export class Inventory {
  private readonly items = new Map<string, Item>();

  add(name: string, price: number, quantity: number): void {
    const known = this.items.get(name);
    if (known) {
      known.quantity += quantity;
      return;
    }
    this.items.set(name, { name, price, quantity });
  }

  remove(name: string, quantity: number): void {
    const item = this.items.get(name);
    if (!item) throw new Error(`There is no ${name} in stock.`);
    if (item.quantity < quantity) throw new Error(`Only ${item.quantity} of ${name} are left.`);
    item.quantity -= quantity;
  }

  total(): number {
    let total = 0;
    for (const item of this.items.values()) total += item.price * item.quantity;
    return total;
  }

  /** Items of which fewer than `least` are left. */
  toOrder(least: number): string[] {
    return [...this.items.values()].filter(item => item.quantity < least).map(item => item.name);
  }
}

const inventory = new Inventory();
inventory.add('lamp', 30, 4);
inventory.add('chair', 80, 2);
inventory.remove('lamp', 3);
console.log(inventory.total(), inventory.toOrder(2));
