/** The engine's JSON checked and turned into what the dockershim uses: nothing else trusts its shape. */
import { z } from 'zod';
import type {
  ContainerInspection,
  ContainerSummary,
  EngineContainerStatus,
  EngineEvent,
  EngineImage,
  EngineInfo,
  ExecInspection,
  PullProgress,
} from './engine.ts';
import { parseTimestamp } from './timestamps.ts';

const STATUSES: readonly EngineContainerStatus[] = ['created', 'running', 'paused', 'restarting', 'removing', 'exited', 'dead'];

/** The engine writes Go's nil maps and slices as null. */
const strings = z
  .array(z.string())
  .nullish()
  .transform((list) => list ?? []);
const labels = z
  .record(z.string(), z.string())
  .nullish()
  .transform((map) => map ?? {});
const status = z.string().transform((text): EngineContainerStatus => STATUSES.find((known) => known === text.toLowerCase()) ?? 'dead');
const timestamp = z.string().transform(parseTimestamp);

const version = z.object({ Version: z.string(), ApiVersion: z.string(), MinAPIVersion: z.string().default('1.12') });

const info = z
  .object({
    DockerRootDir: z.string(),
    CgroupDriver: z.string().default('cgroupfs'),
    CgroupVersion: z.string().default('1'),
    Driver: z.string(),
    DefaultRuntime: z.string().default('runc'),
    Runtimes: z.record(z.string(), z.unknown()).nullish(),
    SecurityOptions: strings,
    Architecture: z.string().default(''),
  })
  .transform((raw): EngineInfo => ({
    rootDirectory: raw.DockerRootDir,
    cgroupDriver: raw.CgroupDriver,
    cgroupVersion: raw.CgroupVersion,
    storageDriver: raw.Driver,
    defaultRuntime: raw.DefaultRuntime,
    runtimes: Object.keys(raw.Runtimes ?? {}),
    securityOptions: raw.SecurityOptions,
    architecture: raw.Architecture,
  }));

