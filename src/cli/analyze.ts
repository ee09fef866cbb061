/** `mta-inspect analyze` for people; its JSON is export/mapText.ts. */

import type { AnalyzeJson } from '../export/mapText';
import { formatNumber, stageNames } from '../shared/labels';
import { oneLine } from './terminal';

/** A table for people: the last tokens' strongest keys. */
export function analyzeText(json: AnalyzeJson, nRows = 20): string {
  const left = json.window.document_length - (json.window.end - json.window.start);
  const lines = [
    `${oneLine(json.file)}: ${json.tokens.length} tokens, ${oneLine(json.model.name)} on ${json.provider}, ` +
      `head L${json.layer}H${json.head}, ${stageNames[json.shown_stage].inText}: what each query attends to`,
    ...(left > 0
      ? [`${left} of ${json.window.document_length} characters lie outside the window and were left out.`]
      : []),
    ...(json.row_sum_note === null ? [] : [`Rows do not sum to 1. ${json.row_sum_note}`]),
    ...(json.rows.length > nRows ? [`The last ${nRows} queries (all of them with --json):`] : []),
  ];
  for (const row of json.rows.slice(-nRows)) {
    const keys = row.top
      .slice(0, 5)
      .map(({ key, weight }) => `${formatNumber(weight)} ${quoted(json.tokens[key]!.text)}@${key}`);
    const sink = row.sink === undefined ? '' : `  ${formatNumber(row.sink)} to no key`;
    lines.push(`${String(row.query).padStart(5)} ${quoted(json.tokens[row.query]!.text)}: ${keys.join('  ')}${sink}`);
  }
  return lines.join('\n');
}

function quoted(text: string): string {
  return JSON.stringify(text);
}
