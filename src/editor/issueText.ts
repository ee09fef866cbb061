/** A report of a problem with what is known here filled in; it holds no text and no name of a document. Pure. */

import type { Settings } from '../contributions';
import type { PanelState } from '../shared/panel/panelMessages';

export interface IssueFacts {
  readonly version: string;
  readonly editor: string;
  readonly system: string;
  readonly snapshot: Pick<PanelState, 'model' | 'provider' | 'tokens' | 'failure' | 'status'>;
  readonly settings: Settings;
}

export function issueText({ version, editor, system, snapshot, settings }: IssueFacts): string {
  const { model, provider, tokens, failure, status } = snapshot;
  const { remote, model: _, ...others } = settings;
  const lines = [
    `- MTA Inspector ${version}`,
    `- VS Code ${editor}`,
    `- ${system}`,
    `- Model: ${model ? `${model.nLayers} layers, ${model.nHeads} heads` : 'none'}; backend: ${provider ?? 'none'}`,
    `- State: ${status}, ${tokens?.labels.length ?? 0} tokens${failure ? `, error \`${failure.code}\`` : ''}`,
    `- Settings: \`${JSON.stringify({ ...others, remote: remote !== null })}\``,
  ];
  return `# What happened

(What you did, what you expected, what came instead.)

# How to see it again

(A text, or one like it, and the model: a name or a Hugging Face id. The log helps: *MTA Inspector: Show Log*.)

# About this installation

${lines.join('\n')}
`;
}
