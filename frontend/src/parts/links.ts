// Links on a canvas. Negative ones are dashed as well as red; width is the share of what the receiver gets.

import type { Links } from '../api/types';
import type { Layout } from '../lib/layout';

/** Links drawn before anything is pointed at: those that carry most influence. */
export const FAINT = 300;
const MOST_STRONG = 600;

/** Draw some links; `faint` for the ground, `strong` for those of one node. */
export function drawLinks(canvas: HTMLCanvasElement, layout: Layout, links: Links, which: number[], how: 'faint' | 'strong'): void {
  const scale = Math.min(devicePixelRatio || 1, 2);
  canvas.width = Math.round(layout.width * scale);
  canvas.height = Math.round(layout.height * scale);
  canvas.style.width = `${layout.width}px`;
  canvas.style.height = `${layout.height}px`;
  const pen = canvas.getContext('2d');
  if (!pen) return;
  pen.scale(scale, scale);
  pen.clearRect(0, 0, layout.width, layout.height);
  const [up, down, ground] = ['--up', '--down', '--link'].map((name) => colour(canvas, name));
  // the ground comes by influence, strongest first; the links of one node are drawn strongest last, on top
  const chosen = how === 'faint' ? which : [...which].sort((a, b) => links.share[a]! - links.share[b]!).slice(-MOST_STRONG);
  for (const [order, link] of chosen.entries()) {
    const [s, t, share] = [links.source[link]!, links.target[link]!, links.share[link]!];
    const negative = links.weight[link]! < 0;
    pen.strokeStyle = (how === 'faint' ? ground : negative ? down : up) ?? 'grey';
    pen.globalAlpha = how === 'faint' ? 0.08 + 0.32 * (1 - order / chosen.length) ** 2 : Math.min(0.95, 0.25 + share * 3);
    pen.lineWidth = how === 'faint' ? 1 : Math.min(5, 0.8 + share * 16);
    pen.setLineDash(negative ? [4, 3] : []);
    const [x0, y0, x1, y1] = [layout.x[s]!, layout.y[s]!, layout.x[t]!, layout.y[t]!];
    const bend = (y1 - y0) * 0.45;
    pen.beginPath();
    pen.moveTo(x0, y0);
    pen.bezierCurveTo(x0, y0 + bend, x1, y1 - bend, x1, y1);
    pen.stroke();
  }
}

/** A colour of the style sheet as it is now: `light-dark()` is resolved by giving it to an element. */
function colour(canvas: HTMLCanvasElement, name: string): string {
  canvas.style.color = `var(${name})`;
  return getComputedStyle(canvas).color;
}
