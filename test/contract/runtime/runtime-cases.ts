import { expect } from 'vitest';
import type { ContractCase } from './bed.ts';

export const runtimeCases: readonly ContractCase[] = [
  {
    title: 'names itself and the versions it speaks',
    run: async ({ runtime, signal }) => {
      const version = await runtime.version(signal);
      expect(version.version).toBe('0.1.0');
      expect(version.runtimeName).not.toBe('');
      expect(version.runtimeVersion).toMatch(/^\d+\.\d+/);
      expect(version.runtimeApiVersion).not.toBe('');
    },
  },
  {
    title: 'is ready, network included, and lists its default handler',
    run: async ({ runtime, signal }) => {
      const status = await runtime.status({}, signal);
      const ready = Object.fromEntries(status.conditions.map(({ type, status: is }) => [type, is]));
      expect(ready).toMatchObject({ RuntimeReady: true, NetworkReady: true });
      expect(status.runtimeHandlers.map((handler) => handler.name)).toContain('');
      expect(status.info).toBeUndefined();
    },
  },
  {
    title: 'gives details only when asked for them',
    run: async ({ runtime, signal }) => {
      const { info } = await runtime.status({ verbose: true }, signal);
      expect(Object.keys(info ?? {})).not.toHaveLength(0);
    },
  },
  {
    title: 'tells its cgroup driver',
    run: async ({ runtime, signal }) => {
      expect(['cgroupfs', 'systemd']).toContain((await runtime.runtimeConfig(signal)).cgroupDriver);
    },
  },
  {
    title: 'takes a pod CIDR',
    run: async ({ runtime, signal }) => {
      await expect(runtime.updateRuntimeConfig({ podCidr: '10.1.2.0/24' }, signal)).resolves.toBeUndefined();
    },
  },
  {
    title: 'rejects with the reason of an abort',
    run: async ({ runtime }) => {
      const reason = new Error('no longer wanted');
      await expect(runtime.podSandboxStatus('x', AbortSignal.abort(reason))).rejects.toBe(reason);
    },
  },
];
