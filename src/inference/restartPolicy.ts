/** How often the inference process may crash before it is left alone. Pure: the clock is passed in. */
export class RestartPolicy {
  private crashes: number[] = [];

  constructor(
    private readonly maxCrashes = 5,
    private readonly windowMs = 3 * 60_000,
  ) {}

  /** @param nowMs any monotonic clock. */
  onCrash(nowMs: number): void {
    this.crashes = [...this.crashes.filter(time => nowMs - time < this.windowMs), nowMs];
  }

  /** A person asked for a restart: what was before counts no longer. */
  forget(): void {
    this.crashes = [];
  }

  /** False once there were `maxCrashes` crashes within the window. */
  mayStart(nowMs: number): boolean {
    return this.crashes.filter(time => nowMs - time < this.windowMs).length < this.maxCrashes;
  }
}
