import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { waitFor } from '../../cluster/wait.ts';
import { podOf, script, type Cluster, type Namespace } from '../cluster.ts';

/** Volumes of every kind that a first cluster needs, and their updates. */
export function volumesSuite(cluster: () => Cluster): void {
  const sh = async (ns: Namespace, pod: string, command: string): Promise<string> =>
    (await ns.kubectl(['exec', pod, '--', 'sh', '-c', command])).trim();

  describe('a volume', () => {
    test('of kind emptyDir is on disk or in memory, shared, and gone with the pod', async () => {
      const ns = await cluster().namespace();
      const volumes = [
        { name: 'disk', emptyDir: {} },
        { name: 'memory', emptyDir: { medium: 'Memory', sizeLimit: '8Mi' } },
      ];
      await ns.create(
        podOf(
          'empty',
          {
            volumeMounts: [
              { name: 'disk', mountPath: '/disk' },
              { name: 'memory', mountPath: '/memory' },
            ],
          },
          { volumes },
        ),
      );
      await ns.untilReady('empty');
      expect(await sh(ns, 'empty', 'stat -c %a /disk; grep " /memory " /proc/mounts')).toMatch(/^777\ntmpfs .*size=8192k/);
      expect(await sh(ns, 'empty', 'echo kept > /disk/file; cat /disk/file')).toBe('kept');
      await ns.remove();
    });

    test('of kind configMap and secret is updated atomically within seconds', async () => {
      const ns = await cluster().namespace();
      const configMap = (text: string): object => ({
        apiVersion: 'v1',
        kind: 'ConfigMap',
        metadata: { name: 'cm' },
        data: { text, other: 'x' },
      });
      const secret = (text: string): object => ({ apiVersion: 'v1', kind: 'Secret', metadata: { name: 'sec' }, stringData: { text } });
      await ns.create(configMap('one'), secret('uno'));
      await ns.create(
        podOf(
          'content',
          {
            volumeMounts: [
              { name: 'cm', mountPath: '/cm' },
              { name: 'sec', mountPath: '/sec', readOnly: true },
            ],
          },
          {
            volumes: [
              { name: 'cm', configMap: { name: 'cm', items: [{ key: 'text', path: 'deep/er.txt', mode: 0o600 }] } },
              { name: 'sec', secret: { secretName: 'sec', defaultMode: 0o440 } },
            ],
          },
        ),
      );
      await ns.untilReady('content');
      expect(
        await sh(ns, 'content', 'cat /cm/deep/er.txt /sec/text; ls /cm; stat -L -c %a /cm/deep/er.txt /sec/text; readlink /sec/text'),
      ).toBe('oneunodeep\n600\n440\n..data/text');
      await ns.apply(configMap('two'), secret('due'));
      await waitFor('both volumes to be updated', async () => (await sh(ns, 'content', 'cat /cm/deep/er.txt /sec/text')) === 'twodue', {
        timeoutMs: 15_000,
      });
      await ns.remove();
    });

    test('that needs a missing config map waits for it with an event, and optional ones do not', async () => {
      const ns = await cluster().namespace();
      const mounted = (name: string, source: object): object =>
        podOf(name, { volumeMounts: [{ name: 'v', mountPath: '/v' }] }, { volumes: [{ name: 'v', configMap: source }] });
      await ns.create(mounted('waits', { name: 'later' }), mounted('optional', { name: 'nope', optional: true }));
      await ns.untilReady('optional');
      await ns.untilEvent('waits', 'FailedMount', 'MountVolume.SetUp failed for volume "v" : configmap "later" not found');
      expect((await ns.pod('waits')).status?.containerStatuses?.[0]?.state?.waiting?.reason).toBe('ContainerCreating');
      await ns.create({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'later' }, data: { a: 'b' } });
      await ns.untilReady('waits');
      await ns.remove();
    });

    test('of kind downwardAPI follows labels and annotations', async () => {
      const ns = await cluster().namespace();
      const items = [
        { path: 'labels', fieldRef: { fieldPath: 'metadata.labels' } },
        { path: 'name', fieldRef: { fieldPath: 'metadata.name' } },
        { path: 'cpu', resourceFieldRef: { containerName: 'main', resource: 'limits.cpu', divisor: '1m' } },
      ];
      await ns.create(
        podOf(
          'down',
          { volumeMounts: [{ name: 'd', mountPath: '/d' }], resources: { limits: { cpu: '300m' } } },
          { volumes: [{ name: 'd', downwardAPI: { items } }] },
          { labels: { a: '1' } },
        ),
      );
      await ns.untilReady('down');
      expect(await sh(ns, 'down', 'cat /d/name; echo; cat /d/cpu; echo; cat /d/labels')).toBe('down\n300\na="1"');
      await ns.kubectl(['label', 'pod', 'down', 'b=2']);
      await waitFor('the labels to be updated', async () => (await sh(ns, 'down', 'cat /d/labels')) === 'a="1"\nb="2"', {
        timeoutMs: 15_000,
      });
      await ns.remove();
    });

    test('of kind projected holds a token that the API server accepts', async () => {
      const ns = await cluster().namespace();
      await ns.create(podOf('token'));
      await ns.untilReady('token');
      const folder = '/var/run/secrets/kubernetes.io/serviceaccount';
      expect(await sh(ns, 'token', `ls ${folder}; cat ${folder}/namespace`)).toBe(`ca.crt\nnamespace\ntoken\n${ns.name}`);
      const token = await sh(ns, 'token', `cat ${folder}/token`);
      const kubeconfig = await cluster().bed.controlPlane.tokenKubeconfig(`${ns.name}-token`, token);
      const who = await cluster().kubectl(['auth', 'whoami', '-o=jsonpath={.status.userInfo.username}'], { kubeconfig });
      expect(who).toBe(`system:serviceaccount:${ns.name}:default`);
      await ns.remove();
    });

    test('of kind hostPath checks its type', async () => {
      const ns = await cluster().namespace();
      const folder = path.join(cluster().bed.node.dir, 'host');
      mkdirSync(folder, { recursive: true });
      writeFileSync(path.join(folder, 'file'), 'of the host');
      const pod = (name: string, hostPath: object): object =>
        podOf(name, { volumeMounts: [{ name: 'h', mountPath: '/h' }] }, { volumes: [{ name: 'h', hostPath }] });
      await ns.create(
        pod('right', { path: folder, type: 'Directory' }),
        pod('wrong', { path: path.join(folder, 'file'), type: 'Directory' }),
      );
      await ns.untilReady('right');
      expect(await sh(ns, 'right', 'cat /h/file')).toBe('of the host');
      await ns.untilEvent('wrong', 'FailedMount', 'hostPath type check failed');
      await ns.kubectl(['delete', 'pod', 'right', 'wrong']);
      rmSync(folder, { recursive: true });
      await ns.remove();
    });

    test('can be mounted by a path below it', async () => {
      const ns = await cluster().namespace();
      await ns.create({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'cm' }, data: { 'a.txt': 'A' } });
      await ns.create(
        podOf(
          'sub',
          {
            env: [{ name: 'WHO', value: 'me' }],
            volumeMounts: [
              { name: 'cm', mountPath: '/etc/a.txt', subPath: 'a.txt' },
              { name: 'e', mountPath: '/mine', subPathExpr: 'of/$(WHO)' },
              { name: 'e', mountPath: '/all' },
            ],
          },
          {
            volumes: [
              { name: 'cm', configMap: { name: 'cm' } },
              { name: 'e', emptyDir: {} },
            ],
          },
        ),
      );
      await ns.untilReady('sub');
      expect(await sh(ns, 'sub', 'cat /etc/a.txt; echo x > /mine/f; cat /all/of/me/f')).toBe('Ax');
      await ns.remove();
    });

    test('belongs to the group that the pod says', async () => {
      const ns = await cluster().namespace();
      await ns.create({ apiVersion: 'v1', kind: 'Secret', metadata: { name: 's' }, stringData: { k: 'v' } });
      await ns.create(
        podOf(
          'grouped',
          {
            ...script('cat /s/k', 'echo w > /e/f', 'stat -c %g /e/f', 'sleep infinity'),
            volumeMounts: [
              { name: 's', mountPath: '/s' },
              { name: 'e', mountPath: '/e' },
            ],
          },
          {
            securityContext: { runAsUser: 1000, runAsGroup: 3000, fsGroup: 2000 },
            volumes: [
              { name: 's', secret: { secretName: 's', defaultMode: 0o400 } },
              { name: 'e', emptyDir: {} },
            ],
          },
        ),
      );
      await ns.untilReady('grouped');
      expect(await ns.kubectl(['logs', 'grouped'])).toBe('v2000\n');
      await ns.remove();
    });
  });
}
