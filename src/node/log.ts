/** The one door to pino: structured lines, JSON, one per event. `event` is a stable kebab-case name to search for. */
import { type Logger as Pino, pino, destination } from "pino";

export type LogFields = Readonly<Record<string, unknown>>;

export interface Logger {
  debug(event: string, fields?: LogFields): void;
  info(event: string, fields?: LogFields): void;
  warn(event: string, fields?: LogFields): void;
  error(event: string, fields?: LogFields): void;
  /** Writes what is buffered, before the process ends. */
  flush(): void;
}

/** @param file where to append; standard error when undefined */
export function openLog(node: string, file: string | undefined): Logger {
  const sink = destination({ dest: file ?? 2, append: true, mkdir: true, sync: true });
  const level = process.env["IDUNNO_LOG"] ?? "info";
  const log: Pino = pino({ level, base: { node }, timestamp: pino.stdTimeFunctions.isoTime }, sink);
  const at =
    (write: (fields: LogFields, event: string) => void) =>
    (event: string, fields: LogFields = {}): void =>
      write(fields, event);
  return {
    debug: at((fields, event) => log.debug(fields, event)),
    info: at((fields, event) => log.info(fields, event)),
    warn: at((fields, event) => log.warn(fields, event)),
    error: at((fields, event) => log.error(fields, event)),
    flush: () => sink.flushSync(),
  };
}
