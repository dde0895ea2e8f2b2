import { type ModelServer, type ServedAnswer, servedBatch, startModelServer } from './model-server.js';

type TextValue = string | { readonly b64: string };

interface PredictRequest {
  readonly signature_name?: string;
  readonly instances?: (TextValue | { readonly text: TextValue })[];
  readonly inputs?: TextValue[] | { readonly text: TextValue[] };
}

/**
 * A server with TensorFlow Serving's REST API (www.tensorflow.org/tfx/serving/api_rest): a model `bag` in version 3 whose signature
 * `serving_default` has one output and `detailed` has three.
 */
export function startTensorFlowServing(): Promise<ModelServer> {
  return startModelServer({
    answer: async ({ method, path, body }) => {
      const [, model, version, verb] =
        /^\/v1\/models\/([^/:]+)(?:\/versions\/(\d+))?(:predict)?$/.exec(path) ?? [];
      if (model !== 'bag' || (version !== undefined && version !== '3'))
        return fail(404, `Servable not found for request: Latest(${model ?? ''})`);
      if (method === 'GET' && verb === undefined) return status();
      if (method !== 'POST' || verb === undefined) return fail(400, 'Malformed request');
      const request = JSON.parse(body.toString()) as PredictRequest;
      const texts = textsOf(request);
      if (texts === undefined) return fail(400, 'Missing "inputs" or "instances" key');
      const detailed = request.signature_name === 'detailed';
      return servedBatch(
        texts,
        ({ status }) => fail(status, 'indices out of range\n\t [[{{node embedding}}]]'),
        (rows) => {
          const named = rows.map(({ vector, ...row }) => (detailed ? { embedding: vector, ...row } : vector));
          if (request.instances) return json({ predictions: named });
          if (!detailed) return json({ outputs: rows.map(({ vector }) => vector) });
          return json({
            outputs: {
              embedding: rows.map(({ vector }) => vector),
              tokens: rows.map(({ tokens }) => tokens),
              truncated: rows.map(({ truncated }) => truncated),
            },
          });
        },
      );
    },
  });
}

function textsOf({ instances, inputs }: PredictRequest): string[] | undefined {
  if (instances)
    return instances.map((each) => decode(typeof each === 'object' && 'text' in each ? each.text : each));
  return (Array.isArray(inputs) ? inputs : inputs?.text)?.map(decode);
}

function decode(value: TextValue): string {
  return typeof value === 'string' ? value : Buffer.from(value.b64, 'base64').toString();
}

function status(): ServedAnswer {
  const model_version_status = [
    { version: '3', state: 'AVAILABLE', status: { error_code: 'OK', error_message: '' } },
  ];
  return json({ model_version_status });
}

function fail(code: number, error: string): ServedAnswer {
  return { status: code, body: JSON.stringify({ error }) };
}

/** TensorFlow Serving writes NaN as a bare word, which is no JSON. */
function json(value: object): ServedAnswer {
  const text = JSON.stringify(value, (_, each: unknown) => (Number.isNaN(each) ? '@NaN@' : each));
  return { body: text.replaceAll('"@NaN@"', 'NaN') };
}
