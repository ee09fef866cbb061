/** The settings, read and checked. */

import * as vscode from 'vscode';
import { formerSettings, keysPerTokenSetting, type SettingId } from './contributionIds';
import { type ProviderSetting, providerSettings, type QuantizedWeights, quantizedWeights } from './shared/analysis';
import { type ColorMap, colorMaps, defaultColorMap } from './shared/colorScale';
import { defaultRelevance, type RelevanceMethod, relevanceMethods } from './shared/relevance';
import type { RemoteOptions } from './shared/remote';

const panelLocations = ['sideBar', 'beside'] as const;
type PanelLocation = (typeof panelLocations)[number];
const colorScales = Object.keys(colorMaps) as ColorMap[];

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
  /** Until another one is chosen in a workspace. */
  readonly relevanceMethod: RelevanceMethod;
  readonly windowFollowsCursor: boolean;
  /** Where commands open the panel: as a view of the side bar, or as an editor beside the text. */
  readonly panelLocation: PanelLocation;
  /** Colors of maps, until a panel chooses others. */
  readonly colorScale: ColorMap;
  /** CSV files begin with a mark by which spreadsheets recognize UTF-8. */
  readonly exportByteOrderMark: boolean;
  /** Without the token, which is in the secret storage; null where no server is named. */
  readonly remote: Omit<RemoteOptions, 'token'> | null;
}

/** Those read last; undefined after a change, and as long as nobody says when they change. */
let known: Settings | undefined;
let isFollowed = false;

/** All settings; values out of range or of the wrong type fall back to the default. */
export function readSettings(): Settings {
  const settings = known ?? readAll();
  if (isFollowed) known = settings;
  return settings;
}

/**
 * From now on settings are read only after one has changed: VS Code takes milliseconds for all of them, and a move of the
 * cursor asks for them several times. To be called before others listen for changes, who would else get the former ones.
 */
export function followSettings(): vscode.Disposable {
  isFollowed = true;
  const change = vscode.workspace.onDidChangeConfiguration(() => {
    known = undefined;
  });
  return new vscode.Disposable(() => {
    isFollowed = false;
    known = undefined;
    change.dispose();
  });
}

function readAll(): Settings {
  const section = vscode.workspace.getConfiguration();
  const get = (id: SettingId) => {
    const former = formerSettings[id];
    return section.get<unknown>(former && !isSet(section, id) && isSet(section, former) ? former : id);
  };
  const flag = (id: SettingId) => get(id) !== false;
  const text = (id: SettingId) => textIn(get(id));
  const maxTokens = whole(get('mtaInspector.range.maxTokens'), 0, 1 << 20, 0);
  const url = text('mtaInspector.remote.url');
  return {
    model: text('mtaInspector.model'),
    provider: choiceOf(providerSettings, get('mtaInspector.backend')) ?? 'auto',
    maxTokens: maxTokens === 0 ? 0 : Math.max(16, maxTokens),
    windowFollowsCursor: flag('mtaInspector.range.followsCursor'),
    threads: whole(get('mtaInspector.inference.threads'), 0, 256, 0),
    memoryBudgetMb: whole(get('mtaInspector.inference.memoryBudgetMb'), 0, 1 << 20, 0),
    quantizedWeights: choiceOf(quantizedWeights, get('mtaInspector.inference.quantizedWeights')) ?? 'packed',
    topK: whole(section.get(keysPerTokenSetting), 1, 64, 16),
    analyzeOnEdit: flag('mtaInspector.inspect.onEdit'),
    relevanceMethod: choiceOf(relevanceMethods, get('mtaInspector.relevance.method')) ?? defaultRelevance.method,
    panelLocation: choiceOf(panelLocations, get('mtaInspector.panel.location')) ?? 'sideBar',
    colorScale: choiceOf(colorScales, get('mtaInspector.colorScale')) ?? defaultColorMap,
    exportByteOrderMark: get('mtaInspector.export.byteOrderMark') === true,
    hoverEnabled: flag('mtaInspector.hover.enabled'),
    highlightEnabled: flag('mtaInspector.highlight.enabled'),
    highlightCount: whole(get('mtaInspector.highlight.count'), 1, 64, 16),
    remote:
      url === ''
        ? null
        : {
            url,
            model: text('mtaInspector.remote.model'),
            timeoutMs: 1000 * whole(get('mtaInspector.remote.timeout'), 1, 3600, 60),
            retries: whole(get('mtaInspector.remote.retries'), 0, 10, 3),
            caFile: text('mtaInspector.remote.certificateAuthority'),
          },
  };
}

/** Whether somebody wrote the setting down, for themselves or in a workspace; a default does not count. */
function isSet(section: vscode.WorkspaceConfiguration, id: string): boolean {
  const { globalValue, workspaceValue, workspaceFolderValue } = section.inspect(id) ?? {};
  return [globalValue, workspaceValue, workspaceFolderValue].some(value => value !== undefined);
}

const whole = (value: unknown, low: number, high: number, fallback: number) =>
  Number.isInteger(value) ? Math.min(Math.max(value as number, low), high) : fallback;
const textIn = (value: unknown) => (typeof value === 'string' ? value.trim() : '');
const choiceOf = <Choice>(choices: readonly Choice[], value: unknown) => choices.find(choice => choice === value);
