// What a person adds to a graph: pins, groups, labels; every change can be undone. Values are never changed in place.

import type { Group } from '../api/types';

export interface Notes {
  pinned: string[];
  groups: Group[];
  /** Labels that differ from the file's. */
  labels: Record<string, string>;
}

export interface History {
  past: Notes[];
  now: Notes;
  future: Notes[];
}

const MOST_STEPS = 200;

export const begin = (now: Notes): History => ({ past: [], now, future: [] });

/** The history after one more change; nothing when nothing changed. */
export function change(history: History, now: Notes): History {
  if (same(history.now, now)) return history;
  return { past: [...history.past, history.now].slice(-MOST_STEPS), now, future: [] };
}

export function undo({ past, now, future }: History): History {
  const last = past.at(-1);
  return last === undefined ? { past, now, future } : { past: past.slice(0, -1), now: last, future: [now, ...future] };
}

export function redo({ past, now, future }: History): History {
  const [next, ...rest] = future;
  return next === undefined ? { past, now, future } : { past: [...past, now], now: next, future: rest };
}

export const same = (a: Notes, b: Notes) => JSON.stringify(a) === JSON.stringify(b);

export function togglePin(notes: Notes, id: string): Notes {
  const pinned = notes.pinned.includes(id) ? notes.pinned.filter((other) => other !== id) : [...notes.pinned, id];
  return { ...notes, pinned };
}

/** A name that no group has yet. */
export function freeName(groups: Group[], wanted: string): string {
  const taken = new Set(groups.map((group) => group.name));
  for (let i = 1; ; i++) {
    const name = i === 1 ? wanted : `${wanted} ${i}`;
    if (!taken.has(name)) return name;
  }
}

/** A new group of these nodes, which leave the groups they were in; its members are pinned. */
export function makeGroup(notes: Notes, ids: string[], wanted: string): Notes {
  const members = [...new Set(ids)];
  if (members.length === 0) return notes;
  const others = notes.groups
    .map((group) => ({ ...group, ids: group.ids.filter((id) => !members.includes(id)) }))
    .filter((group) => group.ids.length > 0);
  const name = freeName(others, wanted.trim() || 'group');
  const pinned = [...notes.pinned, ...members.filter((id) => !notes.pinned.includes(id))];
  return { ...notes, pinned, groups: [...others, { name, ids: members }] };
}

export function ungroup(notes: Notes, name: string): Notes {
  const members = notes.groups.find((group) => group.name === name)?.ids ?? [];
  const pinned = [...notes.pinned, ...members.filter((id) => !notes.pinned.includes(id))];
  return { ...notes, pinned, groups: notes.groups.filter((group) => group.name !== name) };
}

/** Rename a group; an empty or taken name changes nothing. */
export function rename(notes: Notes, name: string, wanted: string): Notes {
  const to = wanted.trim().slice(0, 200);
  if (!to || notes.groups.some((group) => group.name === to)) return notes;
  return { ...notes, groups: notes.groups.map((group) => (group.name === name ? { ...group, name: to } : group)) };
}

/** Label a node; `stored` is what the file says. */
export function setLabel(notes: Notes, id: string, label: string, stored: string): Notes {
  const { [id]: _, ...labels } = notes.labels;
  const text = label.trim().slice(0, 200);
  return { ...notes, labels: text === stored ? labels : { ...labels, [id]: text } };
}

/** The boxes of the subgraph: every group, then every pinned node that is in none. */
export function boxes(notes: Notes): { name: string | null; ids: string[] }[] {
  const grouped = new Set(notes.groups.flatMap((group) => group.ids));
  return [
    ...notes.groups.map(({ name, ids }) => ({ name, ids })),
    ...notes.pinned.filter((id) => !grouped.has(id)).map((id) => ({ name: null, ids: [id] })),
  ];
}
