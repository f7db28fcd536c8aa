// Where the boxes of pinned nodes and groups stand: deeper layers higher, earlier tokens further left, none overlap.

import type { Node } from '../api/types';
import { rowOf } from './layout';

export interface Box {
  /** Mean layer: inputs are -1, answers above all layers. */
  depth: number;
  /** Mean position in the prompt. */
  place: number;
}

export interface Placed {
  x: number;
  y: number;
  width: number;
  height: number;
}

const HEIGHT = 26;
const GAP = { x: 10, y: 14 };
const WIDEST = 150;
const NARROWEST = 56;

/** Depth and place of a box of nodes. */
export function boxOf(members: Node[], layers: number): Box {
  const depth = members.map((node) => Math.min(rowOf(node), layers));
  const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / Math.max(values.length, 1);
  return { depth: mean(depth), place: mean(members.map((node) => Math.max(node.position, 0))) };
}

/** Rows of box numbers, the deepest first: as many rows as fit, neighbours in depth put together. */
export function rowsOf(boxes: Box[], mostRows: number): number[][] {
  const order = boxes.map((_, i) => i).sort((a, b) => boxes[b]!.depth - boxes[a]!.depth || a - b);
  const rows: number[][] = [];
  for (const i of order) {
    const last = rows.at(-1);
    if (last && Math.abs(boxes[last[0]!]!.depth - boxes[i]!.depth) < 1e-9) last.push(i);
    else rows.push([i]);
  }
  while (rows.length > Math.max(1, mostRows)) {
    let at = 0;
    for (let i = 1; i < rows.length - 1; i++) if (rows[i]!.length + rows[i + 1]!.length < rows[at]!.length + rows[at + 1]!.length) at = i;
    rows.splice(at, 2, [...rows[at]!, ...rows[at + 1]!]);
  }
  return rows;
}

/** Places for all boxes in `width` x `height`; wider where a row needs it. */
export function layoutBoxes(boxes: Box[], width: number, height: number): Placed[] {
  const rows = rowsOf(boxes, Math.floor((height - 6) / (HEIGHT + GAP.y)));
  const step = height / Math.max(rows.length, 1);
  const [low, high] = [Math.min(...boxes.map((box) => box.place)), Math.max(...boxes.map((box) => box.place))];
  const placed = new Array<Placed>(boxes.length);
  rows.forEach((row, r) => {
    const sorted = [...row].sort((a, b) => boxes[a]!.place - boxes[b]!.place || a - b);
    const wide = Math.max(NARROWEST, Math.min(WIDEST, (width - GAP.x) / sorted.length - GAP.x));
    const wanted = sorted.map((i) => ((boxes[i]!.place - low + 0.5) / (high - low + 1)) * width);
    const centres = apart(wanted, wide + GAP.x, wide / 2 + 4, width - wide / 2 - 4);
    sorted.forEach((i, k) => {
      placed[i] = { x: centres[k]! - wide / 2, y: (r + 0.5) * step - HEIGHT / 2, width: wide, height: HEIGHT };
    });
  });
  return placed;
}

/** Increasing numbers moved as little as a sweep allows so that neighbours keep their distance, inside low to high. */
export function apart(wanted: number[], distance: number, low: number, high: number): number[] {
  const found: number[] = [];
  for (const value of wanted) found.push(Math.max(value, (found.at(-1) ?? low - distance) + distance));
  for (let i = found.length - 1, most = high; i >= 0; i--, most -= distance) found[i] = Math.min(found[i]!, most);
  for (let i = 0, least = low; i < found.length; i++, least += distance) found[i] = Math.max(found[i]!, least);
  return found;
}
