/** The machine that figures belong to: without it they say nothing. */
import { mkdtemp, open, rm } from "node:fs/promises";
import { availableParallelism, cpus, loadavg, tmpdir, totalmem } from "node:os";
import { join } from "node:path";
import { median } from "./statistics.ts";

export interface MachineView {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryBytes: number;
  readonly node: string;
  readonly platform: string;
  /** Median time of a 4 KiB write with fdatasync where the benchmarks keep their data. */
  readonly fsyncMs: number;
  /** Load average of the minute before the benchmark: whether the machine was its own. */
  readonly loadBefore: number;
}

/** Writes of the probe: enough for a median. */
const probes = 50;
/** A page: about what a commit of a few small commands writes. */
const probeBytes = 4096;

export async function describeMachine(): Promise<MachineView> {
  const [loadBefore = 0] = loadavg();
  return {
    cpu: cpus()[0]?.model.trim() ?? "unknown",
    cores: availableParallelism(),
    memoryBytes: totalmem(),
    node: process.version,
    platform: `${process.platform} ${process.arch}`,
    fsyncMs: Math.round((await syncMs(probes)) * 1000) / 1000,
    loadBefore: Math.round(loadBefore * 100) / 100,
  };
}

/** Median time of writing 4 KiB and `fdatasync`, where the benchmarks keep their data. */
export async function syncMs(count: number): Promise<number> {
  const directory = await mkdtemp(join(tmpdir(), "idunno-fsync-"));
  try {
    const file = await open(join(directory, "probe"), "w");
    try {
      const times: number[] = [];
      for (let i = 0; i < count; i += 1) {
        const start = performance.now();
        await file.write(Buffer.alloc(probeBytes, i), 0, probeBytes, i * probeBytes);
        await file.datasync();
        times.push(performance.now() - start);
      }
      return median(times);
    } finally {
      await file.close();
    }
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}
