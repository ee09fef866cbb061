/** What a chat template makes of messages, by Hugging Face's own implementation of Jinja. Without limits: see renderChat. */

import { Template } from '@huggingface/jinja';
import type { RenderAnswer, RenderRequest } from './model/chatTemplate';

export function renderTemplate({ template, context }: RenderRequest): RenderAnswer {
  try {
    return { prompt: new Template(template).render(context) };
  } catch (error) {
    // A template's own words (`raise_exception`) and those of the parser are plain errors.
    const isPlain = (error as Error | null)?.constructor === Error || error instanceof SyntaxError;
    return { reason: isPlain ? (error as Error).message.slice(0, 300) : 'its syntax cannot be read' };
  }
}
