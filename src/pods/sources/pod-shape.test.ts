import fc from 'fast-check';
import { expect, test } from 'vitest';
import { testPod } from '../testing/builders.ts';
import { describeMalformedPod, isPod } from './pod-shape.ts';

test('a pod has the shape of a pod', () => {
  expect(describeMalformedPod(testPod())).toBeUndefined();
});

test.each<[unknown, string]>([
  [null, 'pod: expected an object, found nothing'],
  [[], 'pod: expected an object, found a list'],
  [{ metadata: {}, spec: {} }, 'pod.metadata.name: expected a name, found nothing'],
  [
    { ...testPod(), spec: { containers: [{ name: 'c', ports: [{}] }] } },
    'pod.spec.containers[0].ports[0].containerPort: expected a number',
  ],
  [{ ...testPod(), status: { conditions: {} } }, 'pod.status.conditions: expected a list, found an object'],
])('%j is told about by its first wrong field', (value, complaint) => {
  expect(describeMalformedPod(value)).toContain(complaint);
});

test('nothing that comes in makes the check itself fail', () => {
  fc.assert(
    fc.property(fc.anything({ withNullPrototype: true }), fc.anything(), fc.anything(), (a, b, c) => {
      for (const value of [a, { metadata: a, spec: b, status: c }, { ...testPod(), spec: { containers: [a, b], volumes: c } }]) {
        expect(typeof isPod(value)).toBe('boolean');
      }
    }),
  );
});
