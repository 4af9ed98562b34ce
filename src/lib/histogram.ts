/**
 * A mergeable histogram of whole numbers with bounded relative error: buckets of width 1 up to 63, then 32 equal
 * buckets per power of two, as in HdrHistogram. Only integer operations decide a bucket, so that every replica counts
 * alike: `Math.log` is not the same function everywhere.
 */

/** Sparse, ascending by bucket. Counts are at least 1. */
export type Histogram = readonly (readonly [bucket: number, count: number])[];

/** Below this every value has a bucket of its own. */
const exactBelow = 64;
/** Buckets per power of two: the middle of a bucket is within 1/64 (1.6 %) of all in it. */
const bucketsPerOctave = 32;
/** Larger values count as this one: 32-bit operations end here. In milliseconds it is 24 days. */
export const histogramLimit = 2 ** 31 - 1;

/** The bucket of a value, which must be a whole number of at least 0. */
export function bucketOf(value: number): number {
  const v = Math.min(value, histogramLimit);
  if (v < exactBelow) return v;
  const octave = 31 - Math.clz32(v);
  return exactBelow + (octave - 6) * bucketsPerOctave + ((v >>> (octave - 5)) - bucketsPerOctave);
}

/** The middle of a bucket: within 2 % of every value in it. */
export function bucketMiddle(bucket: number): number {
  if (bucket < exactBelow) return bucket;
  const octave = 6 + Math.floor((bucket - exactBelow) / bucketsPerOctave);
  const width = 2 ** (octave - 5);
  const low = (bucketsPerOctave + ((bucket - exactBelow) % bucketsPerOctave)) * width;
  return low + (width - 1) / 2;
}

/** The histogram with one more value. */
export function withValue(histogram: Histogram, value: number): Histogram {
  return merge(histogram, [[bucketOf(value), 1]]);
}

/** The histogram of the values of both. Associative and commutative. */
export function merge(a: Histogram, b: Histogram): Histogram {
  const merged: (readonly [bucket: number, count: number])[] = [];
  let j = 0;
  for (const entry of a) {
    let other = b[j];
    while (other !== undefined && other[0] < entry[0]) {
      merged.push(other);
      j += 1;
      other = b[j];
    }
    if (other !== undefined && other[0] === entry[0]) {
      merged.push([entry[0], entry[1] + other[1]]);
      j += 1;
    } else merged.push(entry);
  }
  merged.push(...b.slice(j));
  return merged;
}

/**
 * The value below or at which a share of all values lies (nearest rank), within 2 %.
 * @param share over 0, at most 1: 0.5 is the median
 * @returns undefined when the histogram is empty
 */
export function quantile(histogram: Histogram, share: number): number | undefined {
  let total = 0;
  for (const [, count] of histogram) total += count;
  const rank = Math.max(1, Math.ceil(share * total));
  let seen = 0;
  for (const [bucket, count] of histogram) {
    seen += count;
    if (seen >= rank) return bucketMiddle(bucket);
  }
  return undefined;
}
