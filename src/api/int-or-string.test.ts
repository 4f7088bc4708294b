import { expect, test } from 'vitest';
import { resolveContainerPort, scaledValue } from './int-or-string.ts';

const container = { name: 'app', ports: [{ name: 'http', containerPort: 8080 }] };

test('a port is a number, a number in a text, or a name of this container', () => {
  expect([9090, '9090', 'http'].map((port) => resolveContainerPort(port, container))).toEqual([9090, 9090, 8080]);
});

test('an unknown name or an impossible number is refused', () => {
  expect(() => resolveContainerPort('https', container)).toThrow(/no port named "https"/);
  expect(() => resolveContainerPort(0, container)).toThrow(/1 to 65535/);
  expect(() => resolveContainerPort('70000', container)).toThrow(/1 to 65535/);
});

test('a percentage is taken of the total and rounded as asked', () => {
  expect([scaledValue(3, 10, true), scaledValue('25%', 10, true), scaledValue('25%', 10, false)]).toEqual([3, 3, 2]);
  expect(() => scaledValue('many', 10, true)).toThrow(/percentage/);
});
