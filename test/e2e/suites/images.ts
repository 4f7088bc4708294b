import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startRegistry, type PushedImage, type Registry } from '../../cluster/registry.ts';
import { BUSYBOX, podOf, type Cluster, type Namespace } from '../cluster.ts';

const USER = { name: 'jane', password: 's3cret' };

/** Pulls from a real registry: by tag and digest, with credentials, without, of what is not there. */
export function imagesSuite(cluster: () => Cluster): void {
  describe('an image', () => {
    let open: Registry;
    let closed: Registry;
    let ns: Namespace;
    beforeAll(async () => {
      const { engine } = cluster().bed;
      [open, closed] = await Promise.all([startRegistry(engine), startRegistry(engine, { port: 5001, user: USER })]);
      ns = await cluster().namespace();
    });
    afterAll(async () => {
      await ns.remove();
    });

    /**
     * An image of its own content in the registry: what is known of a pull is known by content, and an image that was pulled with a
     * secret must be proved again by whoever uses the same content under another name.
     */
    const publish = async (registry: Registry, name: string): Promise<PushedImage> => {
      const { engine } = cluster().bed;
      const local = name.replace('/', '-');
      const container = (await engine.docker(['create', BUSYBOX])).trim();
      await engine.docker(['commit', '--change', `LABEL published=${registry.host}/${name}`, container, local]);
      await engine.docker(['rm', container]);
      const pushed = await registry.push(local, name);
      await engine.docker(['rmi', local]);
      return pushed;
    };
    const waitingReason = (status: {
      readonly containerStatuses?: readonly { readonly state?: { readonly waiting?: { readonly reason?: string } } }[];
    }) => status.containerStatuses?.[0]?.state?.waiting?.reason;

    test('is pulled by tag, with events that say how long it took, and again only when the policy says so', async () => {
      const pushed = await publish(open, 'team/tool:1');
      await ns.create(podOf('by-tag', { image: pushed.reference }));
      const pod = await ns.untilReady('by-tag');
      expect(pod.status?.containerStatuses?.[0]?.imageID).toContain(pushed.digest);
      await ns.untilEvent('by-tag', 'Pulling', `Pulling image "${pushed.reference}"`);
      await ns.untilEvent('by-tag', 'Pulled', `Successfully pulled image "${pushed.reference}" in `);
      await ns.create(
        podOf('present', { image: pushed.reference }),
        podOf('always', { image: pushed.reference, imagePullPolicy: 'Always' }),
      );
      await Promise.all([ns.untilReady('present'), ns.untilReady('always')]);
      await ns.untilEvent('present', 'Pulled', 'already present on machine');
      await ns.untilEvent('always', 'Pulled', 'Successfully pulled');
    });

    test('is pulled by digest', async () => {
      const pushed = await publish(open, 'team/digest:1');
      await ns.create(podOf('by-digest', { image: pushed.byDigest }));
      const pod = await ns.untilReady('by-digest');
      expect(pod.status?.containerStatuses?.[0]?.imageID).toContain(pushed.digest);
    });

    test('that is not there is tried again ever less often, and used once it is there', async () => {
      const reference = `${open.host}/team/late:1`;
      await ns.create(podOf('late', { image: reference }));
      await ns.until('late', 'to be ErrImagePull or ImagePullBackOff', (status) =>
        ['ErrImagePull', 'ImagePullBackOff'].includes(waitingReason(status) ?? ''),
      );
      await ns.untilEvent('late', 'Failed', 'Failed to pull image');
      await ns.until('late', 'to be ImagePullBackOff', (status) => waitingReason(status) === 'ImagePullBackOff');
      await ns.untilEvent('late', 'BackOff', `Back-off pulling image "${reference}"`);
      await publish(open, 'team/late:1');
      await ns.untilReady('late');
    });

    test('of a closed registry needs the pull secret of the pod or of its service account', async () => {
      const pushed = await publish(closed, 'private/tool:1');
      const dockerSecret = (name: string, content: string): object => ({
        apiVersion: 'v1',
        kind: 'Secret',
        metadata: { name },
        type: 'kubernetes.io/dockerconfigjson',
        stringData: { '.dockerconfigjson': content },
      });
      const wrong = JSON.stringify({ auths: { [closed.host]: { username: USER.name, password: 'wrong' } } });
      await ns.create(dockerSecret('right', closed.dockerConfig), dockerSecret('wrong', wrong));
      await ns.create(
        podOf('stranger', { image: pushed.reference }),
        podOf('mistaken', { image: pushed.reference }, { imagePullSecrets: [{ name: 'wrong' }] }),
      );
      await ns.until('stranger', 'to be refused', (status) => ['ErrImagePull', 'ImagePullBackOff'].includes(waitingReason(status) ?? ''));
      await ns.until('mistaken', 'to be refused', (status) => ['ErrImagePull', 'ImagePullBackOff'].includes(waitingReason(status) ?? ''));
      await ns.create(
        podOf('friend', { image: pushed.reference }, { imagePullSecrets: [{ name: 'absent' }, { name: 'wrong' }, { name: 'right' }] }),
      );
      await ns.untilReady('friend');
      await ns.kubectl(['delete', 'pod', 'stranger', 'mistaken', 'friend']);
    });

    test('is pulled once for many pods that want it at the same time', async () => {
      const pushed = await publish(open, 'team/shared:1');
      const names = ['a', 'b', 'c', 'd'].map((letter) => `shared-${letter}`);
      await ns.create(...names.map((name) => podOf(name, { image: pushed.reference })));
      await Promise.all(names.map((name) => ns.untilReady(name)));
    });
  });
}
