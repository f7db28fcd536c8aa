// The address: which page, and what of a graph is shown. A link reopens the same view.

export type Mode = 'graph' | 'table' | 'text';

export interface Look {
  node: number | null;
  edge: number | null;
  clicked: string | null;
  /** Pinned ids; null means those of the file. */
  pinned: string[] | null;
  mode: Mode;
}

export type Route = { page: 'home' } | { page: 'graph'; id: string; look: Look };

export const PLAIN: Look = { node: null, edge: null, clicked: null, pinned: null, mode: 'graph' };

function share(text: string | null): number | null {
  if (text === null || text.trim() === '') return null;
  const value = Number(text);
  return Number.isFinite(value) && value >= 0 && value <= 1 ? value : null;
}

/** Read `#/graph/ID?node=0.6&clicked=3_18_6&pinned=a,b&mode=table`; anything else is the home page. */
export function readRoute(hash: string): Route {
  const match = /^#\/graph\/([0-9a-f]{16})(?:\?(.*))?$/.exec(hash);
  if (!match) return { page: 'home' };
  const query = new URLSearchParams(match[2] ?? '');
  const mode = query.get('mode');
  const pinned = query.get('pinned');
  return {
    page: 'graph',
    id: match[1]!,
    look: {
      node: share(query.get('node')),
      edge: share(query.get('edge')),
      clicked: query.get('clicked') || null,
      pinned: pinned === null ? null : pinned.split(',').filter(Boolean).map(unescapeId),
      mode: mode === 'table' || mode === 'text' ? mode : 'graph',
    },
  };
}

// ids may hold any text, commas too
const escapeId = (id: string) => id.replace(/%/g, '%25').replace(/,/g, '%2C');
const unescapeId = (text: string) => text.replace(/%2C/gi, ',').replace(/%25/g, '%');

/** The address of a route. */
export function writeRoute(route: Route): string {
  if (route.page === 'home') return '#/';
  const { node, edge, clicked, pinned, mode } = route.look;
  const query = new URLSearchParams();
  if (node !== null) query.set('node', String(node));
  if (edge !== null) query.set('edge', String(edge));
  if (clicked !== null) query.set('clicked', clicked);
  if (pinned !== null) query.set('pinned', pinned.map(escapeId).join(','));
  if (mode !== 'graph') query.set('mode', mode);
  const text = query.toString();
  return `#/graph/${route.id}${text ? `?${text}` : ''}`;
}
