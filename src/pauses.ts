/**
 * How long the extension host is blocked, by any extension. Watched while the log is at debug level, and written there:
 * a late timer shows a pause, and the processor time used meanwhile whether it was work or a machine that
 * had other things to do.
 */

import type * as vscode from 'vscode';
import { OwnTime } from './ownTime';

const intervalMs = 10;
/** Pauses from here on are written down. */
const worthReportingMs = 20;

interface Pause {
  readonly durationMs: number;
  /** Processor time of the whole process meanwhile, all its threads together. */
  readonly workMs: number;
}

/** Finds pauses between ticks that should be `intervalMs` apart. Pure. */
export class PauseFinder {
  private last: { readonly timeMs: number; readonly workMs: number } | undefined;

  /** @param timeMs now. @param workMs processor time used so far. @returns the pause that this tick ends, if there was one. */
  tick(timeMs: number, workMs: number): Pause | null {
    const { last } = this;
    this.last = { timeMs, workMs };
    if (!last) return null;
    const durationMs = timeMs - last.timeMs - intervalMs;
    return durationMs < worthReportingMs ? null : { durationMs, workMs: Math.min(durationMs, workMs - last.workMs) };
  }
}

/**
 * Watches from the start, and whatever the log's level, where this variable of the environment is set; `own` also gives how
 * much of each pause is this extension's, which costs a little all the time.
 */
const variable = 'MTA_INSPECTOR_WATCH_PAUSES';

export class PauseMonitor implements vscode.Disposable {
  private timer: NodeJS.Timeout | undefined;
  private ownTime: OwnTime | undefined;
  private readonly listening: vscode.Disposable;

  constructor(
    private readonly log: vscode.LogOutputChannel,
    private readonly debugLevel: vscode.LogLevel,
  ) {
    this.listening = log.onDidChangeLogLevel(() => this.follow());
    this.follow();
  }

  dispose(): void {
    clearInterval(this.timer);
    this.ownTime?.dispose();
    this.listening.dispose();
  }

  private follow(): void {
    clearInterval(this.timer);
    const isAsked = process.env[variable] !== undefined;
    // Off is 0, trace 1, debug 2.
    const isDebugging = this.log.logLevel !== 0 && this.log.logLevel <= this.debugLevel;
    if (!isAsked && !isDebugging) return;
    const write = (message: string) => (isAsked ? this.log.info(message) : this.log.debug(message));
    if (process.env[variable] === 'own') this.ownTime ??= new OwnTime();
    const finder = new PauseFinder();
    const tick = () => {
      const { user, system } = process.cpuUsage();
      return finder.tick(performance.now(), (user + system) / 1000);
    };
    this.timer = setInterval(() => {
      const pause = tick();
      if (!pause) {
        if (this.ownTime?.renewed()) tick(); // slow, but not a pause worth reporting
        return;
      }
      const { durationMs, workMs } = pause;
      const ownMs = this.ownTime?.ofLast(durationMs + intervalMs);
      if (ownMs !== undefined) tick();
      const own = ownMs === undefined ? '' : `, ${ownMs.toFixed(0)} ms in MTA Inspector`;
      write(`extension host paused for ${durationMs.toFixed(0)} ms, ${workMs.toFixed(0)} ms of it at work${own}`);
    }, intervalMs);
    write('pauses of the extension host are watched');
  }
}
