/**
 * Texts that are shown in the reader's language, in the panel and by what both ends share: `t('Layer {0}', layerIdx)`.
 * Whoever starts hands the language's texts over first; without that texts stay English, as in reports and on the
 * command line.
 */

export { t } from '@vscode/l10n';
