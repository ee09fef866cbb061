/**
 * How the panel's state travels: whole when a page starts, then only the fields that changed. The tokens of a run go once,
 * by themselves, under the run's id. What did not change keeps its identity on both ends.
 */

import type { PanelState, PanelUpdate, RunTokens } from './panelMessages';

/** The host's end of one page. */
export class PanelSender {
  private sent: PanelState | null = null;

  constructor(private readonly emit: { tokens(tokens: RunTokens): void; state(update: PanelUpdate): void }) {}

  /** The page asks for the whole state: updates from here on build on it. @returns the state. */
  start(state: PanelState): PanelState {
    this.sent = state;
    return state;
  }

  /** Sends what the page does not have yet; nothing before it has asked for the state. */
  send(state: PanelState): void {
    const { sent } = this;
    if (!sent) return;
    this.sent = state;
    const { tokens, analysisId } = state;
    const hasNewTokens = tokens && (tokens.labels !== sent.tokens?.labels || analysisId !== sent.analysisId);
    if (hasNewTokens) this.emit.tokens({ analysisId, labels: tokens.labels, offsets: tokens.offsets });
    const before: Record<string, unknown> = flat(sent);
    const changed = Object.entries(flat(state)).filter(([name, value]) => !Object.is(value, before[name]));
    if (changed.length > 0 || hasNewTokens) this.emit.state(Object.fromEntries(changed));
  }
}

function flat({ tokens, ...fields }: PanelState): Required<PanelUpdate> {
  return { ...fields, surprisalBits: tokens?.surprisalBits ?? null };
}

/** The page's end: the state after an update. @param run the last tokens that arrived, of whichever run. */
export function withUpdate(panel: PanelState, update: PanelUpdate, run: RunTokens | null): PanelState {
  const { surprisalBits = panel.tokens?.surprisalBits ?? null, ...fields } = update;
  const next = { ...panel, ...fields };
  const isSameRun = next.analysisId === panel.analysisId;
  const tokens = run?.analysisId === next.analysisId ? run : isSameRun ? panel.tokens : null;
  const isSame = tokens?.labels === panel.tokens?.labels && surprisalBits === panel.tokens?.surprisalBits;
  const { labels, offsets } = tokens ?? {};
  return { ...next, tokens: isSame ? panel.tokens : labels && offsets ? { labels, offsets, surprisalBits } : null };
}
