// An intervention as a person says it -> the edits that the server reads.

import type { Node } from '../api/types';

export type Action = 'ablate' | 'scale' | 'set' | 'add';
export type Subject = { kind: 'node'; node: Node } | { kind: 'nodes'; nodes: Node[] } | { kind: 'group'; name: string };

/** Whether an edit can change the node: features at a position can be edited. */
export const editable = (node: Node) => node.kind === 'feature' && /^\d+\/\d+@\d+$/.test(node.name);

function tail(action: Action, amount: number): string {
  switch (action) {
    case 'ablate': return '*0';
    case 'scale': return `*${amount}`;
    case 'set': return `=${amount}`;
    case 'add': return `+${amount}`;
  }
}

/** The edits, one per feature or one per group; none for what cannot be edited or an amount that is no number. */
export function editsOf(subject: Subject, action: Action, amount: number): string[] {
  if (action !== 'ablate' && !Number.isFinite(amount)) return [];
  const end = tail(action, amount);
  if (subject.kind === 'group') return [`supernode:${subject.name}${end}`];
  const nodes = subject.kind === 'node' ? [subject.node] : subject.nodes;
  return nodes.filter(editable).map((node) => `${node.name}${end}`);
}
