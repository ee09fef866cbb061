/** The webview's page: nothing but our bundle may load, nothing inline may run. Pure. */

import type { ColorMap } from '../shared/colorScale';

export interface PageSources {
  readonly cspSource: string;
  readonly nonce: string;
  readonly script: string;
  readonly styles: readonly string[];
  readonly title: string;
  /** BCP 47, such as `de`. */
  readonly language: string;
  /** Colors of maps, where the panel has not chosen others. */
  readonly colorMap: ColorMap;
  /** Texts in that language by the English ones; absent where they are shown in English. */
  readonly translations: Readonly<Record<string, unknown>> | undefined;
}

export function pageHtml({
  cspSource,
  nonce,
  script,
  styles,
  title,
  language,
  colorMap,
  translations,
}: PageSources): string {
  const policy = [
    "default-src 'none'",
    `script-src 'nonce-${nonce}'`,
    `style-src ${cspSource}`,
    `font-src ${cspSource}`,
    'img-src data: blob:',
    "base-uri 'none'",
    "form-action 'none'",
  ].join('; ');
  return `<!DOCTYPE html>
<html lang="${translations ? language : 'en'}">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title}</title>
${styles.map(style => `<link rel="stylesheet" href="${style}">`).join('\n')}
</head>
<body data-color-map="${colorMap}">
<div id="app"></div>
<script nonce="${nonce}" type="application/json" id="l10n">${data(translations ?? {})}</script>
<script nonce="${nonce}" src="${script}"></script>
</body>
</html>`;
}

/** JSON that no text in it can end. */
function data(value: unknown): string {
  return JSON.stringify(value).replaceAll('<', '\\u003c');
}
