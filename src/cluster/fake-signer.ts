/** A certificate signer for tests: issues what a request asks for, with times of the test's choice. */
import { sign, type KeyObject } from 'node:crypto';
import * as der from './der.ts';
import type { FakeAnswer, FakeRequest } from './fake-transport.ts';
import { FakeStream, refusal } from './fake-transport.ts';
import { generatePrivateKey } from './x509.ts';

interface StoredRequest {
  readonly metadata: { readonly name: string; readonly uid: string; resourceVersion: string };
  readonly spec: { readonly request: string; readonly signerName: string; readonly usages: readonly string[] };
  status?: { conditions?: readonly object[]; certificate?: string };
}

/** The part of an API server that keeps certificate signing requests. */
export class FakeCsrServer {
  readonly requests: StoredRequest[] = [];
  readonly #key: KeyObject = generatePrivateKey();
  readonly #streams: FakeStream[] = [];
  #version = 0;

  handle = ({ method, path, query, body }: FakeRequest): FakeAnswer => {
    if (!path.startsWith('/apis/certificates.k8s.io/v1/certificatesigningrequests')) return refusal(404, 'NotFound');
    if (method === 'POST') return this.#create(body as StoredRequest & { metadata: { generateName?: string } });
    if (query.has('watch')) {
      const stream = new FakeStream();
      this.#streams.push(stream);
      return { body: stream };
    }
    const name = /metadata\.name=(.*)/.exec(query.get('fieldSelector') ?? '')?.[1] ?? path.split('/').pop();
    const found = this.requests.filter((request) => request.metadata.name === name);
    if (query.has('fieldSelector')) return { body: { metadata: { resourceVersion: String(this.#version) }, items: found } };
    return found[0] === undefined ? refusal(404, 'NotFound') : { body: found[0] };
  };

  /** Issues the certificate of the newest request and tells the watches. */
  approve(notBefore: number, notAfter: number): void {
    const request = this.#newest();
    const certificate = Buffer.from(this.issue(request.spec.request, notBefore, notAfter)).toString('base64');
    this.#update(request, { conditions: [{ type: 'Approved', status: 'True' }], certificate });
  }

  deny(message: string): void {
    this.#update(this.#newest(), { conditions: [{ type: 'Denied', status: 'True', reason: 'No', message }] });
  }

  remove(): void {
    const request = this.#newest();
    this.requests.pop();
    this.#tell('DELETED', request);
  }

  /** A certificate for the key, subject and names of a request (base64 of PEM). */
  issue(request: string, notBefore: number, notAfter: number): string {
    const pem = Buffer.from(request, 'base64').toString();
    const [info] = items(Buffer.from(pem.replace(/-----[^-]+-----|\s/g, ''), 'base64'));
    const [, name, publicKey, attributes] = items(info!);
    // [0] { SEQUENCE { extensionRequest, SET { extensions } } }
    const [attribute] = items(attributes!);
    const extensions = attribute === undefined ? undefined : items(items(attribute)[1]!)[0];
    const algorithm = der.sequence(der.objectIdentifier('1.2.840.10045.4.3.2'));
    const body = der.sequence(
      der.explicit(0, der.integer(2)),
      der.integer(this.requests.length + 1),
      algorithm,
      der.sequence(der.setOf(der.sequence(der.objectIdentifier('2.5.4.3'), der.utf8String('test-ca')))),
      der.sequence(der.time(notBefore), der.time(notAfter)),
      name!,
      publicKey!,
      ...(extensions === undefined ? [] : [der.explicit(3, extensions)]),
    );
    const bytes = der.sequence(body, algorithm, der.bitString(sign('sha256', body, this.#key)));
    return `-----BEGIN CERTIFICATE-----\n${bytes.toString('base64')}\n-----END CERTIFICATE-----\n`;
  }

  #create(sent: StoredRequest & { metadata: { generateName?: string } }): FakeAnswer {
    const name = sent.metadata.name ?? `${sent.metadata.generateName}${this.requests.length}`;
    if (this.requests.some((request) => request.metadata.name === name)) return refusal(409, 'AlreadyExists');
    const stored: StoredRequest = {
      metadata: { name, uid: `uid-${(this.#version += 1)}`, resourceVersion: String(this.#version) },
      spec: sent.spec,
    };
    this.requests.push(stored);
    return { body: stored };
  }

  #newest(): StoredRequest {
    const newest = this.requests.at(-1);
    if (newest === undefined) throw new Error('there is no certificate signing request');
    return newest;
  }

  #update(request: StoredRequest, status: NonNullable<StoredRequest['status']>): void {
    request.status = status;
    request.metadata.resourceVersion = String((this.#version += 1));
    this.#tell('MODIFIED', request);
  }

  #tell(type: 'MODIFIED' | 'DELETED', request: StoredRequest): void {
    for (const stream of this.#streams) stream.event(type, request);
  }
}

/** The values inside a constructed DER value. */
function items(bytes: Buffer): Buffer[] {
  const found: Buffer[] = [];
  for (let at = headerLength(bytes); at < bytes.length;) {
    const length = totalLength(bytes.subarray(at));
    found.push(bytes.subarray(at, at + length));
    at += length;
  }
  return found;
}

function headerLength(bytes: Buffer): number {
  const first = bytes[1] ?? 0;
  return first < 0x80 ? 2 : 2 + (first & 0x7f);
}

function totalLength(bytes: Buffer): number {
  const first = bytes[1] ?? 0;
  return first < 0x80 ? 2 + first : headerLength(bytes) + bytes.readUIntBE(2, first & 0x7f);
}
