// Where the nodes of a graph stand: token decides the column, layer the row; nodes of one cell share its space.

import type { Node } from '../api/types';

export interface Column {
  position: number;
  left: number;
  width: number;
}

export interface Row {
  key: number;
  label: string;
  y: number;
}

export interface Layout {
  x: number[];
  y: number[];
  columns: Column[];
  rows: Row[];
  radius: number;
  width: number;
  height: number;
}

const MARGIN = { left: 34, right: 10, top: 10, bottom: 8 };
const LARGEST_PITCH = 18;
const SMALLEST_PITCH = 7;
const LEAST_ROW = 13;
const LEAST_COLUMN = 24;
const LETTER = 7.2;
const TOP = Number.MAX_SAFE_INTEGER;

/** The row of a node: -1 for what is embedded, its layer, or the top. */
export function rowOf(node: Node): number {
  if (node.kind === 'target') return TOP;
  if (node.kind === 'token' || node.kind === 'position') return -1;
  return Math.max(node.layer, 0);
}

/** Width a token's label wants. */
export const labelWidth = (token: string) => Math.min(Math.max(token.length * LETTER + 12, LEAST_COLUMN), 110);

function rowsOf(nodes: Node[]): { key: number; label: string }[] {
  const layers = nodes.map(rowOf).filter((row) => row !== TOP && row >= 0);
  const [low, high] = [Math.min(...layers), Math.max(...layers)];
  const rows = [{ key: TOP, label: 'out' }];
  for (let layer = high; layer >= low; layer--) rows.push({ key: layer, label: `${layer}` });
  return [...rows, { key: -1, label: 'in' }];
}

/** Place all nodes in `width` x `height`, or wider or higher where they need it. */
export function layoutGraph(nodes: Node[], tokens: string[], width: number, height: number): Layout {
  const rows = rowsOf(nodes);
  const inner = Math.max(height - MARGIN.top - MARGIN.bottom, rows.length * LEAST_ROW);
  const rowHeight = inner / rows.length;
  const y = new Map(rows.map((row, i) => [row.key, MARGIN.top + (i + 0.5) * rowHeight]));
  const cells = cellsOf(nodes);
  const first = nodes.some((node) => node.position < 0 || node.position >= tokens.length) ? -1 : 0;
  const positions = Array.from({ length: tokens.length - first }, (_, i) => i + first);
  const { columns, pitch, total } = columnsOf(positions, cells, tokens, rowHeight, width - MARGIN.left - MARGIN.right);
  const at = new Map(columns.map((column) => [column.position, column]));
  const placed = { x: new Array<number>(nodes.length), y: new Array<number>(nodes.length) };
  for (const [key, members] of cells) {
    const [position, row] = key.split(':').map(Number) as [number, number];
    const column = at.get(at.has(position) ? position : -1)!;
    const perLine = Math.max(1, Math.floor((column.width - 6) / pitch));
    const lines = Math.ceil(members.length / perLine);
    const wide = Math.ceil(members.length / lines);
    members.forEach((i, order) => {
      const [line, slot] = [Math.floor(order / wide), order % wide];
      const inLine = Math.min(wide, members.length - line * wide);
      placed.x[i] = column.left + column.width / 2 + (slot - (inLine - 1) / 2) * pitch;
      placed.y[i] = y.get(row)! + (line - (lines - 1) / 2) * Math.min(pitch, (rowHeight - 3) / lines);
    });
  }
  return {
    ...placed,
    columns,
    rows: rows.map((row) => ({ ...row, y: y.get(row.key)! })),
    radius: Math.max(2.5, Math.min(5.5, pitch / 2 - 1.5)),
    width: Math.max(width, Math.floor(total + MARGIN.left + MARGIN.right)),
    height: inner + MARGIN.top + MARGIN.bottom,
  };
}

/** Numbers of the nodes of every cell, the most influential first. */
function cellsOf(nodes: Node[]): Map<string, number[]> {
  const cells = new Map<string, number[]>();
  const weight = (node: Node) => (node.kind === 'target' ? node.probability : node.influence) ?? 0;
  const order = nodes.map((_, i) => i).sort((a, b) => weight(nodes[b]!) - weight(nodes[a]!) || a - b);
  for (const i of order) {
    const key = `${Math.max(nodes[i]!.position, -1)}:${rowOf(nodes[i]!)}`;
    const members = cells.get(key);
    if (members) members.push(i);
    else cells.set(key, [i]);
  }
  return cells;
}

/** Widths of the columns, and the largest distance of nodes with which they fit. */
function columnsOf(positions: number[], cells: Map<string, number[]>, tokens: string[], rowHeight: number, width: number) {
  const labels = positions.map((position) => (position < 0 ? LEAST_COLUMN : labelWidth(tokens[position] ?? '')));
  const crowded = labels.reduce((sum, label) => sum + label, 0) > width;
  const least = crowded ? labels.map(() => LEAST_COLUMN) : labels;
  for (let pitch = LARGEST_PITCH; ; pitch--) {
    const lines = Math.max(1, Math.floor((rowHeight - 3) / pitch));
    const needed = new Map<number, number>();
    for (const [key, members] of cells) {
      const position = Number(key.split(':')[0]);
      needed.set(position, Math.max(needed.get(position) ?? 0, Math.ceil(members.length / lines)));
    }
    const wanted = positions.map((position, i) => Math.max(least[i]!, (needed.get(position) ?? 0) * pitch + 8));
    const total = wanted.reduce((sum, one) => sum + one, 0);
    if (total > width && pitch > SMALLEST_PITCH) continue;
    const spare = Math.max(0, width - total) / Math.max(1, positions.length);
    let left = MARGIN.left;
    const columns = positions.map((position, i) => {
      const column = { position, left, width: wanted[i]! + spare };
      left += column.width;
      return column;
    });
    return { columns, pitch, total: left - MARGIN.left };
  }
}
