import { describe, expect, it, vi } from 'vitest';
import { abortError, KindredError, throwIfAborted } from '../src/errors.js';
import { createStop, nativeSignal } from '../src/stop.js';

describe('a stop', () => {
  it('tells who listens, once, with the first reason', () => {
    const stop = createStop();
    const told = vi.fn(() => stop.signal.reason);
    stop.signal.addEventListener('abort', told);
    expect(stop.signal).toMatchObject({ aborted: false, reason: undefined });
    stop.abort('enough');
    stop.abort('again');
    expect(told.mock.results).toEqual([{ type: 'return', value: 'enough' }]);
    expect(stop.signal).toMatchObject({ aborted: true, reason: 'enough' });
  });

  it('tells nobody who has left, who leaves because of another, or who comes too late', () => {
    const stop = createStop();
    const told = vi.fn();
    stop.signal.addEventListener('abort', told);
    stop.signal.removeEventListener('abort', told);
    const second = vi.fn();
    stop.signal.addEventListener('abort', () => {
      stop.signal.removeEventListener('abort', second);
      stop.signal.addEventListener('abort', told);
    });
    stop.signal.addEventListener('abort', second);
    stop.abort();
    stop.signal.addEventListener('abort', told);
    expect(told).not.toHaveBeenCalled();
    expect(second).not.toHaveBeenCalled();
  });

  it('has an error for a reason where none is given, as an AbortController has', () => {
    const [stop, controller] = [createStop(), new AbortController()];
    stop.abort();
    controller.abort();
    expect(stop.signal.reason).toEqual(controller.signal.reason);
    expect(abortError(stop.signal).code).toBe('REQUEST_CANCELLED');
  });

  it('gives its reason to those who ask whether to go on', () => {
    const stop = createStop();
    throwIfAborted(stop.signal);
    const reason = new KindredError('DEADLINE_EXCEEDED', 'too late');
    stop.abort(reason);
    expect(() => {
      throwIfAborted(stop.signal);
    }).toThrow(reason);
  });
});

describe('nativeSignal', () => {
  it('is aborted with the stop, whichever comes first, and fits where libraries want an AbortSignal', () => {
    const stop = createStop();
    const before = nativeSignal(stop.signal);
    const any = AbortSignal.any([before, new AbortController().signal]);
    expect(any.aborted).toBe(false);
    stop.abort('enough');
    for (const signal of [before, any, nativeSignal(stop.signal)])
      expect(signal).toMatchObject({ aborted: true, reason: 'enough' });
  });

  it('is the signal itself where that is native', () => {
    const { signal } = new AbortController();
    expect(nativeSignal(signal)).toBe(signal);
  });
});