const summary = z
  .object({ Id: z.string(), Names: strings, State: status, Created: z.number(), Labels: labels, Image: z.string(), ImageID: z.string() })
  .transform((raw): ContainerSummary => ({
    id: raw.Id,
    name: (raw.Names[0] ?? '').replace(/^\//, ''),
    status: raw.State,
    createdAt: BigInt(raw.Created) * 1_000_000_000n,
    labels: raw.Labels,
    image: raw.Image,
    imageId: raw.ImageID,
  }));

const endpoint = z.object({ IPAddress: z.string().default(''), GlobalIPv6Address: z.string().default('') });

const hostConfig = z.object({
  CpuShares: z.number().optional(),
  CpuPeriod: z.number().optional(),
  CpuQuota: z.number().optional(),
  CpusetCpus: z.string().optional(),
  CpusetMems: z.string().optional(),
  Memory: z.number().optional(),
  MemorySwap: z.number().optional(),
  OomScoreAdj: z.number().optional(),
});

const inspection = z
  .object({
    Id: z.string(),
    Name: z.string(),
    Created: timestamp,
    Image: z.string(),
    LogPath: z.string().default(''),
    ResolvConfPath: z.string().default(''),
    State: z.object({
      Status: status,
      Pid: z.number(),
      ExitCode: z.number(),
      OOMKilled: z.boolean(),
      Error: z.string(),
      StartedAt: timestamp,
      FinishedAt: timestamp,
    }),
    Config: z.object({
      Image: z.string(),
      Labels: labels,
      Tty: z.boolean().default(false),
      StdinOnce: z.boolean().default(false),
      StopSignal: z.string().optional(),
    }),
    HostConfig: hostConfig,
    NetworkSettings: z.object({ Networks: z.record(z.string(), endpoint).nullish() }).nullish(),
    Mounts: z
      .array(z.object({ Source: z.string().default(''), Destination: z.string(), RW: z.boolean(), Propagation: z.string().default('') }))
      .nullish(),
  })
  .transform((raw): ContainerInspection => ({
    id: raw.Id,
    name: raw.Name.replace(/^\//, ''),
    createdAt: raw.Created,
    startedAt: raw.State.StartedAt,
    finishedAt: raw.State.FinishedAt,
    status: raw.State.Status,
    pid: raw.State.Pid,
    exitCode: raw.State.ExitCode,
    oomKilled: raw.State.OOMKilled,
    error: raw.State.Error,
    imageId: raw.Image,
    image: raw.Config.Image,
    labels: raw.Config.Labels,
    tty: raw.Config.Tty,
    stdinOnce: raw.Config.StdinOnce,
    stopSignal: raw.Config.StopSignal,
    logPath: raw.LogPath,
    resolvConfPath: raw.ResolvConfPath,
    ips: addresses(Object.values(raw.NetworkSettings?.Networks ?? {})),
    resources: resourcesOf(raw.HostConfig),
    mounts: (raw.Mounts ?? []).map((mount) => ({
      source: mount.Source,
      destination: mount.Destination,
      writable: mount.RW,
      propagation: mount.Propagation,
    })),
  }));

const image = z
  .object({
    Id: z.string(),
    RepoTags: strings,
    RepoDigests: strings,
    Size: z.number(),
    Config: z.object({ User: z.string().default('') }).nullish(),
  })
  .transform((raw): EngineImage => ({
    id: raw.Id,
    // What lists show for an image that has no name or no digest.
    repoTags: raw.RepoTags.filter((tag) => tag !== '<none>:<none>'),
    repoDigests: raw.RepoDigests.filter((digest) => digest !== '<none>@<none>'),
    size: raw.Size,
    user: raw.Config?.User,
  }));

const exec = z
  .object({ Running: z.boolean(), ExitCode: z.number().nullish(), Pid: z.number().default(0) })
  .transform((raw): ExecInspection => ({ running: raw.Running, exitCode: raw.ExitCode ?? undefined, pid: raw.Pid }));

const event = z
  .object({ Type: z.string(), Action: z.string(), Actor: z.object({ ID: z.string() }), timeNano: z.number(), time: z.number() })
  .transform((raw): EngineEvent => ({ containerId: raw.Actor.ID, action: raw.Action, timeNano: BigInt(Math.round(raw.timeNano)) }));

const progress = z
  .object({
    id: z.string().default(''),
    status: z.string().default(''),
    progressDetail: z.object({ current: z.number().optional() }).optional(),
    error: z.string().optional(),
  })
  .transform((raw): PullProgress & { readonly error: string | undefined } => ({
    id: raw.id,
    status: raw.status,
    current: raw.progressDetail?.current,
    error: raw.error,
  }));

/** Each throws when the engine's answer is not what its API promises. */
export const engineAnswers = {
  version: (raw: unknown) => version.parse(raw),
  info: (raw: unknown) => info.parse(raw),
  summaries: (raw: unknown) => z.array(summary).parse(raw),
  inspection: (raw: unknown) => inspection.parse(raw),
  image: (raw: unknown) => image.parse(raw),
  images: (raw: unknown) => z.array(image).parse(raw),
  exec: (raw: unknown) => exec.parse(raw),
  event: (raw: unknown) => event.parse(raw),
  progress: (raw: unknown) => progress.parse(raw),
};

function addresses(endpoints: readonly { readonly IPAddress: string; readonly GlobalIPv6Address: string }[]): string[] {
  const all = [...endpoints.map((one) => one.IPAddress), ...endpoints.map((one) => one.GlobalIPv6Address)];
  return all.filter((address) => address !== '');
}

/** The engine writes 0 and "" for what was not set. */
function resourcesOf(raw: z.output<typeof hostConfig>): ContainerInspection['resources'] {
  return {
    ...(raw.CpuShares ? { CpuShares: raw.CpuShares } : {}),
    ...(raw.CpuPeriod ? { CpuPeriod: raw.CpuPeriod } : {}),
    ...(raw.CpuQuota ? { CpuQuota: raw.CpuQuota } : {}),
    ...(raw.CpusetCpus ? { CpusetCpus: raw.CpusetCpus } : {}),
    ...(raw.CpusetMems ? { CpusetMems: raw.CpusetMems } : {}),
    ...(raw.Memory ? { Memory: raw.Memory } : {}),
    ...(raw.MemorySwap ? { MemorySwap: raw.MemorySwap } : {}),
    ...(raw.OomScoreAdj === undefined ? {} : { OomScoreAdj: raw.OomScoreAdj }),
  };
}
