import { expect, test } from 'vitest';
import { layoutGraph } from '../src/lib/layout';
import { apart, layoutBoxes, rowsOf } from '../src/lib/subgraph';
import { node } from './nodes';

const tokens = ['<s>', 'calc', ':', '36', '+', '59', '='];
const many = tokens.flatMap((_, position) => [
  node({ kind: 'token', layer: -1, position }),
  ...Array.from({ length: 4 + position * 3 }, (__, i) => node({ layer: i % 4, position })),
]);
const nodes = [...many, node({ kind: 'error', layer: 2, position: 6 }), node({ kind: 'bias', layer: 1, position: -1 }), node({ kind: 'target', layer: 4, position: 6, probability: 0.9 })];

test('deeper layers stand higher, tokens at the bottom, answers on top', () => {
  const { x, y } = layoutGraph(nodes, tokens, 900, 400);
  const mean = (want: (n: (typeof nodes)[number]) => boolean) => {
    const found = nodes.flatMap((one, i) => (want(one) ? [y[i]!] : []));
    return found.reduce((a, b) => a + b, 0) / found.length;
  };
  const rows = [mean((n) => n.kind === 'token'), ...[0, 1, 2, 3].map((l) => mean((n) => n.kind === 'feature' && n.layer === l)), mean((n) => n.kind === 'target')];
  expect([...rows].sort((a, b) => b - a)).toEqual(rows);
  expect(x.every((one) => one >= 0 && one <= 900)).toBe(true);
  expect(y.every((one) => one >= 0 && one <= 400)).toBe(true);
});

test('a node stands in the column of its token, and columns follow each other', () => {
  const { x, columns, width } = layoutGraph(nodes, tokens, 900, 400);
  expect(columns.map((column) => column.position)).toEqual([-1, 0, 1, 2, 3, 4, 5, 6]);
  nodes.forEach((one, i) => {
    const column = columns.find((c) => c.position === one.position)!;
    expect(x[i]!).toBeGreaterThanOrEqual(column.left);
    expect(x[i]!).toBeLessThanOrEqual(column.left + column.width);
  });
  columns.slice(1).forEach((column, i) => expect(column.left).toBeCloseTo(columns[i]!.left + columns[i]!.width));
  expect(width).toBeCloseTo(900);
});

test('no two nodes stand on the same spot', () => {
  const { x, y } = layoutGraph(nodes, tokens, 900, 400);
  expect(new Set(x.map((one, i) => `${one.toFixed(2)} ${y[i]!.toFixed(2)}`)).size).toBe(nodes.length);
});

test('too many tokens or layers make the sheet larger instead of a heap', () => {
  const long = Array.from({ length: 120 }, (_, i) => `token${i}`);
  const deep = long.flatMap((_, position) => [node({ position, layer: position % 60 }), node({ position, layer: 3 })]);
  const found = layoutGraph(deep, long, 900, 400);
  expect(found.width).toBeGreaterThan(900);
  expect(found.height).toBeGreaterThan(400);
  expect(found.x.every((one) => Number.isFinite(one) && one <= found.width)).toBe(true);
});

test('positions beyond the prompt and empty graphs do no harm', () => {
  const odd = layoutGraph([node({ position: 99 }), node({ position: -1 }), node({ kind: 'target', position: 0 })], ['a'], 300, 200);
  expect([...odd.x, ...odd.y].every(Number.isFinite)).toBe(true);
  expect(layoutGraph([node({ kind: 'target' })], [], 300, 200).rows.length).toBeGreaterThan(0);
});

test('boxes never overlap and deeper ones stand higher', () => {
  const boxes = Array.from({ length: 17 }, (_, i) => ({ depth: (i * 7) % 11, place: (i * 5) % 6 }));
  const placed = layoutBoxes(boxes, 640, 200);
  placed.forEach((a, i) => placed.slice(i + 1).forEach((b) => {
    expect(a.x + a.width <= b.x || b.x + b.width <= a.x || a.y + a.height <= b.y || b.y + b.height <= a.y).toBe(true);
  }));
  boxes.forEach((a, i) => boxes.forEach((b, j) => {
    if (a.depth > b.depth) expect(placed[i]!.y).toBeLessThanOrEqual(placed[j]!.y);
  }));
});

test('rows hold every box once, as many rows as fit', () => {
  const rows = rowsOf([0, 1, 1, 2, 3, 4].map((depth) => ({ depth, place: 0 })), 3);
  expect(rows.length).toBe(3);
  expect(rows.flat().sort()).toEqual([0, 1, 2, 3, 4, 5]);
});

test('numbers are moved apart and stay inside', () => {
  expect(apart([5, 5, 5], 10, 0, 100)).toEqual([5, 15, 25]);
  expect(apart([99, 99], 10, 0, 100)).toEqual([90, 100]);
  expect(apart([], 10, 0, 100)).toEqual([]);
});
