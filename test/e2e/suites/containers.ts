import { describe, expect, test } from 'vitest';
import { BUSYBOX, NGINX, podOf, script, type Cluster } from '../cluster.ts';

/** What a container is started with: environment, command, identity, network, images. */
export function containersSuite(cluster: () => Cluster): void {
  describe('a container', () => {
    test('has its environment from every kind of source, in order, with references expanded', async () => {
      const ns = await cluster().namespace();
      await ns.create(
        { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'cm' }, data: { A: 'from-cm', B: 'b-cm' } },
        { apiVersion: 'v1', kind: 'Secret', metadata: { name: 'sec' }, stringData: { S: 's3cret' } },
        { apiVersion: 'v1', kind: 'Service', metadata: { name: 'back-end' }, spec: { ports: [{ port: 8080 }], clusterIP: '10.96.7.7' } },
      );
      const env = [
        { name: 'B', value: 'b-env' },
        { name: 'C', value: '$(A)-$(S)-$$(A)-$(MISSING)' },
        { name: 'KEY', valueFrom: { configMapKeyRef: { name: 'cm', key: 'A' } } },
        { name: 'OPTIONAL', valueFrom: { secretKeyRef: { name: 'nope', key: 'x', optional: true } } },
        { name: 'POD', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } },
        { name: 'NODE', valueFrom: { fieldRef: { fieldPath: 'spec.nodeName' } } },
        { name: 'IP', valueFrom: { fieldRef: { fieldPath: 'status.podIP' } } },
        { name: 'HOST', valueFrom: { fieldRef: { fieldPath: 'status.hostIP' } } },
        { name: 'CPU', valueFrom: { resourceFieldRef: { resource: 'limits.cpu', divisor: '1m' } } },
        { name: 'MEM', valueFrom: { resourceFieldRef: { resource: 'requests.memory', divisor: '1Mi' } } },
      ];
      await ns.create(
        podOf('env', {
          ...script('env', 'sleep infinity'),
          envFrom: [{ configMapRef: { name: 'cm' } }, { prefix: 'P_', secretRef: { name: 'sec' } }, { secretRef: { name: 'sec' } }],
          env,
          resources: { limits: { cpu: '250m', memory: '32Mi' } },
        }),
      );
      const { status } = await ns.untilReady('env');
      const lines = (await ns.kubectl(['logs', 'env'])).split('\n');
      expect(lines).toEqual(
        expect.arrayContaining([
          'A=from-cm',
          'B=b-env',
          'P_S=s3cret',
          'C=from-cm-s3cret-$(A)-$(MISSING)',
          'KEY=from-cm',
          'POD=env',
          `NODE=${cluster().node.name}`,
          `IP=${status?.podIP}`,
          `HOST=${cluster().bed.node.address}`,
          'CPU=250',
          'MEM=32',
          'BACK_END_SERVICE_HOST=10.96.7.7',
          'BACK_END_SERVICE_PORT=8080',
          'KUBERNETES_SERVICE_HOST=10.96.0.1',
        ]),
      );
      expect(lines.some((line) => line.startsWith('OPTIONAL='))).toBe(false);
      await ns.remove();
    });

    test('gets command and arguments with variables expanded', async () => {
      const ns = await cluster().namespace();
      await ns.create(
        podOf(
          'args',
          { command: ['echo'], args: ['$(WHO)', 'is', '$$(WHO)'], env: [{ name: 'WHO', value: 'me' }] },
          { restartPolicy: 'Never' },
        ),
      );
      await ns.untilPhase('args', 'Succeeded');
      expect(await ns.kubectl(['logs', 'args'])).toBe('me is $(WHO)\n');
      await ns.remove();
    });

    test('runs as who it is told, with the capabilities and the file system it is given', async () => {
      const ns = await cluster().namespace();
      const securityContext = {
        runAsUser: 1234,
        runAsGroup: 2345,
        readOnlyRootFilesystem: true,
        allowPrivilegeEscalation: false,
        capabilities: { drop: ['ALL'] },
      };
      await ns.create(
        podOf(
          'who',
          {
            ...script('id -u', 'id -g', 'id -G', 'touch /x 2>&1', 'grep -E "CapBnd|NoNewPrivs" /proc/self/status', 'sleep infinity'),
            securityContext,
          },
          { securityContext: { supplementalGroups: [7777], fsGroup: 8888 } },
        ),
      );
      await ns.untilReady('who');
      const log = await ns.kubectl(['logs', 'who']);
      expect(log).toMatch(/^1234\n2345\n/);
      expect(log.split('\n')[2]?.split(' ')).toEqual(expect.arrayContaining(['2345', '7777', '8888']));
      expect(log).toContain('Read-only file system');
      expect(log).toMatch(/CapBnd:\s+0000000000000000/);
      expect(log).toMatch(/NoNewPrivs:\s+1/);
      await ns.remove();
    });

    test('that must not run as root is refused when its image does', async () => {
      const ns = await cluster().namespace();
      await ns.create(podOf('root', { securityContext: { runAsNonRoot: true } }));
      const pod = await ns.until(
        'root',
        'to be refused',
        (status) => status.containerStatuses?.[0]?.state?.waiting?.reason === 'CreateContainerConfigError',
      );
      expect(pod.status?.containerStatuses?.[0]?.state?.waiting?.message).toContain(
        'container has runAsNonRoot and image will run as root',
      );
      await ns.remove();
    });

    test('knows its host name, its aliases and its DNS', async () => {
      const ns = await cluster().namespace();
      await ns.create(
        podOf('named', script('hostname', 'cat /etc/hosts /etc/resolv.conf', 'sleep infinity'), {
          hostname: 'front',
          subdomain: 'web',
          hostAliases: [{ ip: '10.1.2.3', hostnames: ['alias.example'] }],
          dnsConfig: { options: [{ name: 'timeout', value: '3' }] },
        }),
      );
      const { status } = await ns.untilReady('named');
      const log = await ns.kubectl(['logs', 'named']);
      expect(log).toMatch(/^front\n/);
      expect(log).toMatch(new RegExp(`${status?.podIP}\\s+front\\.web\\.${ns.name}\\.svc\\.cluster\\.local\\s+front`));
      expect(log).toMatch(/10\.1\.2\.3\s+alias\.example/);
      expect(log).toContain('nameserver 10.96.0.10');
      expect(log).toContain(`search ${ns.name}.svc.cluster.local svc.cluster.local cluster.local`);
      expect(log).toMatch(/options .*ndots:5.*timeout:3/);
      await ns.remove();
    });

    test('shares the namespaces of the host when it asks for them', async () => {
      const ns = await cluster().namespace();
      await ns.create(
        podOf('host', script('ip -o -4 addr show eth0 || ifconfig eth0', 'sleep infinity'), {
          hostNetwork: true,
          hostPID: true,
          hostIPC: true,
        }),
      );
      const { status } = await ns.untilReady('host');
      expect(status?.podIP).toBe(cluster().bed.node.address);
      expect(await ns.kubectl(['logs', 'host'])).toContain(cluster().bed.node.address);
      expect(Number(await ns.kubectl(['exec', 'host', '--', 'sh', '-c', 'ls -d /proc/[0-9]* | wc -l']))).toBeGreaterThan(10);
      await ns.remove();
    });

    test('shares the process namespace of its pod when the pod says so', async () => {
      const ns = await cluster().namespace();
      await ns.create(podOf('shared', {}, { shareProcessNamespace: true }));
      await ns.untilReady('shared');
      expect(await ns.kubectl(['exec', 'shared', '--', 'cat', '/proc/1/comm'])).toMatch(/^pause/);
      await ns.remove();
    });

    test('is reached through a host port', async () => {
      const ns = await cluster().namespace();
      await ns.create(
        podOf('published', {}, { containers: [{ name: 'web', image: NGINX, ports: [{ containerPort: 80, hostPort: 18080 }] }] }),
      );
      await ns.untilReady('published');
      const page = await fetch(`http://${cluster().bed.node.address}:18080/`);
      expect(await page.text()).toContain('Welcome to nginx');
      await ns.remove();
    });

    test('that is not there says why: never pulled, invalid name', async () => {
      const ns = await cluster().namespace();
      await ns.create(
        podOf('never', { image: 'registry.k8s.io/none:1', imagePullPolicy: 'Never' }),
        podOf('invalid', { image: 'registry.k8s.io/Upper:1' }),
      );
      const reason = (wanted: string) => (status: { containerStatuses?: { state?: { waiting?: { reason?: string } } }[] }) =>
        status.containerStatuses?.[0]?.state?.waiting?.reason === wanted;
      await ns.until('never', 'to be ErrImageNeverPull', (status) => reason('ErrImageNeverPull')(status));
      await ns.until('invalid', 'to be InvalidImageName', (status) => reason('InvalidImageName')(status));
      await ns.untilEvent('invalid', 'InspectFailed', 'Failed to apply default image tag');
      await ns.remove();
    });

    test('runs beside others, which are started in their order', async () => {
      const ns = await cluster().namespace();
      await ns.create(
        podOf(
          'three',
          {},
          { containers: ['one', 'two', 'three'].map((name) => ({ name, image: BUSYBOX, command: ['sleep', 'infinity'] })) },
        ),
      );
      const { status } = await ns.untilReady('three');
      const startedAt = (name: string): number =>
        Date.parse(status?.containerStatuses?.find((entry) => entry.name === name)?.state?.running?.startedAt ?? '');
      expect(startedAt('one')).toBeLessThanOrEqual(startedAt('two'));
      expect(startedAt('two')).toBeLessThanOrEqual(startedAt('three'));
      await ns.remove();
    });
  });
}
