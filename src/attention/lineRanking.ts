/** Collects a document search range by range, in constant time per line: its most relevant lines and its profile. Pure. */

import type { SearchedRange, SearchLine, SearchProfile } from '../shared/documentSearch';
import { byRelevance } from './lines';

/** Spans of lines that are kept, by their gain. */
const maxSpans = 50;

export class LineRanking {
  private heaviest: SearchLine[] = [];
  private best: SearchLine[] = [];
  private readonly maxima: Float32Array;
  private readonly gains: Float32Array;
  private readonly bits: Float64Array;
  private readonly counts: Float64Array;

  /** @param firstLine @param endLine the lines that will be searched. @param nLines to keep. @param nSteps of the profile. */
  constructor(
    private readonly firstLine: number,
    private readonly endLine: number,
    private readonly nLines: number,
    nSteps: number,
  ) {
    const n = Math.max(1, Math.min(nSteps, endLine - firstLine));
    this.maxima = new Float32Array(n).fill(Number.NaN);
    this.gains = new Float32Array(n).fill(Number.NaN);
    this.bits = new Float64Array(n);
    this.counts = new Float64Array(n);
  }

  add({ rows, gainBits }: Pick<SearchedRange, 'rows' | 'gainBits'>): void {
    const { lineIdxs, nTokens, nOwn, weights, strongestAt, strongestWeights, surprisalBits } = rows;
    const spanLines = [lineIdxs[0]!, lineIdxs.at(-1)!] as const;
    let ofSpan: SearchLine | undefined;
    for (let i = 0; i < lineIdxs.length; i++) {
      const step = this.stepOf(lineIdxs[i]!);
      const weight = weights[i]!;
      const meanWeight = weight / Math.max(1, nOwn[i]!);
      const isBlank = rows.isBlank[i] === 1;
      this.maxima[step] = larger(this.maxima[step]!, isBlank ? 0 : meanWeight);
      if (nOwn[i]! > 0) this.gains[step] = larger(this.gains[step]!, gainBits);
      if (!Number.isNaN(surprisalBits[i]!)) {
        this.bits[step]! += surprisalBits[i]! * nTokens[i]!;
        this.counts[step]! += nTokens[i]!;
      }
      if (weight > 0) {
        const strongest = { strongestAt: strongestAt[i]!, strongestWeight: strongestWeights[i]! };
        const figures = {
          isBlank,
          weight,
          meanWeight,
          ...strongest,
          surprisalBits: surprisalBits[i]!,
          gainBits,
          spanLines,
        };
        const line = { lineIdx: lineIdxs[i]!, ...figures };
        this.heaviest.push(line);
        if (nOwn[i]! > 0 && (!ofSpan || byRelevance(line, ofSpan) < 0)) ofSpan = line;
      }
    }
    if (ofSpan && !Number.isNaN(gainBits)) this.best.push(ofSpan);
    this.best = this.best.sort((a, b) => b.gainBits - a.gainBits || a.lineIdx - b.lineIdx).slice(0, maxSpans);
    this.heaviest = this.heaviest.sort((a, b) => byRelevance(a, b) || a.strongestAt - b.strongestAt);
    this.heaviest.length = Math.min(this.heaviest.length, this.nLines);
  }

  /** The lines with the largest mean weight so far, the largest first, blank ones last. A line longer than a window is there once for each of its parts. */
  get lines(): readonly SearchLine[] {
    return this.heaviest;
  }

  /** The most relevant line of each span, the span with the largest gain first. */
  get spans(): readonly SearchLine[] {
    return this.best;
  }

  get profile(): SearchProfile {
    const surprisalBits = Float32Array.from(this.bits, (sum, i) => sum / this.counts[i]!);
    return { weights: this.maxima.slice(), surprisalBits, gainBits: this.gains.slice() };
  }

  private stepOf(lineIdx: number): number {
    const share = (lineIdx - this.firstLine) / Math.max(1, this.endLine - this.firstLine);
    return Math.min(this.maxima.length - 1, Math.max(0, Math.floor(share * this.maxima.length)));
  }
}

/** The larger of two, of which any may be missing (NaN). */
function larger(a: number, b: number): number {
  return Number.isNaN(a) || b > a ? b : a;
}
