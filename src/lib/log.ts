import winston from 'winston';

/** Facts of a log line, as fields. */
export type LogFields = Readonly<Record<string, unknown>>;

export type LogLevel = 'error' | 'warn' | 'info' | 'debug';

/** Structured logging. A message is a constant sentence; what varies goes into the fields. */
export interface Logger {
  error(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  debug(message: string, fields?: LogFields): void;
  /** A logger whose lines all carry these fields too. */
  child(fields: LogFields): Logger;
}

export interface LogSettings {
  readonly level: LogLevel;
  readonly format: 'text' | 'json';
}

/** The process's logger: writes to standard error. */
export function createLogger(settings: LogSettings): Logger {
  const { combine, timestamp, json, printf } = winston.format;
  const format = settings.format === 'json' ? combine(timestamp(), json()) : combine(timestamp(), printf(textLine));
  const root = winston.createLogger({
    level: settings.level,
    format,
    transports: [new winston.transports.Console({ stderrLevels: ['error', 'warn', 'info', 'debug'] })],
  });
  return wrap(root, {});
}

/** Drops everything; for tests and for tools that print by themselves. */
export const silentLogger: Logger = {
  error: () => undefined,
  warn: () => undefined,
  info: () => undefined,
  debug: () => undefined,
  child: () => silentLogger,
};

function wrap(logger: winston.Logger, base: LogFields): Logger {
  const at =
    (level: LogLevel) =>
    (message: string, fields?: LogFields): void => {
      logger.log({ level, message, fields: printable({ ...base, ...fields }) });
    };
  return {
    error: at('error'),
    warn: at('warn'),
    info: at('info'),
    debug: at('debug'),
    child: (fields) => wrap(logger, { ...base, ...fields }),
  };
}

function printable(fields: LogFields): LogFields {
  return Object.fromEntries(
    Object.entries(fields).map(([key, value]) => [
      key,
      value instanceof Error ? value.message : typeof value === 'bigint' ? value.toString() : value,
    ]),
  );
}

function textLine(info: winston.Logform.TransformableInfo): string {
  const fields = (info['fields'] ?? {}) as LogFields;
  const rest = Object.entries(fields)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => ` ${key}=${typeof value === 'string' && !/[\s"=]/.test(value) ? value : JSON.stringify(value)}`)
    .join('');
  return `${String(info['timestamp'])} ${info.level.toUpperCase().padEnd(5)} ${String(info.message)}${rest}`;
}
