/** `mta-inspect patch`: parts of a clean text's run put into a corrupted one's, and what that does to a difference of logits. */

import { alignTexts, inverted } from '../attention/alignTokens';
import type { PatchKind } from '../shared/interventions';
import type { RowKind } from '../shared/relevance';
import { Failure } from '../shared/tools/failure';
import { type AnalyzedDocument, analyzeFile, type DocumentJson, type DocumentOptions, documentJson } from './document';
import { quoted } from './logitLens';
import { checkToken, selectedTokens, type TargetChoice, type TokenJson, tokenQuestion } from './targets';
import { oneLine } from './terminal';

export interface PatchOptions extends DocumentOptions {
  readonly row: RowKind;
  readonly target: TargetChoice;
  readonly minus: number;
  readonly what: PatchKind;
  /** Tokens correspond where they are equal, not where they have the same position. */
  readonly isAligned: boolean;
}

/** The JSON of `patch --json`; documented in schemas/patch.schema.json. */
export interface PatchJson extends DocumentJson {
  readonly format: 'mta-patch-1';
  readonly corrupted_file: string;
  readonly what: PatchKind;
  /** Of the clean text, and the corresponding one of the corrupted text. */
  readonly row: number;
  readonly corrupted_row: number;
  readonly row_kind: RowKind;
  readonly target: TokenJson;
  readonly minus: TokenJson;
  readonly clean_difference: number;
  readonly corrupted_difference: number;
  readonly clean_tokens: readonly string[];
  readonly corrupted_tokens: readonly string[];
  readonly alignment: 'position' | 'tokens';
  /** For each corrupted token the clean one whose values it takes; null for none. */
  readonly counterparts: readonly (number | null)[];
  readonly scores: readonly (readonly number[])[];
  readonly changed: readonly (readonly boolean[])[];
  readonly together: readonly number[];
}

export async function patchJson(cleanFile: string, corruptedFile: string, options: PatchOptions): Promise<PatchJson> {
  const clean = await analyzeFile(cleanFile, options);
  const { engine, tokens } = clean;
  const { vocabSize } = engine.model;
  checkToken('--minus', options.minus, vocabSize);
  const selection = selectedTokens(clean, options.at, undefined);
  const { rows, targets } = tokenQuestion(clean, selection, options.row, options.target);
  const [row, target] = [rows.first, targets[0]!];
  if (target === options.minus) {
    throw new Failure('bad-usage', `--target and --minus are both ${target}, expected two different tokens.`);
  }
  const corrupted = await analyzeFile(corruptedFile, { ...options, at: 0 });
  await corrupted.engine.release();
  const { counterparts, corruptedRow } = correspondence(clean, corrupted, row, options.isAligned);
  const upTo = (ids: Int32Array, last: number) => ids.subarray(0, engine.rotatesByLength ? ids.length : last + 1);
  const ids = upTo(corrupted.tokens.ids, corruptedRow);
  const nClean = upTo(tokens.ids, row).length;
  const result = await engine.experiments.patch({
    ...{ ids, row: corruptedRow, target, minus: options.minus, kind: options.what },
    source: {
      ids: tokens.ids.subarray(0, nClean),
      counterparts: counterparts.slice(0, ids.length).map(token => (token < nClean ? token : -1)),
      row,
    },
  });
  const [before, after] = [result.original, result.clean!];
  const span = after - before;
  const named = (id: number) => ({ id, text: engine.label(id) });
  const differs = result.isChanged.some(layer => layer.includes(true));
  if (!differs || Math.abs(span) < 1e-5) {
    throw new Failure(
      'no-difference',
      `Cannot score patches: clean and corrupted text ${differs ? 'give the same difference of logits' : 'are the same'} up to row ${row} ` +
        `(${after.toFixed(6)} and ${before.toFixed(6)}). Choose texts, a place or tokens that differ.`,
    );
  }
  const score = (difference: number) => (difference - before) / span;
  const places = options.what === 'residual' ? corruptedRow + 1 : undefined;
  return {
    format: 'mta-patch-1',
    ...documentJson(clean),
    corrupted_file: corrupted.name,
    ...{ what: options.what, row, corrupted_row: corruptedRow, row_kind: options.row },
    ...{ target: named(target), minus: named(options.minus) },
    ...{ clean_difference: after, corrupted_difference: before },
    clean_tokens: tokens.labels.slice(0, row + 1),
    corrupted_tokens: corrupted.tokens.labels.slice(0, corruptedRow + 1),
    alignment: options.isAligned ? 'tokens' : 'position',
    counterparts: Array.from(counterparts.subarray(0, corruptedRow + 1), token => (token < 0 ? null : token)),
    scores: result.patched.map(layer => layer.slice(0, places).map(score)),
    changed: result.isChanged.map(layer => layer.slice(0, places)),
    together: result.together.map(score),
  };
}

