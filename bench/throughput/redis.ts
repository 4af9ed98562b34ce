/** Redis, which BullMQ needs and which no package of ours brings. */
import { execFile } from "node:child_process";
import { promisify } from "node:util";

export const redisServer = "redis-server";

export interface RedisAddress {
  readonly host: string;
  readonly port: number;
}

/** Why it cannot be started; nothing when it can. */
export async function missingRedis(): Promise<string | undefined> {
  try {
    await promisify(execFile)(redisServer, ["--version"]);
    return undefined;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    return `${redisServer} is not on the PATH. Debian: apt-get install ${redisServer}`;
  }
}
