/** What happens to the jobs of the fairness benchmark, stage by stage. */

export interface Stage {
  readonly name: string;
  readonly batchSize: number;
  /** Weight of each model's job that runs in it. */
  readonly weights: Readonly<Record<string, number>>;
}

export interface Course {
  readonly models: readonly string[];
  readonly stages: readonly Stage[];
  /** In each stage; the first is not judged. */
  readonly windows: number;
  readonly windowMs: number;
}

const heavy = "inception_v3";
const light = "mobilenet_v2";
/** The cheapest network that there is, a hundredth of the heavy one: the hardest to keep in step. */
const third = "text_orientation";
const batchSize = 8;

const stages: readonly Stage[] = [
  { name: "two jobs", batchSize, weights: { [heavy]: 1, [light]: 1 } },
  { name: "a third joins", batchSize, weights: { [heavy]: 1, [light]: 1, [third]: 1 } },
  { name: "it leaves", batchSize, weights: { [heavy]: 1, [light]: 1 } },
  { name: "weights 1:3", batchSize, weights: { [heavy]: 1, [light]: 3 } },
  { name: "batch size 1", batchSize: 1, weights: { [heavy]: 1, [light]: 1 } },
  { name: "batch size 8", batchSize: 8, weights: { [heavy]: 1, [light]: 1 } },
  { name: "batch size 32", batchSize: 32, weights: { [heavy]: 1, [light]: 1 } },
];
/** Those that a rough answer has time for, by their place. */
const quickStages = [0, 1, 3];
/** P7 speaks of 10 s; what little time there is makes do with less, which is harder to meet. */
const windowMs = { full: 10_000, quick: 4_000 } as const;
const windows = { full: 5, quick: 2 } as const;
/** One that is not judged, and one that is. */
const leastWindows = 2;

/** @param asked windows of each stage, when the user says how many; at least 2 */
export function course(quick: boolean, asked: number | undefined): Course {
  const pace = quick ? "quick" : "full";
  return {
    models: [heavy, light, third],
    stages: quick ? stages.filter((_, i) => quickStages.includes(i)) : stages,
    windows: Math.max(leastWindows, asked ?? windows[pace]),
    windowMs: windowMs[pace],
  };
}
