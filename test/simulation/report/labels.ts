/** Texts in a picture that must not lie over each other: each takes the first of its places that is free, or none. */

interface Box {
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
}

/** Of the fonts that a browser may take for sans-serif at 10 pixels, per character and line. */
const characterPx = 5.6;
const linePx = 11;
/** Longer texts are cut; the whole one is in the tooltip. */
const charactersMax = 44;

export class Labels {
  readonly #boxes: Box[] = [];

  /** @returns the first of the base lines `ys` at which the text is free, from `x` to the right; undefined: none is */
  place(text: string, x: number, ys: readonly number[]): number | undefined {
    for (const y of ys) {
      const width = shortened(text).length * characterPx;
      const box = { left: x, right: x + width, top: y - linePx, bottom: y };
      if (this.#boxes.some((other) => overlap(box, other))) continue;
      this.#boxes.push(box);
      return y;
    }
    return undefined;
  }
}

export function shortened(text: string): string {
  return text.length <= charactersMax ? text : `${text.slice(0, charactersMax - 1)}…`;
}

function overlap(a: Box, b: Box): boolean {
  return a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;
}
