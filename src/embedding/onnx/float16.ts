/** Numbers of IEEE 754 binary16, given by their bits, as float32: Node 20 has no Float16Array. */
export function float16ToFloat32(bits: ArrayBufferView): Float32Array {
  // Where the engine has Float16Array the runtime gives one; its bits are the same.
  const halves = new Uint16Array(bits.buffer, bits.byteOffset, bits.byteLength / 2);
  return Float32Array.from(halves, fromBits);
}

function fromBits(half: number): number {
  const sign = half & 0x8000 ? -1 : 1;
  const exponent = (half >> 10) & 0x1f;
  const fraction = half & 0x3ff;
  if (exponent === 0x1f) return fraction === 0 ? sign * Infinity : NaN;
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}
