/** The self-contained page that `export --format html` writes: the panel's own app, with its data beside it. */

import type { MeasureName } from '../headMeasures';
import { formatLines } from '../labels';
import type { Stage } from '../operators';
import type { PanelState } from './panelMessages';

/** Pooled maps of all heads of one layer's stage. */
export interface ReportOverview {
  readonly layerIdx: number;
  readonly stage: Stage;
  readonly blockSize: number;
  readonly size: number;
  /** Shape [head]; a cell's value is cell / 127 * scale. */
  readonly scales: readonly number[];
  /** Int8 cells [head, size, size], compressed as raw deflate, base64. */
  readonly cells: string;
}

/** Exact values of one stage of the head that the page opens on. */
export interface ReportMap {
  readonly layerIdx: number;
  readonly headIdx: number;
  readonly stage: Stage;
  /** Float32 cells up to the diagonal, row after row, compressed as raw deflate, base64. */
  readonly cells: string;
}

/** Longest range whose page holds exact values and the measures of all heads. */
export const longestExactReport = 512;

export interface ReportData {
  readonly format: 'mta-report-1';
  /** Name and version of what wrote it. */
  readonly version: string;
  readonly state: Omit<PanelState, 'tokens'>;
  readonly tokens: {
    readonly labels: readonly string[];
    readonly offsets: readonly number[];
    /** Null for the first token, which nothing predicts. */
    readonly surprisalBits: readonly (number | null)[];
    /** As in Predictions, shapes [token, k]. */
    readonly predictions: {
      readonly k: number;
      readonly topIds: readonly number[];
      readonly topProbabilities: readonly number[];
      readonly labels: Readonly<Record<number, string>>;
    };
  };
  readonly overviews: readonly ReportOverview[];
  /** All stages of one head; none in long ranges. */
  readonly maps: readonly ReportMap[];
  /** By layer and head; null stands for NaN. None in long ranges. */
  readonly measures: readonly (readonly Readonly<Record<MeasureName, number | null>>[])[];
}

/** Id of the element that holds the data. */
export const reportDataId = 'mta-data';

/** Which values the page holds. */
function heldText({ maps, state: { view }, measures }: ReportData): string {
  if (maps.length === 0) {
    return 'The range is long: all maps are pooled and rounded to a 127th of the largest value.';
  }
  const head = `layer ${view.layerIdx}, head ${view.headIdx}`;
  const heads = measures.length > 0 ? ' All heads lists every head with its measures.' : '';
  return `Values of ${head} are exact. Those of other heads are rounded to a 127th of the largest, and pooled in ranges of more than 256 tokens.${heads}`;
}

/**
 * One page without any reference to the outside, in which nothing runs but `script`; `data` may hold any text.
 * @param hash of a text, as a content security policy names it: `sha256-…`.
 */
export function buildReportHtml(
  data: ReportData,
  page: { readonly script: string; readonly style: string },
  hash: (text: string) => string,
): string {
  const script = page.script.replaceAll('</script', '<\\/script');
  const style = page.style.replaceAll('</style', '<\\/style');
  // The toolkit sets one empty style attribute: the hash of '' allows it and no other.
  const styles = `'${hash(style)}' 'unsafe-hashes' '${hash('')}'`;
  const own = `script-src '${hash(script)}'; style-src ${styles}; img-src data: blob:`;
  const policy = `default-src 'none'; ${own}; base-uri 'none'; form-action 'none'`;
  // Inside a script element only "</script" and "<!--" could end or change the data, so no "<" is left in it.
  const json = JSON.stringify(data).replaceAll('<', '\\u003c');
  const { documentLabel, model, windowLines } = data.state;
  const lines = windowLines ? `, ${formatLines(windowLines.first, windowLines.last, windowLines.of)}` : '';
  const title = `Attention of ${model?.name ?? ''} in ${documentLabel ?? ''}${lines}`.replace(/[<&>]/g, '_');
  return `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="generator" content="${data.version}">
<title>${title}</title>
<style>${style}</style>
</head>
<body class="report">
<header class="report-head">
<h1>${title}</h1>
<details>
<summary>How to read this page</summary>
<p>Each row of a map is a token that looks (query), each column a token that it can look at (key), earlier or itself. What
the colors mean is on the scale below the map. Choose layer, head and stage above the map; click a row to see where that
token looks. Scores are before the softmax, patterns after it; the mixed pattern multiplies the values, and its rows need not sum
to 1. Where a cell stands for several, it shows the strongest. A large weight is where a head looks, not proof that the model
used it.</p>
<p>${heldText(data)}</p>
</details>
</header>
<div id="app"></div>
<script type="application/json" id="${reportDataId}">${json}</script>
<script>${script}</script>
</body>
</html>
`;
}