/** Which clean token each corrupted one takes values of, and the corrupted row that answers the question. */
function correspondence(clean: AnalyzedDocument, corrupted: AnalyzedDocument, row: number, isAligned: boolean) {
  const [n, nCorrupted] = [clean.tokens.ids.length, corrupted.tokens.ids.length];
  const isWhole = ({ window, text }: AnalyzedDocument) => window.start === 0 && window.end === text.length;
  for (const document of [clean, corrupted]) {
    if (isWhole(document)) continue;
    throw new Failure(
      'bad-usage',
      `Cannot patch: ${document.name} does not fit into the window of ${document.tokens.ids.length} tokens whole. Shorten it, or give a larger --max-tokens.`,
    );
  }
  if (!isAligned && n !== nCorrupted) {
    throw new Failure(
      'bad-usage',
      `Cannot patch by position between texts of unequal length: the clean one has ${n} tokens, the corrupted one ${nCorrupted}. Change words for others of as many tokens, or let equal tokens correspond with --align.`,
    );
  }
  if (!isAligned) return { counterparts: Int32Array.from({ length: n }, (_, i) => i), corruptedRow: row };
  const texts = ({ tokens }: AnalyzedDocument) => Array.from(tokens.ids, String);
  const alignment = alignTexts(texts(clean), texts(corrupted));
  const corruptedRow = alignment[row]!;
  if (corruptedRow < 0) {
    throw new Failure(
      'bad-usage',
      `Cannot patch: token ${row} of the clean text, ${quoted(clean.tokens.labels[row]!)}, whose row is asked about, has no equal one in ${corrupted.name}. Choose a place whose ${row === 0 ? 'text' : 'token before'} both texts have.`,
    );
  }
  return { counterparts: inverted(alignment, nCorrupted), corruptedRow };
}

/** A table for people: the largest scores. */
export function patchText(json: PatchJson, nRows = 15): string {
  const { what, scores, target, minus, counterparts, corrupted_tokens: texts } = json;
  const place = (i: number) => placeName(what, i, texts);
  const nAligned = counterparts.filter(token => token !== null).length;
  const cells = scores.flatMap((layer, l) => layer.map((value, i) => ({ name: `layer ${l}, ${place(i)}`, value })));
  const largest = cells.toSorted((a, b) => Math.abs(b.value) - Math.abs(a.value)).slice(0, nRows);
  return [
    `${oneLine(json.file)} into ${oneLine(json.corrupted_file)}: ${oneLine(json.model.name)}, row ${json.row}`,
    `logit of ${quoted(target.text)} minus ${quoted(minus.text)}: clean ${json.clean_difference.toFixed(4)}, corrupted ${json.corrupted_difference.toFixed(4)}`,
    `${nAligned} of ${counterparts.length} tokens up to the row correspond, by ${json.alignment === 'tokens' ? 'equal tokens' : 'position'}.`,
    `Score of patching ${what}: 1 is as clean, 0 as corrupted.`,
    ...largest.map(({ name, value }) => `${value.toFixed(4).padStart(10)}  ${name}`),
    ...json.together.map((value, l) => `${value.toFixed(4).padStart(10)}  layer ${l}, all at once`),
  ].join('\n');
}

/** What a patch or an ablation replaced in a layer. @param texts of the tokens. */
export function placeName(what: PatchKind, place: number, texts: readonly string[]): string {
  if (what === 'residual') return `position ${place} ${quoted(texts[place]!)}`;
  return what === 'mlp' ? 'feed-forward part' : `head ${place}`;
}
