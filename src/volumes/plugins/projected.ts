import type { Pod, VolumeSpec } from '../../api/types.ts';
import { UnimplementedError } from '../../lib/errors.ts';
import type { FileProjection } from '../atomic-writer.ts';
import { configMapFiles, DEFAULT_FILE_MODE, downwardFiles, secretFiles, throwAll, type Files } from '../payloads.ts';
import { commonUser } from '../pod-volumes.ts';
import { createContentPlugin, type Content } from './content.ts';
import { downwardNode } from './downward-api.ts';
import { objectKey, readConfigMap, readSecret } from './objects.ts';
import type { ObjectKey, PluginContext, PodVolume, VolumePlugin } from './plugin.ts';

type Source = NonNullable<NonNullable<VolumeSpec['projected']>['sources']>[number];

/** A token that belongs to one user or group is for nobody else. */
const PRIVATE_TOKEN_MODE = 0o600;
/** The API server's default. */
const DEFAULT_TOKEN_SECONDS = 3600;

/** kubelet pkg/volume/projected. All sources are tried; a later one wins a path that two of them claim. */
export function createProjectedPlugin(context: PluginContext): VolumePlugin {
  return createContentPlugin(context, {
    plugin: 'kubernetes.io/projected',
    inMemory: true,
    async collect({ pod, spec }, signal) {
      const { sources, defaultMode = DEFAULT_FILE_MODE } = spec.projected ?? {};
      const results = await Promise.allSettled((sources ?? []).map((source) => projection(context, pod, source, defaultMode, signal)));
      throwAll(results.filter((result) => result.status === 'rejected').map(({ reason }): unknown => reason));
      const parts = results.filter((result) => result.status === 'fulfilled').map(({ value }) => value);
      const refreshTimes = parts.flatMap(({ refreshAt }) => (refreshAt === undefined ? [] : [refreshAt]));
      return {
        payload: new Map(parts.flatMap(({ payload }) => [...payload])),
        ...(refreshTimes.length === 0 ? {} : { refreshAt: Math.min(...refreshTimes) }),
      };
    },
    sources: (volume) => ({
      objects: sourcesOf(volume).flatMap((source) => objectsOf(source, volume.pod)),
      podItself: sourcesOf(volume).some(({ downwardAPI }) => downwardAPI !== undefined),
    }),
  });
}

async function projection(context: PluginContext, pod: Pod, source: Source, defaultMode: number, signal: AbortSignal): Promise<Content> {
  const { configMap, secret, downwardAPI, serviceAccountToken } = source;
  if (configMap !== undefined) {
    const { name = '', optional = false, items } = configMap;
    const object = await readConfigMap(context, pod, { name, optional }, signal);
    return { payload: configMapFiles(object, { items, defaultMode, optional }) };
  }
  if (secret !== undefined) {
    const { name = '', optional = false, items } = secret;
    const object = await readSecret(context, pod, { name, optional }, signal);
    return { payload: secretFiles(object, { items, defaultMode, optional }) };
  }
  if (downwardAPI !== undefined) return { payload: downwardFiles(downwardAPI.items ?? [], pod, defaultMode, downwardNode(context)) };
  if (serviceAccountToken !== undefined) return tokenFile(context, pod, serviceAccountToken, defaultMode, signal);
  const kind = Object.keys(source)[0] ?? 'nothing';
  throw new UnimplementedError(`projection of ${kind} is not supported by this node agent`);
}

async function tokenFile(
  { tokens }: PluginContext,
  pod: Pod,
  { path, audience, expirationSeconds }: NonNullable<Source['serviceAccountToken']>,
  defaultMode: number,
  signal: AbortSignal,
): Promise<Content> {
  const { namespace, name, uid } = pod.metadata;
  const { token, refreshAt } = await tokens.token(
    {
      namespace,
      serviceAccount: pod.spec.serviceAccountName ?? 'default',
      audiences: audience === undefined || audience === '' ? [] : [audience],
      expirationSeconds: expirationSeconds ?? DEFAULT_TOKEN_SECONDS,
      pod: { name, uid },
    },
    signal,
  );
  const user = commonUser(pod);
  const isPrivate = user !== undefined || pod.spec.securityContext?.fsGroup !== undefined;
  const file: FileProjection = {
    data: Buffer.from(token),
    mode: isPrivate ? PRIVATE_TOKEN_MODE : defaultMode, // changing the group later adds what the group needs
    ...(user === undefined ? {} : { uid: user }),
  };
  const payload: Files = new Map([[path, file]]);
  return { payload, refreshAt };
}

function sourcesOf({ spec }: PodVolume): readonly Source[] {
  return spec.projected?.sources ?? [];
}

function objectsOf({ configMap, secret }: Source, pod: Pod): readonly ObjectKey[] {
  return [
    ...(configMap === undefined ? [] : [objectKey('ConfigMap', pod, configMap.name ?? '')]),
    ...(secret === undefined ? [] : [objectKey('Secret', pod, secret.name ?? '')]),
  ];
}
