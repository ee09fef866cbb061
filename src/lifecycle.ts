/** Ownership of things that must be let go: whoever creates a disposable puts it into one of these. */

export interface Disposable {
  dispose(): unknown;
}

/** Disposes what it holds, last first; what arrives after that is disposed at once. */
export class DisposableStore implements Disposable {
  private items: Disposable[] | undefined = [];

  add<T extends Disposable>(item: T): T {
    if (this.items) this.items.push(item);
    else item.dispose();
    return item;
  }

  dispose(): void {
    const items = this.items ?? [];
    this.items = undefined;
    for (const item of items.reverse()) item.dispose();
  }
}
