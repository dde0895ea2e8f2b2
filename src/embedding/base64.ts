/** Little-endian float32 bytes of `vector` as base64. Every platform that onnxruntime and LanceDB run on is little-endian. */
export function vectorToBase64({ buffer, byteOffset, byteLength }: Float32Array): string {
  return Buffer.from(buffer, byteOffset, byteLength).toString('base64');
}
