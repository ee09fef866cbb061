/** Context keys, which decide what menus offer: set where a value changed, since the state changes far more often. */
export class ContextKeys {
  private readonly known = new Map<string, boolean>();

  /** @param send sets a key's new value in VS Code. */
  constructor(private readonly send: (key: string, value: boolean) => void) {}

  set(key: string, value: boolean): void {
    if (this.known.get(key) === value) return;
    this.known.set(key, value);
    this.send(key, value);
  }
}
