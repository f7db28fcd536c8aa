import { expect, test } from 'vitest';
import { editsOf, editable } from '../src/lib/edits';
import * as format from '../src/lib/format';
import * as notes from '../src/lib/notes';
import { PLAIN, readRoute, writeRoute, type Route } from '../src/lib/route';
import { beside, endsOf, search, strongest } from '../src/lib/walk';
import { node } from './nodes';

const empty: notes.Notes = { pinned: [], groups: [], labels: {} };
const id = '0123456789abcdef';

test('an address brings back what was shown', () => {
  const looks: Route[] = [
    { page: 'home' },
    { page: 'graph', id, look: PLAIN },
    { page: 'graph', id, look: { node: 0.65, edge: 0.9, clicked: '3_18_6', pinned: ['a,b', 'c%2C', '%', 'é</script>'], mode: 'table' } },
    { page: 'graph', id, look: { ...PLAIN, pinned: [], mode: 'text' } },
  ];
  for (const look of looks) expect(readRoute(writeRoute(look))).toEqual(look);
});

test('odd addresses lead home or are read as far as they make sense', () => {
  for (const odd of ['', '#', '#/graph/', '#/graph/../../etc', `#/graph/${id}/x`, '#/graph/XYZ', 'x']) expect(readRoute(odd)).toEqual({ page: 'home' });
  expect(readRoute(`#/graph/${id}?node=7&edge=NaN&mode=wild&pinned=`)).toEqual({ page: 'graph', id, look: { ...PLAIN, pinned: [] } });
});

test('every change can be undone and done again', () => {
  let history = notes.begin(empty);
  history = notes.change(history, notes.togglePin(history.now, 'a'));
  history = notes.change(history, notes.makeGroup(history.now, ['a', 'b'], 'pair'));
  history = notes.change(history, notes.setLabel(history.now, 'a', ' ten ', ''));
  const last = history.now;
  expect(last).toEqual({ pinned: ['a', 'b'], groups: [{ name: 'pair', ids: ['a', 'b'] }], labels: { a: 'ten' } });
  for (let i = 0; i < 3; i++) history = notes.undo(history);
  expect(history.now).toEqual(empty);
  expect(notes.undo(history)).toEqual(history);
  for (let i = 0; i < 3; i++) history = notes.redo(history);
  expect(history.now).toEqual(last);
  expect(notes.change(history, { ...last })).toBe(history);
  expect(notes.change(notes.undo(history), notes.togglePin(empty, 'z')).future).toEqual([]);
});

test('a node is in one group, and names of groups are different', () => {
  let now = notes.makeGroup(notes.makeGroup(empty, ['a', 'b'], 'group'), ['b', 'c'], 'group');
  expect(now.groups).toEqual([{ name: 'group', ids: ['a'] }, { name: 'group 2', ids: ['b', 'c'] }]);
  now = notes.rename(now, 'group 2', 'group');
  expect(now.groups[1]!.name).toBe('group 2');
  now = notes.rename(now, 'group 2', '  sum ');
  expect(now.groups[1]!.name).toBe('sum');
  now = notes.makeGroup(now, ['a', 'b', 'c'], '');
  expect(now.groups).toEqual([{ name: 'group', ids: ['a', 'b', 'c'] }]);
  expect(notes.ungroup(now, 'group')).toEqual({ pinned: ['a', 'b', 'c'], groups: [], labels: {} });
  expect(notes.makeGroup(empty, [], 'x')).toBe(empty);
});

test('boxes are groups and then what is pinned alone', () => {
  const now = { pinned: ['x', 'a'], groups: [{ name: 'g', ids: ['a', 'b'] }], labels: {} };
  expect(notes.boxes(now)).toEqual([{ name: 'g', ids: ['a', 'b'] }, { name: null, ids: ['x'] }]);
});

test('a label like the stored one is no change', () => {
  expect(notes.setLabel({ ...empty, labels: { a: 'x' } }, 'a', 'stored', 'stored').labels).toEqual({});
});

test('edits as the server reads them', () => {
  const one = node({ name: '3/18@6' });
  const token = node({ kind: 'token', name: '"36"@3' });
  expect(editable(one)).toBe(true);
  expect(editable(node({ name: 'odd' }))).toBe(false);
  expect(editsOf({ kind: 'node', node: one }, 'ablate', NaN)).toEqual(['3/18@6*0']);
  expect(editsOf({ kind: 'nodes', nodes: [one, token] }, 'scale', -1)).toEqual(['3/18@6*-1']);
  expect(editsOf({ kind: 'node', node: one }, 'set', 2.5)).toEqual(['3/18@6=2.5']);
  expect(editsOf({ kind: 'group', name: 'near 95' }, 'add', -3)).toEqual(['supernode:near 95+-3']);
  expect(editsOf({ kind: 'node', node: one }, 'set', NaN)).toEqual([]);
});

test('ways through a graph', () => {
  const nodes = [node({ influence: 0.5, label: 'ten' }), node({ influence: 0.9, raises: ['10', '20'] }), node({ kind: 'target', name: '"95"' })];
  const links = { source: [0, 1, 0], target: [2, 2, 1], weight: [1, -5, 1], share: [0.2, 0.8, 1] };
  const ends = endsOf(3, links);
  expect(strongest(ends[2]!, links, 'inputs')).toBe(1);
  expect(strongest(ends[0]!, links, 'outputs')).toBe(1);
  expect(strongest(ends[2]!, links, 'outputs')).toBeNull();
  expect(beside(nodes, [10, 20, 15], 0, 1)).toBe(1);
  expect(beside(nodes, [10, 20, 15], 0, -1)).toBeNull();
  expect(search(nodes, ['a'], 'TEN').map((n) => n.label)).toEqual(['ten']);
  expect(search(nodes, ['a'], 'a')[0]).toBe(nodes[1]);
  expect(search(nodes, ['a'], '  ')).toEqual([]);
});

test('numbers as people read them', () => {
  expect(format.signed(3.6142)).toBe('+3.61');
  expect(format.signed(-0.0241)).toBe('−0.0241');
  expect(format.signed(0)).toBe('+0');
  expect(format.percent(0.1113)).toBe('11.1 %');
  expect(format.percent(0.00001)).toBe('<0.1 %');
  expect(format.percent(null)).toBe('–');
  expect(format.interval({ low: 0.5, high: 0.5 })).toBe('0.500');
  expect(format.interval({ low: 0.949, high: 1 })).toBe('0.949 to 1.000');
  expect(format.token(' a\n')).toBe('\u00a0a⏎');
});
