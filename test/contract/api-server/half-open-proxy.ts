/** A TCP proxy that can stop passing bytes while both sides stay connected, as a firewall that has forgotten a connection. */
import { once } from 'node:events';
import net, { type AddressInfo, type Socket } from 'node:net';

export class HalfOpenProxy {
  readonly url: URL;
  readonly #server: net.Server;
  readonly #sockets = new Set<Socket>();
  #frozen = false;

  private constructor(server: net.Server, target: URL) {
    this.#server = server;
    this.url = new URL(target);
    this.url.port = String((server.address() as AddressInfo).port);
    server.on('connection', (inbound) => {
      const outbound = net.connect(Number(target.port), target.hostname);
      for (const [from, to] of [
        [inbound, outbound],
        [outbound, inbound],
      ] as const) {
        this.#sockets.add(from);
        from.on('data', (bytes) => {
          if (!this.#frozen) to.write(bytes);
        });
        from.on('error', () => undefined);
        from.on('close', () => {
          this.#sockets.delete(from);
          if (!this.#frozen) to.destroy();
        });
      }
    });
  }

  static async start(target: URL): Promise<HalfOpenProxy> {
    const server = net.createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new HalfOpenProxy(server, target);
  }

  /** From now on bytes vanish, in both directions. */
  freeze(): void {
    this.#frozen = true;
  }

  /** New connections pass again. */
  thaw(): void {
    this.#frozen = false;
  }

  async close(): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }
}
