import type { AnalyzedDocument, MapChoice } from './document';

export async function reportHtml(_document: AnalyzedDocument, _choice: MapChoice): Promise<string> {
  throw new Error('not yet');
}
