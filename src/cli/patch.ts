/** `mta-inspect patch`: parts of a clean text's run put into a corrupted one's, and what that does to a difference of logits. */

import type { PatchKind } from '../inference/experiments/patchRuns';
import { Failure } from '../shared/tools/failure';
import { type AnalyzedDocument, analyzeFile, type DocumentJson, type DocumentOptions, documentJson } from './document';
import { quoted } from './logitLens';
import { checkToken, type RowKind, selectedTokens, type TargetChoice, type TokenJson, tokenQuestion } from './targets';
import { oneLine } from './terminal';

export const patchKinds = ['residual', 'head', 'pattern', 'value'] as const satisfies readonly PatchKind[];

export interface PatchOptions extends DocumentOptions {
  readonly row: RowKind;
  readonly target: TargetChoice;
  readonly minus: number;
  readonly what: PatchKind;
}

/** The JSON of `patch --json`; documented in schemas/patch.schema.json. */
export interface PatchJson extends DocumentJson {
  readonly format: 'mta-patch-1';
  readonly corrupted_file: string;
  readonly what: PatchKind;
  readonly row: number;
  readonly row_kind: RowKind;
  readonly target: TokenJson;
  readonly minus: TokenJson;
  readonly clean_difference: number;
  readonly corrupted_difference: number;
  readonly clean_tokens: readonly string[];
  readonly corrupted_tokens: readonly string[];
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
  checkLengths(clean, corrupted);
  const end = engine.rotatesByLength ? tokens.ids.length : row + 1;
  const ids = { clean: tokens.ids.subarray(0, end), corrupted: corrupted.tokens.ids.subarray(0, end) };
  const { what, minus } = options;
  const result = await engine.experiments.patch({ ...ids, row, target, minus, kind: what });
  const span = result.clean - result.corrupted;
  const named = (id: number) => ({ id, text: engine.label(id) });
  const differs = result.isChanged.some(layer => layer.includes(true));
  if (!differs || Math.abs(span) < 1e-5) {
    throw new Failure(
      'no-difference',
      `Cannot score patches: clean and corrupted text ${differs ? 'give the same difference of logits' : 'are the same'} up to row ${row} ` +
        `(${result.clean.toFixed(6)} and ${result.corrupted.toFixed(6)}). Choose texts, a place or tokens that differ.`,
    );
  }
  const score = (difference: number) => (difference - result.corrupted) / span;
  return {
    format: 'mta-patch-1',
    ...documentJson(clean),
    corrupted_file: corrupted.name,
    ...{ what, row, row_kind: options.row, target: named(target), minus: named(minus) },
    ...{ clean_difference: result.clean, corrupted_difference: result.corrupted },
    clean_tokens: tokens.labels.slice(0, row + 1),
    corrupted_tokens: corrupted.tokens.labels.slice(0, row + 1),
    scores: result.patched.map(layer => layer.slice(0, what === 'residual' ? row + 1 : undefined).map(score)),
    changed: result.isChanged.map(layer => layer.slice(0, what === 'residual' ? row + 1 : undefined)),
    together: result.together.map(score),
  };
}

function checkLengths(clean: AnalyzedDocument, corrupted: AnalyzedDocument): void {
  const [n, other] = [clean.tokens.ids.length, corrupted.tokens.ids.length];
  const isWhole = ({ window, text }: AnalyzedDocument) => window.start === 0 && window.end === text.length;
  if (n !== other) {
    throw new Failure(
      'bad-usage',
      `Cannot patch between texts of unequal length: the clean one has ${n} tokens, the corrupted one ${other}. Change words for others of as many tokens.`,
    );
  }
  for (const document of [clean, corrupted]) {
    if (isWhole(document)) continue;
    throw new Failure(
      'bad-usage',
      `Cannot patch: ${document.name} does not fit into the window of ${n} tokens whole. Shorten it, or give a larger --max-tokens.`,
    );
  }
}

/** A table for people: the largest scores. */
export function patchText(json: PatchJson, nRows = 15): string {
  const { what, scores, target, minus, clean_tokens: texts } = json;
  const place = (i: number) => (what === 'residual' ? `position ${i} ${quoted(texts[i]!)}` : `head ${i}`);
  const cells = scores.flatMap((layer, l) => layer.map((value, i) => ({ name: `layer ${l}, ${place(i)}`, value })));
  const largest = cells.toSorted((a, b) => Math.abs(b.value) - Math.abs(a.value)).slice(0, nRows);
  return [
    `${oneLine(json.file)} into ${oneLine(json.corrupted_file)}: ${oneLine(json.model.name)}, row ${json.row}`,
    `logit of ${quoted(target.text)} minus ${quoted(minus.text)}: clean ${json.clean_difference.toFixed(4)}, corrupted ${json.corrupted_difference.toFixed(4)}`,
    `Score of patching ${what}: 1 is as clean, 0 as corrupted.`,
    ...largest.map(({ name, value }) => `${value.toFixed(4).padStart(10)}  ${name}`),
    ...json.together.map((value, l) => `${value.toFixed(4).padStart(10)}  layer ${l}, all at once`),
  ].join('\n');
}
