import { expect } from 'vitest';
import type { ContainerEvent, ContainerEventMessage } from '../../../src/runtime/types.ts';
import { waitFor } from '../../cluster/wait.ts';
import type { Bed, ContractCase } from './bed.ts';

export const eventCases: readonly ContractCase[] = [
  {
    title: 'a listener is first told to list everything',
    run: async (bed) => {
      const listener = listen(bed);
      await waitFor('the first message', () => listener.messages.length > 0, { timeoutMs: 20_000 });
      expect(listener.messages[0]).toEqual({ kind: 'resync' });
      listener.stop();
    },
  },
  {
    title: 'every step of a container is told once, with the states of all of the pod',
    run: async (bed) => {
      const listener = listen(bed);
      await waitFor('the subscription', () => listener.messages.length > 0, { timeoutMs: 20_000 });
      const sandbox = await bed.sandbox();
      const id = await bed.start(sandbox, 'sleep 0.3; exit 2');
      await bed.reaches(id, 'exited');
      await bed.runtime.stopPodSandbox(sandbox.id, bed.signal);
      await bed.runtime.removeContainer(id, bed.signal);
      await bed.runtime.removePodSandbox(sandbox.id, bed.signal);
      await waitFor('the last event', () => listener.of(sandbox.id).at(-1)?.type === 'deleted', { timeoutMs: 20_000 });
      expect(listener.of(id).map((event) => event.type)).toEqual(['created', 'started', 'stopped', 'deleted']);
      expect(listener.of(sandbox.id).map((event) => event.type)).toEqual(['created', 'started', 'stopped', 'deleted']);
      const stopped = listener.of(id).find((event) => event.type === 'stopped');
      expect(stopped?.podSandboxStatus?.metadata).toEqual(sandbox.config.metadata);
      expect(stopped?.containersStatuses.find((status) => status.id === id)).toMatchObject({ state: 'exited', exitCode: 2 });
      expect(listener.of(id).at(-1)?.podSandboxStatus?.id).toBe(sandbox.id);
      listener.stop();
    },
  },
  {
    title: 'a start that failed is told as the end of the container',
    run: async (bed) => {
      const listener = listen(bed);
      await waitFor('the subscription', () => listener.messages.length > 0, { timeoutMs: 20_000 });
      const id = await bed.create(await bed.sandbox(), '', { command: ['/nope'] });
      await bed.runtime.startContainer(id, bed.signal).catch(() => undefined);
      await waitFor('the event', () => listener.of(id).at(-1)?.type === 'stopped', { timeoutMs: 20_000 });
      listener.stop();
    },
  },
  {
    title: 'two listeners both hear everything, and one that leaves disturbs nobody',
    run: async (bed) => {
      const [one, two] = [listen(bed), listen(bed)];
      await waitFor('both', () => one.messages.length > 0 && two.messages.length > 0, { timeoutMs: 20_000 });
      const sandbox = await bed.sandbox();
      await waitFor('the start', () => [one, two].every((each) => each.of(sandbox.id).some((event) => event.type === 'started')), {
        timeoutMs: 20_000,
      });
      one.stop();
      await bed.runtime.stopPodSandbox(sandbox.id, bed.signal);
      await waitFor('the end', () => two.of(sandbox.id).at(-1)?.type === 'stopped', { timeoutMs: 20_000 });
      two.stop();
    },
  },
];

interface Listener {
  readonly messages: ContainerEventMessage[];
  of(id: string): ContainerEvent[];
  stop(): void;
}

function listen(bed: Bed): Listener {
  const control = new AbortController();
  const messages: ContainerEventMessage[] = [];
  const follow = async (): Promise<void> => {
    for await (const message of bed.runtime.containerEvents(control.signal)) messages.push(message);
  };
  follow().catch(() => undefined); // ends by the abort
  return {
    messages,
    of: (id) => messages.flatMap((message) => (message.kind === 'event' && message.event.containerId === id ? [message.event] : [])),
    stop: () => control.abort(),
  };
}
