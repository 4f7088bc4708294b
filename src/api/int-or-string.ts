/** Values that are a number or a text: ports by number or name, counts or percentages. */
import { InvalidInputError } from '../lib/errors.ts';
import type { AnyContainerSpec } from './types.ts';

export type IntOrString = number | string;

const MAX_PORT = 65_535;

/**
 * The port number that a probe, hook or service means in this container: a number, its text, or the name of one of the container's ports.
 * @throws InvalidInputError when no port has the name, or the number is none
 */
export function resolveContainerPort(port: IntOrString, container: AnyContainerSpec): number {
  const named = container.ports?.find((candidate) => candidate.name === port);
  if (named !== undefined) return named.containerPort;
  const number = typeof port === 'number' ? port : /^\d{1,5}$/.test(port) ? Number(port) : undefined;
  if (number === undefined) throw new InvalidInputError(`container "${container.name}" has no port named ${JSON.stringify(port)}`);
  if (!Number.isInteger(number) || number < 1 || number > MAX_PORT)
    throw new InvalidInputError(`${number} is not a port: expected 1 to ${MAX_PORT}`);
  return number;
}

/**
 * A count as it is, or a percentage of `total`, rounded up or down (apimachinery pkg/util/intstr).
 * @throws InvalidInputError for a text that is no percentage
 */
export function scaledValue(value: IntOrString, total: number, roundUp: boolean): number {
  if (typeof value === 'number') return value;
  const match = /^(\d{1,6})%$/.exec(value);
  if (match === null) throw new InvalidInputError(`${JSON.stringify(value)} is neither a number nor a percentage such as "25%"`);
  const exact = (Number(match[1]) * total) / 100;
  return roundUp ? Math.ceil(exact) : Math.floor(exact);
}
