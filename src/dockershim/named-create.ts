import { AlreadyExistsError, isAlreadyExists, isFailedPrecondition, isNotFound } from '../lib/errors.ts';
import type { ContainerView } from './container-view.ts';
import { conflictingContainer } from './engine-errors.ts';
import type { ContainerSpec, DockerEngine } from './engine.ts';
import { randomizedName } from './names.ts';
import { decodeRecord } from './records.ts';

/**
 * Creates a container under a name that a crash may have left taken (dockershim helpers.go recoverFromCreationConflictIfNeeded): our own
 * leftover is removed; what belongs to somebody else, or cannot be removed, is left alone and the name made unique.
 *
 * @throws AlreadyExistsError when our own container of that name runs
 */
export async function createNamed(
  name: string,
  spec: ContainerSpec,
  tools: { readonly engine: DockerEngine; readonly view: ContainerView; readonly instanceId: string },
  signal: AbortSignal,
): Promise<string> {
  const { engine } = tools;
  try {
    return await engine.createContainer(name, spec, signal);
  } catch (error) {
    const holder = isAlreadyExists(error) ? conflictingContainer(error) : undefined;
    if (holder === undefined) throw error;
    const free = await removeLeftover(name, holder, tools, signal);
    if (!free) return engine.createContainer(randomizedName(name), spec, signal);
  }
  try {
    return await engine.createContainer(name, spec, signal);
  } catch (error) {
    // The engine may keep a name for a while after the removal.
    if (!isAlreadyExists(error)) throw error;
    return engine.createContainer(randomizedName(name), spec, signal);
  }
}

/** Whether the name is free afterwards. */
async function removeLeftover(
  name: string,
  id: string,
  { engine, view, instanceId }: { readonly engine: DockerEngine; readonly view: ContainerView; readonly instanceId: string },
  signal: AbortSignal,
): Promise<boolean> {
  try {
    const leftover = await engine.inspectContainer(id, signal);
    if (decodeRecord(instanceId, leftover.labels) === undefined) return false;
    if (leftover.status === 'running') throw new AlreadyExistsError(`a container named ${name} exists already and runs: ${id}`);
    await engine.removeContainer(id, { force: false }, signal);
    view.noteRemoved(id);
    return true;
  } catch (error) {
    if (isNotFound(error)) return true;
    if (isFailedPrecondition(error)) return false; // its removal is under way already
    throw error;
  }
}
