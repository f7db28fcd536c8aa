// Ways through a graph: the links of every node, the strongest neighbour, the next node of a row, search.

import type { Links, Node } from '../api/types';
import { rowOf } from './layout';

export interface Ends {
  /** Numbers of links that arrive. */
  inputs: number[];
  /** Numbers of links that leave. */
  outputs: number[];
}

/** The links of every node. */
export function endsOf(count: number, links: Links): Ends[] {
  const ends: Ends[] = Array.from({ length: count }, () => ({ inputs: [], outputs: [] }));
  links.source.forEach((source, link) => {
    ends[source]?.outputs.push(link);
    ends[links.target[link]!]?.inputs.push(link);
  });
  return ends;
}

/** The node at the other end of the strongest link, by share of what the receiver gets; null where there is none. */
export function strongest(ends: Ends, links: Links, way: 'inputs' | 'outputs'): number | null {
  let best: number | null = null;
  for (const link of ends[way]) if (best === null || links.share[link]! > links.share[best]!) best = link;
  if (best === null) return null;
  return (way === 'inputs' ? links.source : links.target)[best]!;
}

/** The next node to the left (-1) or right (1) in the same row; null at its end. */
export function beside(nodes: Node[], x: number[], from: number, step: -1 | 1): number | null {
  const row = rowOf(nodes[from]!);
  const inRow = nodes.map((_, i) => i).filter((i) => rowOf(nodes[i]!) === row);
  inRow.sort((a, b) => x[a]! - x[b]! || a - b);
  return inRow[inRow.indexOf(from) + step] ?? null;
}

/** Nodes whose name, label, token or promoted token holds the words, the most influential first. */
export function search(nodes: Node[], tokens: string[], words: string, most = 12): Node[] {
  const wanted = words.trim().toLowerCase();
  if (!wanted) return [];
  const fits = (node: Node) =>
    [node.name, node.label, node.id, tokens[node.position] ?? '', ...node.raises].some((text) => text.toLowerCase().includes(wanted));
  return nodes
    .filter(fits)
    .sort((a, b) => (b.influence ?? 0) - (a.influence ?? 0))
    .slice(0, most);
}
