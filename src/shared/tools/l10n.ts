/**
 * Texts that are shown in the reader's language, in the panel and by what both ends share: `t('Layer {0}', layerIdx)`.
 * The entry point must load the translations before the first `t()`; without them texts stay English, as in reports and
 * on the command line.
 */

export { t } from '@vscode/l10n';
