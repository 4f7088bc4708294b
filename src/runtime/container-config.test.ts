import { expect, test } from 'vitest';
import type { ContainerSpec } from '../api/types.ts';
import { containerConfig } from './container-config.ts';
import { makePod } from './testing/fixtures.ts';

function configOf(container: Partial<ContainerSpec> = {}, environment: Record<string, string> = {}, runtimeHandler = '') {
  const namespaceOptions = { network: 'pod', pid: 'container', ipc: 'pod' } as const;
  return containerConfig({
    pod: makePod(),
    container: { name: 'main', image: 'nginx:1', ...container },
    attempt: 4,
    imageId: 'sha256:x',
    runtimeHandler,
    environment: new Map(Object.entries(environment)),
    mounts: [],
    securityContext: { namespaceOptions },
    resources: { cpuShares: 2 },
  });
}

test('a container with nothing special', () => {
  expect(configOf()).toMatchObject({
    metadata: { name: 'main', attempt: 4 },
    image: { image: 'sha256:x', userSpecifiedImage: 'nginx:1' },
    command: [],
    args: [],
    workingDir: '',
    envs: [],
    devices: [],
    logPath: 'main/4.log',
    stdin: false,
    stdinOnce: false,
    tty: false,
    linux: { resources: { cpuShares: 2 } },
  });
  expect(configOf()).not.toHaveProperty('stopSignal');
});

test('commands and arguments are expanded with the environment, which keeps its order', () => {
  const config = configOf({ command: ['run', '$(B)'], args: ['$(A)-$(B)', '$$(A)', '$(NONE)'] }, { B: '2', A: '1' });
  expect(config.command).toEqual(['run', '2']);
  expect(config.args).toEqual(['1-2', '$(A)', '$(NONE)']);
  expect(config.envs).toEqual([
    { key: 'B', value: '2' },
    { key: 'A', value: '1' },
  ]);
});

test('streams, directory, stop signal and runtime handler', () => {
  const config = configOf({ stdin: true, stdinOnce: true, tty: true, workingDir: '/w', lifecycle: { stopSignal: 'SIGUSR1' } }, {}, 'kata');
  expect(config).toMatchObject({
    stdin: true,
    stdinOnce: true,
    tty: true,
    workingDir: '/w',
    stopSignal: 'SIGUSR1',
    image: { runtimeHandler: 'kata' },
  });
});
