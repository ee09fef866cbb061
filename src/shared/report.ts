/** The self-contained page that `export --format html` writes: the panel's own app, with its data beside it. */

import type { Stage } from './attentionMap';
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
}

/** Id of the element that holds the data. */
export const reportDataId = 'mta-data';

/** One page without any reference to the outside; `data` may hold any text. */
export function buildReportHtml(data: ReportData, script: string, style: string): string {
  // Inside a script element only "</script" and "<!--" could end or change the data, so no "<" is left in it.
  const json = JSON.stringify(data).replaceAll('<', '\\u003c');
  const title = `MTA Inspector: ${data.state.documentLabel ?? ''}`.replace(/[<&>]/g, '_');
  return `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:">
<meta name="generator" content="${data.version}">
<title>${title}</title>
<style>${style}</style>
</head>
<body class="report">
<div id="app"></div>
<script type="application/json" id="${reportDataId}">${json}</script>
<script>${script.replaceAll('</script', '<\\/script')}</script>
</body>
</html>
`;
}
