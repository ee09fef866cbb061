/**
 * How much of a pause of the extension host is this extension's: other extensions and VS Code itself work in the same
 * process. Told by a sampling profile, of which those samples count that have one of our functions on their stack.
 */

import { type Profiler, Session } from 'node:inspector';
import { pathToFileURL } from 'node:url';

const samplingMicroseconds = 1000;
/** A profile grows with time: after so long a new one is begun. */
const longestMs = 10_000;

/**
 * Milliseconds of a profile, from a time on, in which a script was at work or had called what was. Pure.
 * @param fromMicroseconds on the profile's own clock.
 */
export function timeOf(profile: Profiler.Profile, isScript: (url: string) => boolean, fromMicroseconds = 0): number {
  const ours = new Set<number>();
  const visit = (id: number, isInside: boolean): void => {
    const node = nodes.get(id);
    if (!node) return;
    const is = isInside || isScript(node.callFrame.url);
    if (is) ours.add(id);
    for (const child of node.children ?? []) visit(child, is);
  };
  const nodes = new Map(profile.nodes.map(node => [node.id, node]));
  const root = profile.nodes[0];
  if (root) visit(root.id, false);
  let time = profile.startTime;
  let sum = 0;
  // A delta is the time since the sample before.
  for (const [i, delta] of (profile.timeDeltas ?? []).entries()) {
    time += delta;
    if (time >= fromMicroseconds && ours.has(profile.samples?.[i] ?? -1)) sum += delta;
  }
  return sum / 1000;
}

/** Profiles its own thread as long as it lives. */
export class OwnTime {
  private readonly session = new Session();
  private readonly urls = new Set([__filename, pathToFileURL(__filename).href]);
  private startedMs = 0;

  constructor() {
    this.session.connect();
    this.session.post('Profiler.enable');
    this.session.post('Profiler.setSamplingInterval', { interval: samplingMicroseconds });
    this.start();
  }

  /** Our part of the last `durationMs`, in milliseconds. Begins a new profile. */
  ofLast(durationMs: number): number {
    let ownMs = 0;
    // A session of the same thread answers before `post` returns.
    this.session.post('Profiler.stop', (error, answer) => {
      if (error) return;
      const { profile } = answer;
      ownMs = timeOf(profile, url => this.urls.has(url), profile.endTime - durationMs * 1000);
    });
    this.start();
    return ownMs;
  }

  /** Whether the profile has become long, and a new one was begun. */
  renewed(): boolean {
    if (performance.now() - this.startedMs < longestMs) return false;
    this.ofLast(0);
    return true;
  }

  dispose(): void {
    this.session.disconnect();
  }

  private start(): void {
    this.session.post('Profiler.start');
    this.startedMs = performance.now();
  }
}
