// The kinds of nodes and what they are called.

import type { Node } from '../api/types';

export type Kind = Node['kind'];

export const KIND_NAMES: Record<Kind, string> = {
  feature: 'feature',
  error: 'error',
  token: 'token',
  position: 'position',
  first: 'first position',
  bias: 'bias',
  target: 'answer',
};

/** What a reader calls a node: its label where it has one, else its name. */
export const called = (node: { name: string; label: string }) => node.label || node.name;

/** Whether a person may write a label on it. */
export const labelled = (kind: Kind) => kind !== 'token' && kind !== 'target';
