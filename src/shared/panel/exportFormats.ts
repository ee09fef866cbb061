/** The forms in which a map can be taken along. */

export const exportFormats = ['npz', 'csv', 'json', 'html', 'png', 'svg'] as const;
export type ExportFormat = (typeof exportFormats)[number];
