/**
 * How well relevance agrees with what occluding lines does: Spearman's rank correlation over the occluded lines. Pure.
 *
 * Relevance and effect are compared at the same rows. The divergence is of the predictions made at the selected tokens, so
 * it is compared with the relevance of these rows (the reading rows). The surprisal of token t is made at row t - 1, so its
 * change is compared with the relevance of the rows one earlier (the predicting rows).
 */

import type { LineRelevance, OccludedLine, OcclusionAgreement, RankAgreement } from '../shared/relevance';
import { rankCorrelation } from './rankCorrelation';

/** The same with what hiding lines does: bits that the selected tokens lose, compared with relevance of the predicting rows. */
export function knockOutAgreement(
  lines: readonly (Pick<OccludedLine, 'lineIdx' | 'predicting'> & { readonly lostBits: number })[],
): RankAgreement {
  const correlate = (predictorOf: (line: (typeof lines)[number]) => number) =>
    rankCorrelation(
      lines.map(predictorOf),
      lines.map(({ lostBits }) => lostBits),
    );
  return {
    relevance: correlate(line => line.predicting?.weight ?? Number.NaN),
    relevanceMean: correlate(line => line.predicting?.meanWeight ?? Number.NaN),
    nearness: correlate(({ lineIdx }) => lineIdx),
  };
}

export function occlusionAgreement(lines: readonly OccludedLine[]): OcclusionAgreement {
  const compare = (
    relevanceOf: (line: OccludedLine) => LineRelevance | null,
    effectOf: (line: OccludedLine) => number,
  ): RankAgreement => {
    const effects = lines.map(effectOf);
    const correlate = (predictorOf: (line: OccludedLine) => number) => rankCorrelation(lines.map(predictorOf), effects);
    return {
      relevance: correlate(line => relevanceOf(line)?.weight ?? Number.NaN),
      relevanceMean: correlate(line => relevanceOf(line)?.meanWeight ?? Number.NaN),
      nearness: correlate(({ lineIdx }) => lineIdx),
    };
  };
  return {
    divergence: compare(
      line => line,
      ({ effect }) => effect.divergenceBits,
    ),
    surprisal: compare(
      ({ predicting }) => predicting,
      ({ effect }) => effect.surprisalBits,
    ),
    surprisalSize: compare(
      ({ predicting }) => predicting,
      ({ effect }) => Math.abs(effect.surprisalBits),
    ),
  };
}
