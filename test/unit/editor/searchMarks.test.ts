/** The commands of the document search, and the ids that they had in earlier versions. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import '../../fixtures/vscode';
import { DocumentSearch } from '../../../src/analysis/documentSearch';
import { OcclusionRuns } from '../../../src/analysis/occlusionRuns';
import { RelevantContext } from '../../../src/analysis/relevantContext';
import { commands, contextKeys } from '../../../src/contributionIds';
import { SearchMarks } from '../../../src/editor/searchMarks';
import { fakeMemento, openAnalysis } from '../../fixtures/analysis';
import { editor } from '../../fixtures/vscode';

const ids = [
  [commands.searchDocument, commands.cancelSearch],
  ['mtaInspector.mapDocument', 'mtaInspector.cancelMap'],
] as const;

for (const [start, cancel] of ids) {
  test(`${start} starts a search and ${cancel} cancels it; keybindings can ask whether it runs, by both keys`, async () => {
    const opened = openAnalysis();
    const { client, analysis, log } = opened;
    const context = new RelevantContext(analysis, new OcclusionRuns(client.asClient), fakeMemento());
    const search = new DocumentSearch(analysis, context, client.asClient, () => opened.settings, log);
    const marks = new SearchMarks(
      search,
      analysis,
      run => run(),
      () => {},
    );
    await opened.inspect(editor.open('one\ntwo'));
    analysis.selectToken(3);
    const keysAre = (isSearching: boolean) => {
      for (const key of [contextKeys.isSearching, 'mtaInspector.isMapping']) {
        const set = editor.executed.findLast(([id, name]) => id === 'setContext' && name === key);
        assert.deepEqual(set, ['setContext', key, isSearching]);
      }
    };
    const started = editor.commands.get(start)!();
    assert.equal(search.snapshot?.status, 'reading');
    keysAre(true);
    await editor.commands.get(cancel)!();
    assert.equal(search.snapshot?.status, 'cancelled');
    keysAre(false);
    client.last('readSearchText').resolve({ nTokens: 7 });
    await started;
    marks.dispose();
  });
}

test('where nothing is selected the word at the cursor is searched for', async () => {
  const opened = openAnalysis();
  const { client, analysis, log } = opened;
  const context = new RelevantContext(analysis, new OcclusionRuns(client.asClient), fakeMemento());
  const search = new DocumentSearch(analysis, context, client.asClient, () => opened.settings, log);
  const marks = new SearchMarks(
    search,
    analysis,
    run => run(),
    () => {},
  );
  const document = editor.open('one\ntwo');
  await opened.inspect(document);
  editor.show(document).select(5, 5);
  analysis.selectToken(null);
  void editor.commands.get(commands.searchDocument)!();
  assert.deepEqual([search.snapshot?.selection, search.snapshot?.status], ['two', 'reading']);
  await editor.commands.get(commands.cancelSearch)!();
  marks.dispose();
});
