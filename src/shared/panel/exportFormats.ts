/** The formats that a map can be exported in. */

export const exportFormats = ['npz', 'csv', 'json', 'html', 'png', 'svg'] as const;
export type ExportFormat = (typeof exportFormats)[number];
