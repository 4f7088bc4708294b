import { describe, expect, test } from 'vitest';
import { waitFor } from '../../cluster/wait.ts';
import { BUSYBOX, condition, NGINX, podOf, script, type Cluster } from '../cluster.ts';

/** Probes, hooks and sidecars: what the agent does to containers while they live. */
export function probesSuite(cluster: () => Cluster): void {
  describe('a container that is probed', () => {
    test('is ready only while its readiness probe succeeds', async () => {
      const ns = await cluster().namespace();
      const readinessProbe = { exec: { command: ['test', '-e', '/tmp/ready'] }, periodSeconds: 1 };
      await ns.create(podOf('moody', { readinessProbe }));
      await ns.until('moody', 'to run', (status) => status.phase === 'Running');
      expect(condition((await ns.pod('moody')).status ?? {}, 'Ready')).toBe('False');
      await ns.kubectl(['exec', 'moody', '--', 'touch', '/tmp/ready']);
      await ns.untilReady('moody');
      await ns.kubectl(['exec', 'moody', '--', 'rm', '/tmp/ready']);
      await ns.until('moody', 'not to be Ready', (status) => condition(status, 'Ready') === 'False');
      await ns.untilEvent('moody', 'Unhealthy', 'Readiness probe failed');
      await ns.remove();
    });

    test('is killed and restarted when its liveness probe fails', async () => {
      const ns = await cluster().namespace();
      const livenessProbe = { httpGet: { path: '/alive', port: 80 }, periodSeconds: 1, failureThreshold: 2 };
      await ns.create(podOf('dying', {}, { containers: [{ name: 'web', image: NGINX, livenessProbe }] }));
      await ns.until('dying', 'to have been restarted', (status) => (status.containerStatuses?.[0]?.restartCount ?? 0) >= 1);
      await ns.untilEvent('dying', 'Unhealthy', 'Liveness probe failed: HTTP probe failed with statuscode: 404');
      await ns.untilEvent('dying', 'Killing', 'Container web failed liveness probe, will be restarted');
      await ns.remove();
    });

    test('is not probed for anything else before its startup probe has succeeded', async () => {
      const ns = await cluster().namespace();
      const startupProbe = { exec: { command: ['test', '-e', '/tmp/up'] }, periodSeconds: 1, failureThreshold: 60 };
      const livenessProbe = { exec: { command: ['test', '-e', '/tmp/up'] }, periodSeconds: 1, failureThreshold: 1 };
      await ns.create(podOf('slow', { ...script('sleep 4; touch /tmp/up; sleep infinity'), startupProbe, livenessProbe }));
      await ns.until('slow', 'to run', (status) => status.phase === 'Running');
      expect((await ns.pod('slow')).status?.containerStatuses?.[0]?.started).toBe(false);
      const pod = await ns.untilReady('slow');
      expect(pod.status?.containerStatuses?.[0]).toMatchObject({ started: true, restartCount: 0 });
      await ns.remove();
    });
  });

  describe('a pod with hooks and sidecars', () => {
    test('runs postStart and preStop in the container', async () => {
      const ns = await cluster().namespace();
      const lifecycle = {
        postStart: { exec: { command: ['sh', '-c', 'echo started > /tmp/hook'] } },
        preStop: { exec: { command: ['sh', '-c', 'echo stopping > /proc/1/fd/1'] } },
      };
      await ns.create(
        podOf(
          'hooked',
          { ...script("trap 'exit 0' TERM", 'while true; do sleep 0.1; done'), lifecycle },
          { terminationGracePeriodSeconds: 10 },
        ),
      );
      await ns.untilReady('hooked');
      expect(await ns.kubectl(['exec', 'hooked', '--', 'cat', '/tmp/hook'])).toBe('started\n');
      const follow = ns.kubectl(['logs', '-f', 'hooked']);
      await ns.kubectl(['delete', 'pod', 'hooked', '--wait=false']);
      expect(await follow).toContain('stopping');
      await ns.remove();
    });

    test('starts a sidecar before its containers and ends it after them', async () => {
      const ns = await cluster().namespace();
      const sidecar = {
        name: 'sidecar',
        image: BUSYBOX,
        restartPolicy: 'Always',
        ...script("trap 'echo sidecar ends; exit 0' TERM", 'touch /shared/up', 'while true; do sleep 0.1; done'),
        startupProbe: { exec: { command: ['test', '-e', '/shared/up'] }, periodSeconds: 1 },
        volumeMounts: [{ name: 'shared', mountPath: '/shared' }],
      };
      await ns.create(
        podOf(
          'with-sidecar',
          { ...script('test -e /shared/up && echo sidecar was there'), volumeMounts: [{ name: 'shared', mountPath: '/shared' }] },
          { initContainers: [sidecar], restartPolicy: 'Never', volumes: [{ name: 'shared', emptyDir: {} }] },
        ),
      );
      await ns.untilPhase('with-sidecar', 'Succeeded');
      expect(await ns.kubectl(['logs', 'with-sidecar'])).toBe('sidecar was there\n');
      await waitFor(
        'the last words of the sidecar',
        async () => (await ns.kubectl(['logs', 'with-sidecar', '-c', 'sidecar'])).includes('sidecar ends'),
        {
          timeoutMs: 20_000,
        },
      );
      await ns.remove();
    });

    test('says why a container ended in its own words', async () => {
      const ns = await cluster().namespace();
      await ns.create(
        podOf('last-words', script('echo "the disk is on fire" > /dev/termination-log', 'exit 4'), { restartPolicy: 'Never' }),
        podOf(
          'from-log',
          { ...script('echo only logged', 'exit 5'), terminationMessagePolicy: 'FallbackToLogsOnError' },
          { restartPolicy: 'Never' },
        ),
      );
      const spoken = await ns.untilPhase('last-words', 'Failed');
      expect(spoken.status?.containerStatuses?.[0]?.state?.terminated).toMatchObject({ exitCode: 4, message: 'the disk is on fire\n' });
      const logged = await ns.untilPhase('from-log', 'Failed');
      expect(logged.status?.containerStatuses?.[0]?.state?.terminated?.message).toBe('only logged\n');
      await ns.remove();
    });
  });
}
