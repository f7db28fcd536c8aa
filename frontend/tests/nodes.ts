// Nodes for tests.

import type { Node } from '../src/api/types';

let made = 0;

export function node(part: Partial<Node>): Node {
  return {
    id: `n${made++}`, kind: 'feature', layer: 0, position: 0, name: '0/1@0', label: '', activation: null, probability: null,
    value: null, influence: 0.1, cumulative: null, raises: [], lowers: [], ...part,
  };
}

