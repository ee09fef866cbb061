/** Which token a tokenizer puts before a text: its post-processor decides, `config.json` only names the token. */

import { Failure, shown } from '../shared/tools/failure';

interface Processor {
  readonly type?: unknown;
  readonly single?: readonly { readonly SpecialToken?: { readonly id?: unknown }; readonly Sequence?: unknown }[];
  readonly special_tokens?: Readonly<Record<string, { readonly ids?: readonly unknown[] }>>;
  readonly cls?: unknown;
  readonly processors?: readonly Processor[];
}

/**
 * @param json a parsed tokenizer.json. @returns null where texts begin with no token of their own.
 * @throws Failure where several tokens are put before a text.
 */
export function beginTokenOf(json: unknown): number | null {
  const processor = (json as { post_processor?: Processor | null } | null)?.post_processor;
  const ids = before(processor);
  if (ids.length <= 1) return ids[0] ?? null;
  throw new Failure(
    'bad-tokenizer',
    `Cannot use tokenizer.json: its post_processor puts ${ids.length} tokens (ids ${shown(ids)}) before a text, ` +
      'expected one at most. Pick another model.',
    ['selectModel', 'showLog'],
  );
}

/** Tokens that stand before the text, the outermost first. */
function before(processor: Processor | null | undefined): number[] {
  if (processor?.type === 'Sequence' && Array.isArray(processor.processors)) {
    // Later ones work on what earlier ones made.
    return processor.processors.toReversed().flatMap(before);
  }
  if (processor?.type === 'BertProcessing' || processor?.type === 'RobertaProcessing') {
    const id = Array.isArray(processor.cls) ? processor.cls[1] : undefined;
    return Number.isInteger(id) ? [id as number] : [];
  }
  if (processor?.type !== 'TemplateProcessing' || !Array.isArray(processor.single)) return [];
  const ids: number[] = [];
  for (const piece of processor.single) {
    const name = piece?.SpecialToken?.id;
    if (typeof name !== 'string') break;
    for (const id of processor.special_tokens?.[name]?.ids ?? []) if (Number.isInteger(id)) ids.push(id as number);
  }
  return ids;
}
