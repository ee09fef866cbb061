/** The settings, read and checked. */

import * as vscode from 'vscode';
import { type ProviderSetting, type QuantizedWeights, quantizedWeights } from './shared/analysis';
import type { RemoteOptions } from './shared/remote';

export interface Settings {
  readonly model: string;
  readonly provider: ProviderSetting;
  /** 0 where it is chosen by how fast the machine is; see analysis/rangeLength.ts. */
  readonly maxTokens: number;
  readonly threads: number;
  readonly quantizedWeights: QuantizedWeights;
  readonly memoryBudgetMb: number;
  readonly topK: number;
  readonly hoverEnabled: boolean;
  readonly highlightEnabled: boolean;
  readonly highlightCount: number;
  readonly analyzeOnEdit: boolean;
  readonly windowFollowsCursor: boolean;
  /** CSV files begin with a mark by which spreadsheets recognize UTF-8. */
  readonly exportByteOrderMark: boolean;
  /** Without the token, which is in the secret storage; null where no server is named. */
  readonly remote: Omit<RemoteOptions, 'token'> | null;
}

/** Reads all settings; values out of range or of the wrong type fall back to the default. */
export function readSettings(): Settings {
  const section = vscode.workspace.getConfiguration('mtaInspector');
  const whole = (key: string, low: number, high: number, fallback: number) => {
    const value = section.get<unknown>(key);
    return Number.isInteger(value) ? Math.min(Math.max(value as number, low), high) : fallback;
  };
  const flag = (key: string) => section.get<unknown>(key) !== false;
  const text = (key: string) => {
    const value = section.get<unknown>(key);
    return typeof value === 'string' ? value : '';
  };
  const maxTokens = whole('maxTokens', 0, 1 << 20, 0);
  const url = text('remote.url').trim();
  const provider = text('provider') as ProviderSetting;
  return {
    model: text('model').trim(),
    provider: ['auto', 'cpu', 'webgpu', 'cuda', 'dml', 'coreml'].includes(provider) ? provider : 'auto',
    maxTokens: maxTokens === 0 ? 0 : Math.max(16, maxTokens),
    threads: whole('threads', 0, 256, 0),
    quantizedWeights: quantizedWeights.find(kind => kind === text('quantizedWeights')) ?? 'packed',
    memoryBudgetMb: whole('memoryBudgetMb', 0, 1 << 20, 0),
    topK: whole('topK', 1, 64, 16),
    hoverEnabled: flag('hover.enabled'),
    highlightEnabled: flag('highlight.enabled'),
    highlightCount: whole('highlight.count', 1, 64, 16),
    analyzeOnEdit: flag('analyzeOnEdit'),
    remote:
      url === ''
        ? null
        : {
            url,
            model: text('remote.model').trim(),
            timeoutMs: 1000 * whole('remote.timeout', 1, 3600, 60),
            retries: whole('remote.retries', 0, 10, 3),
            caFile: text('remote.certificateAuthority').trim(),
          },
    windowFollowsCursor: flag('window.followsCursor'),
    exportByteOrderMark: section.get<unknown>('export.byteOrderMark') === true,
  };
}
