/** `mta-inspect ablate --what`: what a prediction is without a head, a feed-forward part or a position of any model. */

import type { PatchKind } from '../shared/interventions';
import type { RowKind } from '../shared/relevance';
import { Failure } from '../shared/tools/failure';
import { type AnalyzedDocument, type DocumentJson, documentJson } from './document';
import { quoted } from './logitLens';
import { placeName } from './patch';
import { checkToken, selectedTokens, type TargetChoice, type TokenJson, tokenQuestion } from './targets';
import { oneLine } from './terminal';

/** What stands in the place of an ablated part. */
export const replacements = ['zero', 'mean'] as const;

export interface AblatePartsOptions {
  readonly at: number;
  readonly row: RowKind;
  readonly target: TargetChoice;
  readonly minus: number | undefined;
  readonly what: PatchKind;
  readonly replacement: (typeof replacements)[number];
}

/** The JSON of `ablate --what --json`; documented in schemas/ablate-parts.schema.json. */
export interface AblatePartsJson extends DocumentJson {
  readonly format: 'mta-ablate-parts-1';
  readonly what: PatchKind;
  readonly with: (typeof replacements)[number];
  readonly row: number;
  readonly row_kind: RowKind;
  readonly target: TokenJson;
  readonly minus: TokenJson | null;
  /** The target's log2 probability, or the logit of the target minus that of `minus`. */
  readonly measure: 'log2 probability' | 'logit difference';
  readonly original: number;
  readonly token_texts: readonly string[];
  /** [layer][position, head, or 0 for the feed-forward part]: the measure without it minus the original. */
  readonly changes: readonly (readonly number[])[];
  readonly changed: readonly (readonly boolean[])[];
  /** All positions or heads of a layer at once. */
  readonly together: readonly number[];
}

/** @throws Failure `bad-usage` for a mean pattern, which is not causal, or a token outside the vocabulary. */
export async function ablatePartsJson(
  document: AnalyzedDocument,
  options: AblatePartsOptions,
): Promise<AblatePartsJson> {
  const { engine, tokens } = document;
  const { what, replacement, minus = null } = options;
  if (what === 'pattern' && replacement === 'mean') {
    throw new Failure(
      'bad-usage',
      'The mean of a pattern over its rows would let tokens see later ones. Use --with zero, or --what head or value.',
    );
  }
  if (minus !== null) checkToken('--minus', minus, engine.model.vocabSize);
  const selection = selectedTokens(document, options.at, undefined);
  const { rows, targets } = tokenQuestion(document, selection, options.row, options.target);
  const [row, target] = [rows.first, targets[0]!];
  const ids = engine.rotatesByLength ? tokens.ids : tokens.ids.subarray(0, row + 1);
  const found = await engine.experiments.patch({ ids, row, target, minus, kind: what, source: replacement });
  const named = (id: number) => ({ id, text: engine.label(id) });
  const places = what === 'residual' ? row + 1 : undefined;
  return {
    format: 'mta-ablate-parts-1',
    ...documentJson(document),
    ...{ what, with: replacement, row, row_kind: options.row, target: named(target) },
    minus: minus === null ? null : named(minus),
    measure: minus === null ? 'log2 probability' : 'logit difference',
    original: found.original,
    token_texts: tokens.labels.slice(0, row + 1),
    changes: found.patched.map(layer => layer.slice(0, places).map(value => value - found.original)),
    changed: found.isChanged.map(layer => layer.slice(0, places)),
    together: found.together.map(value => value - found.original),
  };
}

/** A table for people: the largest changes. */
export function ablatePartsText(json: AblatePartsJson, nRows = 15): string {
  const { what, changes, target, minus, measure, original } = json;
  const cells = changes.flatMap((layer, l) =>
    layer.map((value, i) => ({ name: `layer ${l}, ${placeName(what, i, json.token_texts)}`, value })),
  );
  const largest = cells.toSorted((a, b) => Math.abs(b.value) - Math.abs(a.value)).slice(0, nRows);
  const together = what === 'mlp' ? [] : json.together;
  const line = (value: number, name: string) => `${`${value < 0 ? '' : '+'}${value.toFixed(4)}`.padStart(10)}  ${name}`;
  return [
    `${oneLine(json.file)}: ${oneLine(json.model.name)}, ${json.row_kind} row ${json.row}`,
    `${measure} of ${quoted(target.text)}${minus ? ` minus ${quoted(minus.text)}` : ''}: ${original.toFixed(4)}`,
    `Change when ${what} is ${json.with === 'zero' ? 'zero' : 'its mean over the tokens up to the row'}:`,
    ...largest.map(({ name, value }) => line(value, name)),
    ...together.map((value, l) => line(value, `layer ${l}, all at once`)),
  ].join('\n');
}
