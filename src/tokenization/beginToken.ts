/** Which token a tokenizer puts before a text: its template decides, `config.json` only names the token. */

interface Template {
  readonly type?: unknown;
  readonly single?: readonly { readonly SpecialToken?: { readonly id?: unknown } }[];
  readonly special_tokens?: Readonly<Record<string, { readonly ids?: readonly unknown[] }>>;
  readonly processors?: readonly Template[];
}

/** @param json a parsed tokenizer.json. @returns null where texts begin with no token of their own. */
export function beginTokenOf(json: unknown): number | null {
  const processor = (json as { post_processor?: Template | null } | null)?.post_processor;
  const all = Array.isArray(processor?.processors) ? processor.processors : [processor];
  for (const template of all) {
    if (template?.type !== 'TemplateProcessing' || !Array.isArray(template.single)) continue;
    const name = template.single[0]?.SpecialToken?.id;
    const id = typeof name === 'string' ? template.special_tokens?.[name]?.ids?.[0] : undefined;
    if (Number.isInteger(id)) return id as number;
  }
  return null;
}
