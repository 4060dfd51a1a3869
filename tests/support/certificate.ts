/** A key and a self-signed certificate, made when they are needed. */

const OID_ECDSA_SHA256 = [0x06, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2];
const OID_COMMON_NAME = [0x06, 3, 0x55, 4, 3];
const OID_ALT_NAME = [0x06, 3, 0x55, 0x1d, 0x11];

/** One DER value. */
function der(tag: number, ...parts: readonly (readonly number[] | Uint8Array)[]): number[] {
  const body = parts.flatMap((part) => [...part]);
  const { length } = body;
  const size = length < 128
    ? [length]
    : length < 256
    ? [0x81, length]
    : [0x82, length >> 8, length & 255];
  return [tag, ...size, ...body];
}

const sequence = (...parts: (readonly number[] | Uint8Array)[]): number[] => der(0x30, ...parts);
const text = (value: string): Uint8Array => new TextEncoder().encode(value);

function integer(bytes: Uint8Array): number[] {
  let start = 0;
  while (start < bytes.length - 1 && bytes[start] === 0) start++;
  const rest = bytes.subarray(start);
  return der(0x02, rest[0]! & 128 ? [0] : [], rest);
}

function pem(label: string, bytes: Uint8Array): string {
  const lines = btoa(String.fromCharCode(...bytes)).match(/.{1,64}/g)!;
  return `-----BEGIN ${label}-----\n${lines.join("\n")}\n-----END ${label}-----\n`;
}

/** Makes them for the host `name` (RFC 5280 §4.1). */
export async function selfSigned(name: string): Promise<{ key: string; cert: string }> {
  const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
  const pair = await crypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  const publicKey = new Uint8Array(await crypto.subtle.exportKey("spki", pair.publicKey));
  const key = new Uint8Array(await crypto.subtle.exportKey("pkcs8", pair.privateKey));
  const signing = sequence(OID_ECDSA_SHA256);
  const subject = sequence(der(0x31, sequence(OID_COMMON_NAME, der(0x0c, text(name)))));
  const altName = sequence(OID_ALT_NAME, der(0x04, sequence(der(0x82, text(name)))));
  const body = sequence(
    der(0xa0, der(0x02, [2])),
    der(0x02, [1]),
    signing,
    subject,
    sequence(der(0x17, text("200101000000Z")), der(0x17, text("491231235959Z"))),
    subject,
    publicKey,
    der(0xa3, sequence(altName)),
  );
  const raw = new Uint8Array(
    await crypto.subtle.sign(algorithm, pair.privateKey, new Uint8Array(body)),
  );
  const signature = sequence(integer(raw.subarray(0, 32)), integer(raw.subarray(32)));
  const certificate = sequence(body, signing, der(0x03, [0], signature));
  return { key: pem("PRIVATE KEY", key), cert: pem("CERTIFICATE", new Uint8Array(certificate)) };
}
