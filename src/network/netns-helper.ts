/**
 * The small program that runs inside a pod's network namespace (through nsenter, as Node has no setns): it dials localhost there and
 * hands the connected socket to its parent over the IPC channel, so that no byte of the connection passes through here. It ends with
 * its parent.
 *
 * Parent to helper: `{ id, port }`. Helper to parent: `{ id }` with the socket, or `{ id, error }`.
 */
import { connectLocalhost } from './netns-connect.ts';

if (process.send === undefined) {
  process.stderr.write('netns-helper is started by the agent, with an IPC channel\n');
  process.exit(2);
}
process.on('disconnect', () => process.exit(0));
process.on('message', (message) => {
  if (typeof message !== 'object' || message === null || !('id' in message) || !('port' in message)) return;
  const { id, port } = message;
  if (typeof id === 'number' && typeof port === 'number') void dial(id, port);
});

async function dial(id: number, port: number): Promise<void> {
  try {
    const socket = await connectLocalhost(port, new AbortController().signal);
    process.send?.({ id }, socket);
  } catch (error) {
    process.send?.({ id, error: error instanceof Error ? error.message : String(error) });
  }
}
