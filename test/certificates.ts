import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A key and its certificate, as PEM. */
export interface Certificate {
  readonly key: string;
  readonly cert: string;
  /** The files that hold them. */
  readonly keyFile: string;
  readonly certFile: string;
}

/** An authority of this test alone. */
export interface Authority {
  /** Its own certificate, as PEM, and the file that holds it. */
  readonly ca: string;
  readonly caFile: string;
  /** A certificate for 127.0.0.1, good from one date (YYYYMMDD) to another. */
  certify(name: string, from: string, to: string): Certificate;
  /** Removes its files. */
  close(): void;
}

const CONFIG = `[ca]
default_ca = local
[local]
database = index.txt
new_certs_dir = .
rand_serial = yes
certificate = ca.pem
private_key = ca.key
default_md = sha256
policy = policy
x509_extensions = extensions
unique_subject = no
[policy]
commonName = supplied
[extensions]
subjectAltName = IP:127.0.0.1
`;

/** Makes an authority with openssl, which is part of every Debian; a machine without it fails with ENOENT. */
export function createAuthority(): Authority {
  const folder = mkdtempSync(join(tmpdir(), 'kindred-tls-'));
  const file = (name: string): string => join(folder, name);
  const openssl = (line: string): void =>
    void execFileSync('openssl', line.split(' '), { cwd: folder, stdio: 'pipe' });
  writeFileSync(file('ca.cnf'), CONFIG);
  writeFileSync(file('index.txt'), '');
  openssl('req -x509 -newkey rsa:2048 -nodes -subj /CN=Local -days 30 -keyout ca.key -out ca.pem');
  return {
    ca: readFileSync(file('ca.pem'), 'utf8'),
    caFile: file('ca.pem'),
    certify: (name, from, to) => {
      openssl(`req -newkey rsa:2048 -nodes -subj /CN=${name} -keyout ${name}.key -out ${name}.csr`);
      const dates = `-startdate ${from}000000Z -enddate ${to}000000Z`;
      openssl(`ca -batch -notext -config ca.cnf ${dates} -in ${name}.csr -out ${name}.pem`);
      const [keyFile, certFile] = [file(`${name}.key`), file(`${name}.pem`)];
      return { key: readFileSync(keyFile, 'utf8'), cert: readFileSync(certFile, 'utf8'), keyFile, certFile };
    },
    close: () => {
      rmSync(folder, { recursive: true });
    },
  };
}
