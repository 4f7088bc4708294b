import { expect, test } from 'vitest';
import { containerAnnotations, containerLabels, sandboxLabels, stopInfoOf } from './labels.ts';
import { makePod } from './testing/fixtures.ts';

test("a sandbox has the pod's labels, and nobody can forge whose it is", () => {
  const pod = makePod({}, { labels: { app: 'web', 'io.kubernetes.pod.uid': 'forged' } });
  expect(sandboxLabels(pod)).toEqual({
    app: 'web',
    'io.kubernetes.pod.name': 'web',
    'io.kubernetes.pod.namespace': 'shop',
    'io.kubernetes.pod.uid': 'uid-1',
  });
});

test('a container has only the labels that say what it is', () => {
  expect(containerLabels(makePod({}, { labels: { app: 'web' } }), { name: 'main' })).toEqual({
    'io.kubernetes.pod.name': 'web',
    'io.kubernetes.pod.namespace': 'shop',
    'io.kubernetes.pod.uid': 'uid-1',
    'io.kubernetes.container.name': 'main',
  });
});

test('annotations carry what is needed when the pod is gone, and it is read back', () => {
  const preStop = { exec: { command: ['bye'] } };
  const ports = [{ containerPort: 80, name: 'web' }];
  const container = {
    name: 'main',
    image: 'i',
    lifecycle: { preStop },
    ports,
    terminationMessagePath: '/m',
    terminationMessagePolicy: 'File',
  };
  const annotations = containerAnnotations(makePod({}, { deletionGracePeriodSeconds: 5 }), container, 3);
  expect(annotations).toMatchObject({
    'io.kubernetes.container.restartCount': '3',
    'io.kubernetes.container.terminationMessagePath': '/m',
    'io.kubernetes.container.terminationMessagePolicy': 'File',
    'io.kubernetes.pod.deletionGracePeriod': '5',
    'io.kubernetes.pod.terminationGracePeriod': '30',
  });
  expect(annotations['io.kubernetes.container.hash']).toMatch(/^[0-9a-f]+$/);
  expect(stopInfoOf(annotations)).toEqual({ preStop, ports });
});

test('what is not there is not annotated, and what is unreadable is as good as absent', () => {
  const annotations = containerAnnotations(makePod(), { name: 'main' }, 0);
  expect(Object.keys(annotations).filter((key) => /preStop|ports|deletion/.test(key))).toEqual([]);
  for (const text of ['{', '[]', '"x"', '{"other":1}', 'null']) {
    expect(stopInfoOf({ 'io.kubernetes.container.preStopHandler': text, 'io.kubernetes.container.ports': '[1]' })).toEqual({});
  }
});
