/**
 * Capitals and digits as strokes, so that text can be drawn on a machine without a single font. The units:
 * the baseline is at y = 6, the top at y = 0. Letters that look the same upside down (H, I, N, O, S, X, Z)
 * are here as well; no word may consist of them alone.
 */

interface Glyph {
  readonly width: number;
  /** An SVG path, to be stroked. */
  readonly path: string;
}

const bowl = "M0 0H2.2C3.4 0 4 .7 4 1.6S3.4 3.2 2.2 3.2H0";
const ring = "M2.1 0C.8 0 0 1.2 0 3S.8 6 2.1 6S4.2 4.8 4.2 3S3.4 0 2.1 0Z";
const open = "M4 1.2C3.6 .4 2.9 0 2.1 0C.8 0 0 1.2 0 3S.8 6 2.1 6C2.9 6 3.6 5.6 4 4.8";

const glyphs: Readonly<Record<string, Glyph>> = {
  A: { width: 4.4, path: "M0 6L2.2 0L4.4 6M.8 4H3.6" },
  B: {
    width: 4,
    path: "M0 0V6H2.3C3.5 6 4 5.3 4 4.5S3.5 3 2.3 3H0M2.1 3C3.2 3 3.7 2.3 3.7 1.5S3.2 0 2.1 0H0",
  },
  C: { width: 4, path: open },
  D: { width: 4, path: "M0 0V6H1.6C3.2 6 4 4.8 4 3S3.2 0 1.6 0Z" },
  E: { width: 3.5, path: "M3.5 0H0V6H3.5M0 2.9H3" },
  F: { width: 3.4, path: "M3.4 0H0V6M0 2.9H2.9" },
  G: { width: 4.1, path: `${open}V3.2H2.4` },
  H: { width: 4, path: "M0 0V6M4 0V6M0 3H4" },
  I: { width: 0, path: "M0 0V6" },
  J: { width: 2.8, path: "M2.8 0V4.3C2.8 5.4 2.3 6 1.4 6S0 5.4 0 4.4" },
  K: { width: 4, path: "M0 0V6M3.8 0L0 3.7M1.4 2.4L4 6" },
  L: { width: 3.3, path: "M0 0V6H3.3" },
  M: { width: 4.8, path: "M0 6V0L2.4 4.4L4.8 0V6" },
  N: { width: 4, path: "M0 6V0L4 6V0" },
  O: { width: 4.2, path: ring },
  P: { width: 4, path: `M0 6V0${bowl}` },
  R: { width: 4, path: `M0 6V0${bowl}M2 3.2L4 6` },
  S: {
    width: 3.8,
    path: "M3.6 1.2C3.3 .4 2.7 0 1.9 0C.8 0 .2 .6 .2 1.5C.2 3.7 3.8 2.2 3.8 4.5C3.8 5.4 3 6 1.9 6C1 6 .3 5.6 0 4.7",
  },
  T: { width: 4, path: "M0 0H4M2 0V6" },
  U: { width: 4, path: "M0 0V4C0 5.3 .8 6 2 6S4 5.3 4 4V0" },
  V: { width: 4.2, path: "M0 0L2.1 6L4.2 0" },
  W: { width: 5.6, path: "M0 0L1.4 6L2.8 1L4.2 6L5.6 0" },
  Y: { width: 4, path: "M0 0L2 3L4 0M2 3V6" },
  "1": { width: 1.4, path: "M0 1.4L1.4 0V6" },
  "2": { width: 3.8, path: "M.1 1.6C.2 .6 .9 0 1.9 0S3.7 .6 3.7 1.7C3.7 3.2 0 4.6 0 6H3.8" },
  "3": {
    width: 3.7,
    path: "M.1 1.3C.3 .5 1 0 1.8 0C2.8 0 3.5 .6 3.5 1.5S2.8 2.9 1.5 2.9C2.9 2.9 3.7 3.5 3.7 4.4S2.9 6 1.8 6C.9 6 .2 5.5 0 4.6",
  },
  "4": { width: 4, path: "M3 6V0L0 4.2H4" },
  "5": {
    width: 3.7,
    path: "M3.4 0H.6L.2 2.8C.7 2.4 1.2 2.2 1.8 2.2C3 2.2 3.7 3 3.7 4.1S2.9 6 1.8 6C.9 6 .3 5.6 0 4.8",
  },
  "7": { width: 3.8, path: "M0 0H3.8L1.3 6" },
};

/** Between two letters. */
const gap = 1.3;

/** An SVG path of the word, its top left corner at 0, 0 and its height 6. */
export function wordPath(word: string): Glyph {
  let width = 0;
  const parts: string[] = [];
  for (const letter of word) {
    const glyph = glyphs[letter];
    if (glyph === undefined) throw new RangeError(`there is no glyph for ${letter}`);
    parts.push(`<path transform="translate(${width.toFixed(2)} 0)" d="${glyph.path}"/>`);
    width += glyph.width + gap;
  }
  return { width: width - gap, path: parts.join("") };
}
