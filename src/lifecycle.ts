/** Ownership of disposables: the creator of one adds it to one of these. */

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
