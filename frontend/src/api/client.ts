// The server's questions, one function each. A failed request throws an Error with the server's one sentence.

import type {
  About, BadFile, Boxes, Card, Flow, GraphView, InterveneIn, Intervention, Job, NodeView, NotesIn, Shelf, TraceIn,
} from './types';

export type { BadFile, Card };

async function ask<T>(path: string, options: RequestInit = {}): Promise<T> {
  let answer: Response;
  try {
    answer = await fetch(`/api${path}`, { ...options, headers: { 'X-Gearscope': '1', 'Content-Type': 'application/json' } });
  } catch (error) {
    if ((error as Error).name === 'AbortError') throw error;
    throw new Error('The server does not answer; is gearscope still running?');
  }
  if (answer.status === 204) return undefined as T;
  const type = answer.headers.get('content-type') ?? '';
  const body = type.includes('json') ? await answer.json() : await answer.text();
  if (!answer.ok) throw new Error(typeof body === 'object' && body?.error ? body.error : `The server answered ${answer.status}.`);
  return body as T;
}

const send = (method: string, body: unknown, signal?: AbortSignal): RequestInit => ({ method, body: JSON.stringify(body), signal });

function thresholds(node: number | null, edge: number | null): URLSearchParams {
  const query = new URLSearchParams();
  if (node !== null) query.set('node', String(node));
  if (edge !== null) query.set('edge', String(edge));
  return query;
}

export const about = () => ask<About>('/about');
export const shelf = () => ask<Shelf>('/graphs');
export const job = () => ask<Job | null>('/job');
export const stopJob = () => ask<void>('/job', { method: 'DELETE' });
export const graph = (id: string, node: number | null, edge: number | null, signal?: AbortSignal) =>
  ask<GraphView>(`/graphs/${encodeURIComponent(id)}?${thresholds(node, edge)}`, { signal });
export function node(id: string, name: string, at: [number | null, number | null], signal?: AbortSignal): Promise<NodeView> {
  const query = thresholds(...at);
  query.set('id', name);
  return ask<NodeView>(`/graphs/${encodeURIComponent(id)}/node?${query}`, { signal });
}
export const flows = (id: string, boxes: Boxes, signal?: AbortSignal) =>
  ask<Flow[]>(`/graphs/${encodeURIComponent(id)}/flows`, send('POST', boxes, signal));
export const keep = (id: string, notes: NotesIn) => ask<Card>(`/graphs/${encodeURIComponent(id)}/notes`, send('PUT', notes));
export const text = (id: string) => ask<string>(`/graphs/${encodeURIComponent(id)}/text`);
export const trace = (wanted: TraceIn, signal?: AbortSignal) => ask<Card>('/trace', send('POST', wanted, signal));
export const intervene = (id: string, wanted: InterveneIn, signal?: AbortSignal) =>
  ask<Intervention>(`/graphs/${encodeURIComponent(id)}/intervene`, send('POST', wanted, signal));
export const file = (id: string, kind: 'file' | 'picture') => `/api/graphs/${encodeURIComponent(id)}/${kind}`;
