import { describe, expect, test } from 'vitest';
import { waitFor } from '../../cluster/wait.ts';
import { BUSYBOX, condition, NGINX, podOf, script, type Cluster } from '../cluster.ts';

/** From creation to deletion: phases, states, restarts, deadlines. */
export function lifecycleSuite(cluster: () => Cluster): void {
  describe('a pod', () => {
    test('becomes Ready with every field of its status filled', async () => {
      const ns = await cluster().namespace();
      await ns.create(podOf('full', {}, { containers: [{ name: 'main', image: NGINX, ports: [{ containerPort: 80 }] }] }));
      const { status, metadata } = await ns.untilReady('full');
      const hostIP = cluster().bed.node.address;
      expect(status).toMatchObject({
        phase: 'Running',
        hostIP,
        hostIPs: [{ ip: hostIP }],
        qosClass: 'BestEffort',
        observedGeneration: metadata.generation,
      });
      expect(status?.podIPs).toEqual([{ ip: status?.podIP }]);
      for (const type of ['PodScheduled', 'PodReadyToStartContainers', 'Initialized', 'ContainersReady', 'Ready']) {
        expect(condition(status ?? {}, type), type).toBe('True');
      }
      const [container] = status?.containerStatuses ?? [];
      expect(container).toMatchObject({ name: 'main', ready: true, started: true, restartCount: 0, image: NGINX });
      expect(container?.containerID).toMatch(/^docker:\/\/[0-9a-f]{64}$/);
      expect(container?.imageID).toMatch(/sha256:[0-9a-f]{64}$/);
      expect(Date.parse(container?.state?.running?.startedAt ?? '')).toBeGreaterThan(Date.parse(status?.startTime ?? '') - 1000);
      await ns.remove();
    });

    test('records the events of a kubelet', async () => {
      const ns = await cluster().namespace();
      await ns.create(podOf('eventful'));
      await ns.untilReady('eventful');
      await ns.untilEvent('eventful', 'Pulled', 'already present on machine');
      await ns.untilEvent('eventful', 'Created', 'Container created');
      await ns.untilEvent('eventful', 'Started', 'Container started');
      await ns.kubectl(['delete', 'pod', 'eventful', '--wait=false']);
      await ns.untilEvent('eventful', 'Killing', 'Stopping container main');
      await ns.remove();
    });

    test('succeeds or fails by the exit codes of its containers', async () => {
      const ns = await cluster().namespace();
      const once = { restartPolicy: 'Never' };
      await ns.create(podOf('good', script('exit 0'), once), podOf('bad', script('echo no >&2', 'exit 7'), once));
      const good = await ns.untilPhase('good', 'Succeeded');
      expect(good.status?.containerStatuses?.[0]?.state?.terminated).toMatchObject({ exitCode: 0, reason: 'Completed' });
      const bad = await ns.untilPhase('bad', 'Failed');
      const terminated = bad.status?.containerStatuses?.[0]?.state?.terminated;
      expect(terminated).toMatchObject({ exitCode: 7, reason: 'Error' });
      expect(terminated?.containerID).toMatch(/^docker:/);
      expect(Date.parse(terminated?.finishedAt ?? '')).toBeGreaterThanOrEqual(Date.parse(terminated?.startedAt ?? ''));
      expect(condition(good.status ?? {}, 'Ready')).toBe('False');
      await ns.remove();
    });

    test('is restarted with a back-off that says so', async () => {
      const ns = await cluster().namespace();
      await ns.create(podOf('crash', script('exit 3')));
      const pod = await ns.until('crash', 'to be in CrashLoopBackOff after two restarts', (status) => {
        const [container] = status.containerStatuses ?? [];
        return (container?.restartCount ?? 0) >= 2 && container?.state?.waiting?.reason === 'CrashLoopBackOff';
      });
      const [container] = pod.status?.containerStatuses ?? [];
      expect(container?.state?.waiting?.message).toMatch(/^back-off 20s restarting failed container=main pod=crash_/);
      expect(container?.lastState?.terminated).toMatchObject({ exitCode: 3, reason: 'Error' });
      expect(container).toMatchObject({ ready: false, started: false });
      await ns.untilEvent('crash', 'BackOff', 'Back-off restarting failed container main in pod crash_');
      await ns.remove();
    });

    test('with restartPolicy OnFailure is restarted until it succeeds', async () => {
      const ns = await cluster().namespace();
      const volume = { volumes: [{ name: 'state', emptyDir: {} }], restartPolicy: 'OnFailure' };
      const mount = { volumeMounts: [{ name: 'state', mountPath: '/state' }] };
      await ns.create(
        podOf('second-try', { ...script('if [ -e /state/seen ]; then exit 0; fi', 'touch /state/seen', 'exit 1'), ...mount }, volume),
      );
      const pod = await ns.untilPhase('second-try', 'Succeeded');
      expect(pod.status?.containerStatuses?.[0]?.restartCount).toBe(1);
      await ns.remove();
    });

    test('runs its init containers in order before the others', async () => {
      const ns = await cluster().namespace();
      const init = (name: string): object => ({
        name,
        image: BUSYBOX,
        ...script(`echo ${name} >> /state/order`),
        volumeMounts: [{ name: 'state', mountPath: '/state' }],
      });
      await ns.create(
        podOf(
          'inits',
          { ...script('cat /state/order', 'sleep infinity'), volumeMounts: [{ name: 'state', mountPath: '/state' }] },
          { initContainers: [init('first'), init('second')], volumes: [{ name: 'state', emptyDir: {} }] },
        ),
      );
      const pod = await ns.untilReady('inits');
      expect(await ns.kubectl(['logs', 'inits'])).toBe('first\nsecond\n');
      expect(pod.status?.initContainerStatuses?.map((entry) => entry.state?.terminated?.reason)).toEqual(['Completed', 'Completed']);
      await ns.remove();
    });

    test('is stopped gently: SIGTERM, the grace period, then SIGKILL', async () => {
      const ns = await cluster().namespace();
      await ns.create(
        podOf('gentle', script("trap 'echo got TERM; exit 0' TERM", 'echo up', 'while true; do sleep 0.1; done'), {
          terminationGracePeriodSeconds: 30,
        }),
        podOf('stubborn', script("trap '' TERM", 'echo up', 'while true; do sleep 0.1; done'), { terminationGracePeriodSeconds: 2 }),
      );
      await Promise.all([ns.untilReady('gentle'), ns.untilReady('stubborn')]);
      const follow = ns.kubectl(['logs', '-f', 'gentle']);
      await ns.kubectl(['delete', 'pod', 'gentle', 'stubborn', '--wait=false']);
      expect(await follow).toContain('got TERM');
      await Promise.all([ns.untilGone('gentle', 15_000), ns.untilGone('stubborn', 20_000)]);
      await ns.remove();
    });

    test('leaves nothing behind when it is gone', async () => {
      const ns = await cluster().namespace();
      await ns.create(podOf('brief'));
      const { metadata } = await ns.untilReady('brief');
      await ns.kubectl(['delete', 'pod', 'brief']);
      const containers = async (): Promise<string> =>
        await cluster().bed.engine.docker(['ps', '-aq', '--filter', `label=io.kubernetes.pod.uid=${metadata.uid}`]);
      await waitFor('the containers to be removed', async () => (await containers()).trim() === '', { timeoutMs: 30_000 });
      const { existsSync } = await import('node:fs');
      await waitFor('the directory of the pod to be removed', () => !existsSync(`${cluster().node.rootDir}/pods/${metadata.uid}`), {
        timeoutMs: 30_000,
      });
      await ns.remove();
    });

    test('fails with DeadlineExceeded when its time is over', async () => {
      const ns = await cluster().namespace();
      await ns.create(podOf('late', {}, { activeDeadlineSeconds: 2 }));
      const pod = await ns.untilPhase('late', 'Failed');
      expect(pod.status).toMatchObject({
        reason: 'DeadlineExceeded',
        message: 'Pod was active on the node longer than the specified deadline',
      });
      await ns.remove();
    });

    test('has a QoS class by its resources, and cgroups to match', async () => {
      const ns = await cluster().namespace();
      const resources = { limits: { cpu: '200m', memory: '64Mi' } };
      await ns.create(podOf('guaranteed', { resources }), podOf('burstable', { resources: { requests: { cpu: '100m' } } }));
      const guaranteed = await ns.untilReady('guaranteed');
      const burstable = await ns.untilReady('burstable');
      expect([guaranteed.status?.qosClass, burstable.status?.qosClass]).toEqual(['Guaranteed', 'Burstable']);
      const id = guaranteed.status?.containerStatuses?.[0]?.containerID?.replace('docker://', '') ?? '';
      const [limits] = JSON.parse(await cluster().bed.engine.docker(['inspect', id])) as { HostConfig: Record<string, unknown> }[];
      expect(limits?.HostConfig).toMatchObject({ Memory: 64 * 1024 * 1024, CpuShares: 204, CpuQuota: 20_000, CpuPeriod: 100_000 });
      expect(limits?.HostConfig['CgroupParent']).toContain(`pod${guaranteed.metadata.uid}`);
      expect(burstable.status?.containerStatuses?.[0]?.allocatedResources).toEqual({ cpu: '100m' });
      await ns.remove();
    });

    test('is killed for memory with the reason OOMKilled', async () => {
      const ns = await cluster().namespace();
      await ns.create(
        podOf('greedy', { ...script('tail /dev/zero'), resources: { limits: { memory: '16Mi' } } }, { restartPolicy: 'Never' }),
      );
      const pod = await ns.untilPhase('greedy', 'Failed');
      expect(pod.status?.containerStatuses?.[0]?.state?.terminated).toMatchObject({ reason: 'OOMKilled', exitCode: 137 });
      await ns.remove();
    });
  });
}
