/** Names of the tokens of a text, by line and text. Pure. */

import type { Cell, TokenRange } from '../src/shared/address';
import type { PanelTokens } from '../src/shared/analysis';
import { visibleToken } from '../src/shared/labels';
import type { PanelState } from '../src/shared/panel/panelMessages';
import {
  continuationMark,
  linesOfLabels,
  type NamedTokens,
  placeName,
  readableLabels,
  textOfTokens,
} from '../src/shared/places';
import { t } from '../src/shared/tools/l10n';

const known = new WeakMap<Uint32Array, Places>();

/** Names of the tokens of the current text, made once for each text and first line. */
export function placesIn({ windowLines }: Pick<PanelState, 'windowLines'>, tokens: PanelTokens): Places {
  const firstLine = windowLines?.first ?? 1;
  const kept = known.get(tokens.offsets);
  if (kept?.firstLine === firstLine) return kept;
  const places = new Places(tokens, firstLine);
  known.set(tokens.offsets, places);
  return places;
}

/** The same for a panel that may have no text. */
export function placesOf(panel: PanelState | null): Places | null {
  return panel?.tokens ? placesIn(panel, panel.tokens) : null;
}

/** Names tokens by line and text. */
export class Places {
  readonly labels: readonly string[];
  private readonly lines: Int32Array;

  /** @param firstLine of the range that the tokens cover, from 1. */
  constructor(
    tokens: NamedTokens,
    readonly firstLine: number,
  ) {
    this.labels = readableLabels(tokens);
    // The begin token is in no line, and begins none.
    const hasBegin = tokens.offsets[1] === tokens.offsets[0];
    const texts = hasBegin ? ['', ...this.labels.slice(1)] : this.labels;
    this.lines = linesOfLabels(texts, firstLine);
    if (hasBegin) this.lines[0] = 0;
  }

  /** From 1; null for the begin token. */
  lineOf(tokenIdx: number): number | null {
    return this.lines[tokenIdx] || null;
  }

  /** The first token that starts in a line or, where none does, after it; null past the end of the range. */
  firstOfLine(line: number): number | null {
    const found = this.lines.findIndex(start => start >= line);
    return found < 0 ? null : found;
  }

  textOf(range: TokenRange): string {
    return textOfTokens(this.labels, range);
  }

  /** The same without signs that its first token begins with, as in ".name". */
  wordOf(range: TokenRange): string {
    return this.textOf(range).replace(/^[^\p{L}\p{N}\p{M}_$]+(?=[\p{L}\p{N}_$])/u, '');
  }

  /** "line 33 `byteWidth`". */
  nameOf(tokenIdx: number): string {
    return placeName(this.lineOf(tokenIdx), this.textOf({ first: tokenIdx, end: tokenIdx + 1 }));
  }

  /** "line 33 `byteWidth`", or from which line to which. */
  nameOfRange({ first, end }: TokenRange): string {
    const [from, to] = [this.lineOf(first), this.lineOf(end - 1)];
    if (from === to) return placeName(from, shortened(this.labels.slice(first, end)));
    return t('lines {0} to {1}', from ?? 0, to ?? 0);
  }

  /** A cell's query and key. */
  nameOfCell({ queryIdx, keyIdx }: Cell): string {
    return t('query {0}, key {1}', this.nameOf(queryIdx), this.nameOf(keyIdx));
  }
}

/** Marks an element with the cell that it is about, for tests and scripts. */
export function markCell({ dataset }: HTMLElement, cell: Cell | null): void {
  Object.assign(dataset, { query: cell?.queryIdx ?? '', key: cell?.keyIdx ?? '' });
}

const maxLength = 40;

function shortened(labels: readonly string[]): string {
  const whole = labels.length === 1 ? labels[0]! : labels.filter(label => label !== continuationMark).join('');
  const text = whole.trim() || visibleToken(whole);
  return text.length > maxLength ? `${text.slice(0, maxLength - 1)}…` : text;
}
