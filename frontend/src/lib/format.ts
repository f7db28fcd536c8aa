// Numbers and tokens as people read them.

import type { Interval } from '../api/types';

const MINUS = '\u2212';

/** A signed weight with about three digits: +3.61, −0.024. */
export function signed(value: number): string {
  const size = Math.abs(value);
  const digits = size >= 100 ? 0 : size >= 10 ? 1 : size >= 1 ? 2 : size >= 0.0995 ? 3 : size === 0 ? 0 : 4;
  return (value < 0 ? MINUS : '+') + size.toFixed(digits);
}

/** A number with about three digits and no plus. */
export function plain(value: number | null): string {
  return value === null ? '–' : signed(value).replace('+', '');
}

/** A share: 11.1 %, or less than 0.1 %. */
export function percent(share: number | null): string {
  if (share === null) return '–';
  const size = Math.abs(share) * 100;
  const sign = share < 0 ? MINUS : '';
  if (size > 0 && size < 0.05) return `<0.1 %`;
  return `${sign}${size >= 99.95 ? size.toFixed(0) : size.toFixed(1)} %`;
}

/** A signed share. */
export function signedPercent(share: number): string {
  return (share < 0 ? '' : '+') + percent(share);
}

/** An interval as the graph room prints it. */
export function interval(value: Interval | null): string {
  if (value === null) return '–';
  const [low, high] = [value.low.toFixed(3), value.high.toFixed(3)];
  return low === high ? low : `${low} to ${high}`;
}

/** A token with its leading space and line ends made visible. */
export function token(text: string): string {
  return text === '' ? '∅' : text.replace(/ /g, '\u00a0').replace(/\n/g, '⏎').replace(/\t/g, '⇥');
}

/** "3 nodes", "1 node". */
export function count(n: number, one: string, many = `${one}s`): string {
  return `${n.toLocaleString('en')} ${n === 1 ? one : many}`;
}
